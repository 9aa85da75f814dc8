"""One run on a Ray cluster: check its nodes, send the tasks, wait for them.

Ray decides where a task runs, and runs it again elsewhere if its node is lost.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from synthkd._version import __version__
from synthkd.cluster.coordinator import Coordinator, ShardProgress
from synthkd.cluster.shard import BEFORE, clear_node, error_of, generate_shard, outcome_of
from synthkd.cluster.shared_folder import SharedFolder
from synthkd.cluster.supported import check_plan
from synthkd.cluster.takeover import (
    ClusterRecord,
    put_shards,
    read_cluster_record,
    shards_of,
    write_cluster_record,
)
from synthkd.errors import Interrupted, SynthKDError, TeacherError
from synthkd.journal import Journal
from synthkd.journal.parts import export_completions
from synthkd.keys import content_hash
from synthkd.progress import Progress
from synthkd.recipe import Recipe
from synthkd.stages.generate import GenerateReport
from synthkd.stages.interrupt import StopEvent, stopped_by_signals
from synthkd.stages.places import EXPORTS
from synthkd.stages.plan import RunPlan
from synthkd.stages.processes import Message, recipe_message

#: Times that Ray runs a task again whose node or process was lost.
RETRIES = 20
#: Seconds between two looks at the tasks.
_LOOK = 0.3
#: Seconds that every node has for its answer before the run.
_ANSWER = 120.0


class RaySession:
    """One run on a cluster.

    Args:
        recipe: The recipe.
        nodes: Shards that generate at the same time; None for one on each node.
        shared: The shared folder; None for one in the run's folder.

    Attributes:
        shards: Number of shards of the run.
        made: Node and journal of each shard that this session has generated.
    """

    def __init__(self, recipe: Recipe, nodes: int | None = None, shared: str | None = None) -> None:
        import ray

        self._ray = ray
        self.recipe = recipe
        self.token = uuid.uuid4().hex
        self.made: dict[int, tuple[str | None, str]] = {}
        self.address = shared or str(recipe.work_dir / EXPORTS)
        self.shared = SharedFolder(self.address)
        self.nodes = [
            node["NodeID"]
            for node in ray.nodes()
            if node["Alive"] and node["Resources"].get("CPU", 0) > 0
        ]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "probe"
            path.write_text(self.token, "utf-8")
            self.shared.put(path, f"probes/{self.token}")
            self._check_nodes()
            self.shared.remove(f"probes/{self.token}")
            self.shards = shards_of(
                self.shared,
                nodes or len(self.nodes),
                lambda shards: put_shards(self.shared, shards, path),
            )

    def _check_nodes(self) -> None:
        """Refuse nodes that could not do a task: before anything is bought."""
        look = self.task(look_around, retries=0)
        inputs = self.recipe.inputs.path
        path = None if inputs is None else str(self.recipe.resolve(inputs))
        refs = [
            self.on_node(look, node, soft=False).remote(self.address, self.token, path)
            for node in self.nodes
        ]
        alive = []
        for node, ref in zip(self.nodes, refs, strict=True):
            outcome = self._look_of(ref)
            if outcome is None:
                continue
            if (problem := error_of(outcome)) is not None:
                raise problem
            if outcome["version"] != __version__:
                raise TeacherError(
                    f"node {node[:8]} of the cluster has synthkd {outcome['version']}, this machine"
                    f" {__version__}: install one version everywhere"
                )
            if outcome["lack"]:
                raise TeacherError(f"node {node[:8]} of the cluster {outcome['lack']}")
            alive.append(node)
        if not alive:
            raise TeacherError(
                "the cluster has no node with cores for tasks: add one with `ray start --address"
                " HOST:PORT`"
            )
        self.nodes = alive

    def _look_of(self, ref: Any) -> Message | None:
        """Return what a node tells; None if it was lost meanwhile."""
        gone = self._ray.exceptions
        try:
            outcome: Message = self._ray.get(ref, timeout=_ANSWER)
        except (gone.NodeDiedError, gone.TaskUnschedulableError):
            return None
        except gone.RayError as error:
            text = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise TeacherError(
                f"a node of the cluster cannot do the work ({text:.200}): install synthkd"
                f" {__version__} with the recipe's extras on every node"
            ) from None
        return outcome

    # Tasks

    def task(self, function: Callable[..., Any], retries: int = RETRIES) -> Any:
        """Return a function as a task of one core."""
        return self._ray.remote(num_cpus=1, max_retries=retries, scheduling_strategy="SPREAD")(
            function
        )

    def on_node(self, task: Any, node: str | None, soft: bool = True) -> Any:
        """Return a task for a node; ``soft``: elsewhere if that node is lost."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        if node is None:
            return task
        return task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=soft))

    def results(self, refs: Sequence[Any]) -> Iterator[Message]:
        """Yield the results of tasks in their order.

        Raises:
            SynthKDError: The error of a task.
        """
        for ref in refs:
            try:
                outcome = self._ray.get(ref)
            except self._ray.exceptions.RayError as error:
                raise _lost(error) from None
            if (raised := error_of(outcome)) is not None:
                raise raised
            yield outcome

    def put(self, value: Any) -> Any:
        """Put a value where every task reads it once."""
        return self._ray.put(value)

    def job(self, plan: RunPlan) -> Message:
        """Describe the run for tasks. Keys come from the environment of the nodes."""
        return recipe_message(plan.recipe) | {
            "identity": plan.requests.identity,
            "shared": self.address,
            "shards": self.shards,
            "token": self.token,
            "filtering": f"filtering/{self.token}",
            "scores": "",
            **plan.selection_message(),
        }

    # Generation

    def generate(self, plan: RunPlan, journal: Journal, progress: Progress) -> GenerateReport:
        """Generate all shards; the run is claimed, and ``journal`` keeps its spending."""
        check_plan(plan)
        self._export_before(journal)
        limits = plan.recipe.limits
        actor = self.on_node(
            self._ray.remote(num_cpus=0)(Coordinator), self._own_node(), soft=False
        ).remote(
            str(journal.path),
            plan.recipe.name,
            limits.dollars,
            limits.tokens,
            limits.requests_per_minute,
            limits.tokens_per_minute,
        )
        job = self.job(plan)
        task = self.task(_generate_by_actor)
        refs = [task.remote(job, number, actor) for number in range(self.shards)]
        try:
            return self._wait(refs, actor, progress, limits.grace)
        finally:
            with suppress(self._ray.exceptions.RayError):
                self._ray.get(actor.close.remote())
            self._ray.kill(actor)

    def _own_node(self) -> str:
        return str(self._ray.get_runtime_context().get_node_id())

    def _wait(
        self, refs: list[Any], actor: Any, progress: Progress, grace: float
    ) -> GenerateReport:
        stop_event, report = StopEvent(), GenerateReport()
        shown, lost = ShardProgress(), 0
        error: SynthKDError | None = None
        left = dict(zip(refs, range(len(refs)), strict=True))
        is_told = False
        with stopped_by_signals(stop_event, progress, grace=grace):
            while left:
                done, _ = self._ray.wait(list(left), timeout=_LOOK)
                for ref in done:
                    number = left.pop(ref)
                    try:
                        outcome = self._ray.get(ref)
                        problem = error_of(outcome)
                    except self._ray.exceptions.RayError as raised:
                        outcome, problem = {}, _lost(raised)
                    if problem is None:
                        report.add(outcome["report"])
                        self.made[number] = (outcome["node"], outcome["journal"])
                    elif not isinstance(problem, Interrupted):
                        error = error or problem
                try:
                    now, lost_now = self._ray.get(actor.progress.remote())
                except self._ray.exceptions.RayError as raised:
                    raise _lost(raised) from None
                _show(progress, shown, now)
                if lost_now > lost:
                    new = lost_now - lost
                    progress.say(
                        f"{new} {'shard goes' if new == 1 else 'shards go'} on elsewhere after the"
                        " loss of a node, from what was exported"
                    )
                shown, lost = now, lost_now
                if (stop_event.is_set() or error is not None) and not is_told:
                    actor.stop.remote()
                    is_told = True
        if error is not None:
            raise error
        if stop_event.is_set():
            raise stop_event.interrupted(
                f"stopped: what came is in {self.address}; the same command goes on from there"
            )
        progress.expect(None)
        return report

    def _export_before(self, journal: Journal) -> None:
        """Export what the run's journal had before the run went to a cluster, or got since."""
        work = self.recipe.work_dir
        record = read_cluster_record(work) or ClusterRecord(shared=self.address)
        if record.shared != self.address:
            record = ClusterRecord(shared=self.address)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "before.parquet"
            while True:
                last, rows = export_completions(journal, record.before, path, 100_000)
                if not rows:
                    break
                name = f"{BEFORE}/completions-{journal_name(journal)}-{last:012d}.parquet"
                self.shared.put(path, name)
                record = record.model_copy(update={"before": last})
        write_cluster_record(work, record)

    def close(self) -> None:
        """Remove what the run's tasks have left on the nodes."""
        with suppress(Exception):
            job = {"shared": self.address, "token": self.token}
            task = self.task(clear_node, retries=0)
            self._ray.get(
                [self.on_node(task, node, soft=False).remote(job) for node in self._alive()],
                timeout=30,
            )

    def _alive(self) -> list[str]:
        alive = {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}
        return [node for node in self.nodes if node in alive]


class _Calls:
    """Calls an actor as if it were here."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def __getattr__(self, name: str) -> Callable[..., Any]:
        import ray

        method = getattr(self._actor, name)
        return lambda *arguments: ray.get(method.remote(*arguments))


def _generate_by_actor(job: Message, number: int, actor: Any) -> Message:
    return generate_shard(job, number, _Calls(actor))


def look_around(shared: str, token: str, inputs: str | None) -> Message:
    """Tell what a node has: the version of synthkd, the shared folder, the inputs."""

    def work() -> Message:
        lack = ""
        if SharedFolder(shared).read(f"probes/{token}") != token.encode():
            lack = (
                f"does not see {shared}, where this machine wrote a file: name a folder that all"
                " nodes share with --shared"
            )
        elif inputs is not None and not Path(inputs).exists():
            lack = (
                f"has no {inputs}: put the recipe's folder on a file system that all nodes share,"
                " at the same path"
            )
        return {"version": __version__, "lack": lack}

    return outcome_of(work)


def journal_name(journal: Journal) -> str:
    """Return a name of a journal for the names of its exports."""
    return content_hash(str(journal.path.resolve()), 4)


def _show(progress: Progress, shown: ShardProgress, now: ShardProgress) -> None:
    progress.more(now.more - shown.more)
    progress.skip(now.skipped - shown.skipped)
    if now.done > shown.done:
        progress.advance(now.done - shown.done, now.tokens - shown.tokens, now.cost)
    for message in dict.fromkeys(now.messages):
        progress.say(message)


def _lost(error: Exception) -> TeacherError:
    """Make the error of a task or actor that Ray has given up."""
    problem = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return TeacherError(
        f"the cluster gave a task up ({type(error).__name__}: {problem:.300}); what was exported is"
        " kept, and the same command goes on from there"
    )
