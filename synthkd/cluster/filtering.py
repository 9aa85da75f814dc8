"""Filter by tasks of a cluster: a task parses a shard, a task counts or finishes a partition.

The steps are those of one machine (`synthkd.stages.filter`). Between them files lie in the shared
folder, and are removed at the end. A critic that costs nothing scores in the tasks; the driver
applies the threshold, where it watches for shift.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from synthkd.cluster.partition import COUNT, FINISH, OBSERVE_VOTES, do_partition, fetch
from synthkd.cluster.session import RaySession
from synthkd.cluster.shard import measure_shard, parse_shard
from synthkd.filters.votes import Numbers
from synthkd.journal import Journal
from synthkd.progress import Progress
from synthkd.stages.corpus_filters import apply_corpus_filters
from synthkd.stages.critic import Decision
from synthkd.stages.critic_options import critic_folder
from synthkd.stages.filter import decide_all, no_completion
from synthkd.stages.filter_report import FilterReport, ParseCounts
from synthkd.stages.filter_steps import Steps
from synthkd.stages.outcomes import Outcomes
from synthkd.stages.partitions import partition_name
from synthkd.stages.plan import RunPlan
from synthkd.stages.processes import Message
from synthkd.storage import FILTERED_FOLDER, replaced_folder


def filter_by_tasks(
    session: RaySession,
    plan: RunPlan,
    _: Journal,
    decision: Decision,
    folder: Path,
    progress: Progress,
) -> FilterReport:
    """Write filtered candidates as ``part-*.parquet`` into a folder, as `filter_candidates` does.

    Args:
        session: The run on the cluster.
        plan: What is filtered.
        _: The run's journal, which is not needed: the shards have theirs.
        decision: The critic and its threshold.
        folder: Replaced whole, once every row has its outcome.
        progress: What is shown.

    Raises:
        InputError: No completion of the recipe was exported.
        TeacherError: All requests failed, or the cluster gave a task up.
    """
    job = session.job(plan)
    try:
        with replaced_folder(folder, FILTERED_FOLDER) as temporary:
            steps = _DriverSteps(session, job, plan, temporary)
            runner = ClusterRunner(session, job, steps, progress)
            if decision.trained is not None and not decision.trained.critic.asks:
                critic = plan.recipe.critic
                assert critic is not None
                trained_here = plan.recipe.work_dir / "critic"
                place = trained_here if critic.path is None else critic_folder(plan.recipe)
                job["scores"] = str(place)
                if not steps.ballot.weight.needs_critic:
                    decision = replace(decision, trained=_ScoredElsewhere(decision.trained, runner))
            counts = runner.parse(runner.count_partitions())
            if not counts.completed:
                raise no_completion(counts)
            report = decide_all(steps, runner, decision, counts.report(), progress)
            apply_corpus_filters(plan.components, temporary, report)
            for name in ("parsed", "counted"):
                shutil.rmtree(temporary / name, ignore_errors=True)
        return report
    finally:
        session.shared.remove(job["filtering"])


class _DriverSteps(Steps):
    """The steps as the driver does them: files of partitions come from the shared folder."""

    def __init__(self, session: RaySession, job: Message, plan: RunPlan, folder: Path) -> None:
        super().__init__(plan, folder)
        self._session, self._job = session, job
        #: Names of the files of each partition.
        self.files: dict[int, list[str]] = {}

    def partitions(self) -> list[int]:
        return sorted(self.files)

    def load(self, number: int) -> Outcomes:
        fetch(self._session.shared, self._job, self.files[number], self.folder)
        return super().load(number)

    def take_over(self, number: int) -> Outcomes:
        name = f"counted/{partition_name(number)}"
        fetch(self._session.shared, self._job, [name], self.folder)
        return super().take_over(number)


class ClusterRunner:
    """Does the steps by tasks: the `StepRunner` of a cluster."""

    def __init__(
        self, session: RaySession, job: Message, steps: _DriverSteps, progress: Progress
    ) -> None:
        self.session, self.job, self.steps, self.progress = session, job, steps, progress
        #: The critic's scores of the open rows of the partition that was counted last.
        self.scores: Numbers | None = None
        self._states: Any = session.put([])
        self._vote_states: Any = session.put([])

    def _by_shard(self, function: Any, *arguments: Any) -> list[Message]:
        """Have something done for every shard, where its journal is."""
        task = self.session.task(function)
        refs = []
        for number in range(self.session.shards):
            node, made = self.session.made.get(number, (None, None))
            refs.append(self.session.on_node(task, node).remote(self.job, number, made, *arguments))
        return list(self.session.results(refs))

    def count_partitions(self) -> int:
        """Return how many partitions are needed, as the shard with the most rows tells."""
        return max(int(one["partitions"]) for one in self._by_shard(measure_shard))

    def parse(self, partitions: int) -> ParseCounts:
        counts, states = ParseCounts(), []
        for one in self._by_shard(parse_shard, partitions):
            counts.add(one["counts"])
            states.append(one["states"])
            for name in one["names"]:
                self.steps.files.setdefault(int(Path(name).stem), []).append(name)
        self.progress.more(counts.candidates + counts.malformed)
        if self.steps.globals:
            self.steps.observe(states)
            self._states = self.session.put(states)
        return counts

    def observe_votes(self) -> None:
        states = [one["state"] for _, one in self._each(OBSERVE_VOTES)]
        self.steps.ballot.weight.merge(states)
        self._vote_states = self.session.put(states)

    def count(self) -> Iterator[tuple[int, Outcomes, Counter[str]]]:
        for number, one in self._each(COUNT):
            self.scores = one["scores"]
            yield number, self.steps.take_over(number), Counter(one["votes"])

    def finish(self) -> Iterator[tuple[dict[str, int], Counter[str]]]:
        for number, one in self._each(FINISH):
            name = f"part-{number:04d}.parquet"
            fetch(self.session.shared, self.job, [name], self.steps.folder)
            yield one["outcomes"], Counter(one["votes"])

    def _each(self, step: str) -> Iterator[tuple[int, Message]]:
        """Have a step done for every partition; yield results in the order of partitions."""
        task = self.session.task(do_partition)
        numbers = self.steps.partitions()
        refs = [
            task.remote(
                self.job, step, number, self.steps.files[number], self._states, self._vote_states
            )
            for number in numbers
        ]
        yield from zip(numbers, self.session.results(refs), strict=True)


class _ScoredElsewhere:
    """A trained critic whose scores tasks have computed."""

    def __init__(self, trained: Any, runner: ClusterRunner) -> None:
        self._trained, self._runner = trained, runner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trained, name)

    def score(self, rows: pa.Table) -> Numbers:
        scores = self._runner.scores
        assert scores is not None
        assert len(scores) == rows.num_rows
        return scores
