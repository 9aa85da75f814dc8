"""The tasks of a shard: generate it, and parse it, on the node that Ray has chosen.

A shard's journal lies on the node's disk. At its beginning a task takes in all that was exported of
the shard, so that it goes on where the task of a lost node has ended.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from synthkd import errors, plugins
from synthkd.cluster.coordinator import ShardProgress
from synthkd.cluster.cost_leases import LeasedAllowance
from synthkd.cluster.parts import Exporter, import_parts, shard_folder
from synthkd.cluster.rate_leases import LeasedRates
from synthkd.cluster.shared_folder import SharedFolder
from synthkd.errors import SynthKDError
from synthkd.journal import Caps, Journal
from synthkd.keys import content_hash
from synthkd.progress import Progress
from synthkd.stages.filter import count_partitions
from synthkd.stages.filter_steps import Steps
from synthkd.stages.generate import generate_completions
from synthkd.stages.plan import RunPlan, plan_run
from synthkd.stages.processes import Message, recipe_of

#: Completions of the driver's journal from before the run went to a cluster.
BEFORE = "before"


def outcome_of(work: Callable[[], Message]) -> Message:
    """Do the work of a task; return its result, or its error as a message.

    An error that is raised on purpose is no reason to try again elsewhere, unlike a lost node.
    """
    try:
        return work()
    except SynthKDError as error:
        return {"error": type(error).__name__, "detail": str(error)}
    except Exception as error:
        if (fault := plugins.fault_of_plugin(error)) is None:
            raise
        return {"error": errors.RecipeError.__name__, "detail": fault}


def error_of(outcome: Message) -> SynthKDError | None:
    """Return the error of an outcome; None if the task ended well."""
    if "error" not in outcome:
        return None
    error: SynthKDError = SynthKDError.__new__(getattr(errors, outcome["error"], SynthKDError))
    Exception.__init__(error, outcome["detail"])
    return error


class _Counted(Progress):
    """Progress that the exporter's thread reports."""

    def __init__(self) -> None:
        super().__init__("generate", quiet=True)
        self.counts = ShardProgress()

    def more(self, rows: int) -> None:
        self.counts.more += rows

    def skip(self, rows: int) -> None:
        self.counts.skipped += rows

    def advance(self, rows: int, tokens: int = 0, cost: float | None = None) -> None:
        self.counts.done += rows
        self.counts.tokens += tokens
        self.counts.cost = cost if cost is not None else self.counts.cost

    def say(self, message: str) -> None:
        self.counts.messages.append(message)

    def taken(self) -> ShardProgress:
        """Return the counts so far, and the messages since the last call."""
        messages, self.counts.messages = self.counts.messages, []
        return replace(self.counts, messages=messages)


def generate_shard(job: Message, number: int, coordinator: Any) -> Message:
    """Generate a shard.

    Args:
        job: The run, as `RayEngine` describes it.
        number: Number of the shard.
        coordinator: The `Coordinator`, or what calls it from here.

    Returns:
        The report of the stage and the place of the shard's journal, or an error.
    """
    return outcome_of(lambda: _generate(job, number, coordinator))


def _generate(job: Message, number: int, coordinator: Any) -> Message:
    attempt = uuid.uuid4().hex[:8]
    coordinator.begin(number, attempt)
    shards = int(job["shards"])
    recipe = recipe_of(job)
    recipe = recipe.with_parts(
        teacher=recipe.teacher.model_copy(
            update={"concurrency": max(1, recipe.teacher.concurrency // shards)}
        )
    )
    plan = plan_run(recipe, job["identity"])
    limits = recipe.limits
    if limits.requests_per_minute or limits.tokens_per_minute:
        plan.components.teacher.pace(
            LeasedRates(
                limits.requests_per_minute, limits.tokens_per_minute, coordinator.lend_rates
            )
        )
    capped = limits.dollars is not None or limits.tokens is not None
    caps = Caps(limits.dollars, limits.tokens) if capped else None
    shared = SharedFolder(job["shared"])
    path = _node_folder(job) / f"{number:04d}-{attempt}" / "journal.sqlite"
    path.parent.mkdir(parents=True)
    _take_in(shared, plan, path, (number, shards))
    progress = _Counted()
    with Journal(path) as journal, journal.claim(recipe.name):

        def report() -> bool:
            spent = journal.spending(recipe.name)
            may_go_on: bool = coordinator.report(number, attempt, spent, progress.taken())
            return may_go_on

        try:
            with Exporter(journal, shared, number, attempt, report) as exporter:
                allowance = LeasedAllowance(
                    coordinator, number, attempt, journal, recipe.name, caps, exporter.may_send
                )
                done = generate_completions(
                    plan, journal, progress, (number, shards), allowance=allowance
                )
        finally:
            # The journal has charged what may be billed: the rest of the lease is free again.
            report()
            coordinator.end(number, attempt)
    return {"report": done.as_dict(), "journal": str(path), "node": job_node()}


def job_node() -> str | None:
    """Return the id of this node; None outside of a cluster."""
    with suppress(ImportError, RuntimeError):
        import ray

        if ray.is_initialized():
            return str(ray.get_runtime_context().get_node_id())
    return None


def _node_folder(job: Message) -> Path:
    """Return the folder of a run on this node; nodes of one machine have one each."""
    user = getpass.getuser() if "USER" in os.environ or "LOGNAME" in os.environ else os.getuid()
    name = content_hash([job["shared"], job["token"], job_node()], 8)
    return Path(tempfile.gettempdir()) / f"synthkd-cluster-{user}" / name


def clear_node(job: Message) -> None:
    """Remove what the tasks of a run have left on this node."""
    shutil.rmtree(_node_folder(job), ignore_errors=True)


def _take_in(shared: SharedFolder, plan: RunPlan, journal: Path, shard: tuple[int, int]) -> None:
    """Fill a new journal with all that is known of a shard."""
    import_parts(shared, shard_folder(shard[0]), journal)
    if shared.names(BEFORE):
        ids = {one.request.request_id for batch in plan.batches(shard=shard) for one in batch}
        import_parts(shared, BEFORE, journal, only=ids)
    with Journal(journal):
        pass


@lru_cache(1)
def _plan_of(folder: str, text: str, identity: str) -> RunPlan:
    """Make the plan of a run once for all tasks that one worker process does."""
    return plan_run(recipe_of(json.loads(text)), identity)


def plan_of(job: Message) -> RunPlan:
    """Return the plan of a job."""
    text = json.dumps({name: job[name] for name in ("recipe", "folder")}, sort_keys=True)
    return _plan_of(str(job["folder"]), text, job["identity"]).selected_by(job)


def _journal_here(job: Message, number: int, made: str | None) -> Path:
    """Return the journal of a shard on this node, filled from the exports if it was elsewhere."""
    if made is not None and Path(made).is_file():
        return Path(made)
    folder = _node_folder(job) / f"{number:04d}-parse-{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True)
    path = folder / "journal.sqlite"
    _take_in(SharedFolder(job["shared"]), plan_of(job), path, (number, int(job["shards"])))
    return path


def measure_shard(job: Message, number: int, made: str | None) -> Message:
    """Return how many partitions the rows of all shards need, as this shard tells."""

    def work() -> Message:
        shard = (number, int(job["shards"]))
        with Journal(_journal_here(job, number, made), must_exist=True) as journal:
            return {"partitions": count_partitions(plan_of(job), journal, shard)}

    return outcome_of(work)


def parse_shard(job: Message, number: int, made: str | None, partitions: int) -> Message:
    """Parse the completions of a shard, and put their rows into the shared folder.

    Returns:
        Counts, what the global rules have observed, and the names of the files.
    """

    def work() -> Message:
        shard = (number, int(job["shards"]))
        shared = SharedFolder(job["shared"])
        with (
            tempfile.TemporaryDirectory() as temporary,
            Journal(_journal_here(job, number, made), must_exist=True) as journal,
        ):
            folder = Path(temporary)
            steps = Steps(plan_of(job), folder)
            counts = steps.parse(journal, partitions, Progress("filter", quiet=True), shard)
            names = []
            for path in sorted(folder.glob("parsed/*/*.arrows")):
                name = path.relative_to(folder).as_posix()
                shared.put(path, f"{job['filtering']}/{name}")
                names.append(name)
            return {"counts": counts.as_dict(), "states": steps.observed(), "names": names}

    return outcome_of(work)
