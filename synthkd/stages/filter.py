"""Filter: parse the completions in the journal, and give every candidate an outcome.

The teacher is never called. First pass (`parse`), a batch of inputs at a time: parse, then the
rules that look at one row; rows are dealt to partitions by the question that their completions vote
on. Second pass (`outcomes`), a partition at a time: global rules, votes, exact duplicates, critic.
Last, corpus-level filters (`corpus_filters`). Memory holds one batch or one partition, whatever the
number of rows.

With several processes (`filter_processes`) each parses a shard of the inputs, and takes partitions
when all are parsed. The number of processes does not change a byte of what is written.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from synthkd.errors import InputError, SynthKDError, TeacherError
from synthkd.filters.duplicates import NAME as DUPLICATE
from synthkd.filters.votes import NAME as VOTES
from synthkd.journal import Journal
from synthkd.progress import Progress
from synthkd.stages.corpus_filters import apply_corpus_filters
from synthkd.stages.critic import Decision
from synthkd.stages.filter_processes import WorkerTeam, why_one_process
from synthkd.stages.filter_report import FilterReport, ParseCounts
from synthkd.stages.filter_steps import Steps
from synthkd.stages.outcomes import Outcomes
from synthkd.stages.parse import MALFORMED, Parser
from synthkd.stages.plan import RunPlan
from synthkd.storage import FILTERED_FOLDER, replaced_folder

#: Rows, and bytes of them, that a partition should hold at most, about.
PARTITION_ROWS, PARTITION_BYTES = 200_000, 32 << 20
#: Inputs whose rows are measured, to tell how many partitions are needed.
_MEASURED = 64


def filter_candidates(
    plan: RunPlan,
    journal: Journal,
    decision: Decision,
    folder: Path,
    progress: Progress,
    workers: int = 1,
) -> FilterReport:
    """Write filtered candidates as ``part-*.parquet`` into a folder.

    Rows of one question are in one file, in the order of their ids.

    Args:
        plan: What is filtered.
        journal: Where completions are.
        decision: The critic and its threshold.
        folder: Replaced whole, once every row has its outcome.
        progress: What is shown.
        workers: Number of processes.

    Raises:
        InputError: No completion of the recipe is in the journal.
        TeacherError: All requests of the recipe failed.
    """
    with replaced_folder(folder, FILTERED_FOLDER) as temporary:
        steps = Steps(plan, temporary)
        with _step_runner(workers, steps, journal, progress) as runner:
            counts = runner.parse(count_partitions(plan, journal))
            if not counts.completed:
                raise no_completion(counts)
            report = decide_all(steps, runner, decision, counts.report(), progress)
            apply_corpus_filters(plan.components, temporary, report)
        shutil.rmtree(temporary / "parsed")
        shutil.rmtree(temporary / "counted", ignore_errors=True)
    return report


class StepRunner(Protocol):
    """Does the steps: in this process, or in several."""

    def parse(self, partitions: int) -> ParseCounts:
        """Deal the rows of all inputs to partitions."""

    def observe_votes(self) -> None:
        """Let the weight of votes take in all partitions."""

    def count(self) -> Iterator[tuple[int, Outcomes, Counter[str]]]:
        """Count votes and duplicates, a partition at a time."""

    def finish(self) -> Iterator[tuple[dict[str, int], Counter[str]]]:
        """Count likewise, and write the partitions."""


@contextmanager
def _step_runner(
    workers: int, steps: Steps, journal: Journal, progress: Progress
) -> Iterator[StepRunner]:
    why = why_one_process(steps.plan)
    if workers > 1 and not why:
        with WorkerTeam(workers, steps, progress) as team:
            yield team
        return
    if workers > 1:
        progress.say(f"filtered in one process: {why}")
    yield InProcess(steps, journal, progress)


class InProcess:
    """Does all steps in this process."""

    def __init__(self, steps: Steps, journal: Journal, progress: Progress) -> None:
        self.steps, self.journal, self.progress = steps, journal, progress

    def parse(self, partitions: int) -> ParseCounts:
        return self.steps.parse(self.journal, partitions, self.progress)

    def observe_votes(self) -> None:
        for number in self.steps.partitions():
            self.steps.observe_votes(number)

    def count(self) -> Iterator[tuple[int, Outcomes, Counter[str]]]:
        for number in self.steps.partitions():
            yield number, *self.steps.count(number)

    def finish(self) -> Iterator[tuple[dict[str, int], Counter[str]]]:
        for number, outcomes, votes in self.count():
            yield self.steps.finish(number, outcomes), votes


def decide_all(
    steps: Steps, runner: StepRunner, decision: Decision, report: FilterReport, progress: Progress
) -> FilterReport:
    """Do the second pass; the critic works in this process alone, where it watches for shift."""
    components = steps.plan.components
    ballot = steps.ballot
    if ballot.weight.looks_ahead:
        runner.observe_votes()
    outcomes: Counter[str] = Counter()
    votes: Counter[str] = Counter()
    for of_partition, votes_of_partition in _finished(steps, runner, decision):
        outcomes.update(of_partition)
        votes.update(votes_of_partition)
        progress.advance(sum(of_partition.values()))
    report.accepted = outcomes.pop("accepted", 0)
    report.malformed = outcomes.pop(MALFORMED, 0)
    names = [
        *(rule.name for rule in components.rules),
        *([VOTES] if ballot.part else []),
        DUPLICATE,
    ]
    if decision.trained is not None:
        names.append(decision.name)
    # A critic may give outcomes of its own, such as a judge's reply that cannot be read.
    others = sorted(name for name in outcomes if name not in names)
    report.rejected = {name: outcomes[name] for name in dict.fromkeys([*names, *others])}
    if ballot.part:
        saved = report.votes or {}
        counts = {name: votes[name] for name in ("questions", "unanimous", "led", "tied")}
        weight = ballot.weight
        report.votes = weight.findings() | weight.summary(votes) | counts | saved
    return report


def _finished(
    steps: Steps, runner: StepRunner, decision: Decision
) -> Iterator[tuple[dict[str, int], Counter[str]]]:
    """Yield the numbers of outcomes and of votes of each partition, once it is written."""
    if decision.trained is None:
        yield from runner.finish()
    elif steps.ballot.weight.needs_critic:
        for number in steps.partitions():
            outcomes, votes = steps.count(number, decision)
            yield steps.finish(number, outcomes), votes
    else:
        for number, outcomes, votes in runner.count():
            outcomes.apply_critic(decision)
            yield steps.finish(number, outcomes), votes


def count_partitions(plan: RunPlan, journal: Journal, shard: tuple[int, int] = (0, 1)) -> int:
    """Return a power of two, so that partitions are about as large as they should be.

    The size is told by the rows of the first inputs of a shard that have any.
    """
    parser = Parser(plan.requests, journal)
    inputs = 0
    share = 0.0
    for batch in plan.batches(size=_MEASURED, shard=shard):
        inputs += len(batch)
        rows = size = 0
        for part in parser.unruled(batch):
            rows, size = rows + part.num_rows, size + part.nbytes
        if rows:
            share = max(rows / PARTITION_ROWS, size / PARTITION_BYTES) / inputs
            break
    wanted = share * plan.inputs.count(checked=False)
    count = 1
    while count < wanted and count < 4096:
        count *= 2
    return count


def no_completion(counts: ParseCounts) -> SynthKDError:
    """Make the error of a recipe without a completion."""
    if not counts.failures:
        return InputError(
            "nothing to filter: no completion of this recipe is in the journal; run `synthkd"
            " generate` first"
        )
    reasons = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.failures.items()))
    return TeacherError(
        f"nothing to filter: all {counts.failures.total():,} requests failed ({reasons}); `synthkd"
        " journal list JOURNAL"
        " --table failures` shows what was said, `synthkd journal retry JOURNAL` lets the next run"
        " ask again"
    )
