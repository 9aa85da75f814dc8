"""Filter: parse what is in the journal, and give every candidate an outcome. The teacher is never called.

First pass (`parse`), a batch of inputs at a time: parse, then the rules that look at one row. Rows go to partitions by
the question that their completions vote on. Second pass (`outcomes`), a partition at a time: the global rules' verdicts,
votes, exact duplicates, the critic. Memory holds one batch or one partition, whatever the number of rows.

With several processes (`filter_processes`) each reads the journal for a shard of the inputs, and takes partitions when all
are parsed. How many there are cannot be seen in what is written.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from synthkd.errors import InputError, SynthKDError, TeacherError
from synthkd.filters.dawid_skene import Pattern
from synthkd.filters.duplicates import NAME as DUPLICATE
from synthkd.filters.votes import NAME as VOTES
from synthkd.journal import Journal
from synthkd.progress import Progress
from synthkd.stages.corpus_filters import decide_last
from synthkd.stages.critic import Decision
from synthkd.stages.filter_processes import Team, why_alone
from synthkd.stages.filter_report import FilterReport, ParseCounts
from synthkd.stages.filter_steps import Steps
from synthkd.stages.order import order
from synthkd.stages.outcomes import Outcomes
from synthkd.stages.parse import MALFORMED
from synthkd.stages.plan import RunPlan
from synthkd.stages.votes import Ballot
from synthkd.storage import FILTERED_FOLDER, replaced_folder

#: Rows that a partition should hold, about.
PARTITION_ROWS = 200_000


def filter_candidates(
    plan: RunPlan, journal: Journal, decision: Decision, folder: Path, progress: Progress, workers: int = 1
) -> FilterReport:
    """Write filtered candidates as ``part-*.parquet`` into ``folder``, those of one question together; return the
    counts."""
    with replaced_folder(folder, FILTERED_FOLDER) as temporary:
        steps = Steps(plan, temporary)
        with _hands(workers, steps, journal, progress) as hands:
            came = hands.parse(count_partitions(plan))
            if not came.completed:
                raise _nothing(came)
            done = _decide_all(steps, hands, decision, came.report(), progress)
            order(plan.components, temporary, done)
            decide_last(plan.components, temporary, done)
        shutil.rmtree(temporary / "parsed")
        shutil.rmtree(temporary / "counted", ignore_errors=True)
    return done


class Hands(Protocol):
    """Who does the work: this process, or a team."""

    def parse(self, partitions: int) -> ParseCounts:
        """Deal the rows of all inputs to partitions."""

    def survey(self, ballot: Ballot) -> Counter[Pattern]:
        """The patterns of votes in all partitions."""

    def count(self, ballot: Ballot) -> Iterator[tuple[int, Outcomes, Counter[str]]]:
        """Votes and duplicates, a partition at a time."""

    def finish(self, ballot: Ballot) -> Iterator[tuple[dict[str, int], Counter[str]]]:
        """The same, and write the partitions."""


@contextmanager
def _hands(workers: int, steps: Steps, journal: Journal, progress: Progress) -> Iterator[Hands]:
    alone = why_alone(steps.plan)
    if workers > 1 and not alone:
        with Team(workers, steps, progress) as team:
            yield team
        return
    if workers > 1:
        progress.say(f"filtered in one process: {alone}")
    yield Alone(steps, journal, progress)


class Alone:
    """All steps in this process."""

    def __init__(self, steps: Steps, journal: Journal, progress: Progress) -> None:
        self.steps, self.journal, self.progress = steps, journal, progress

    def parse(self, partitions: int) -> ParseCounts:
        return self.steps.parse(self.journal, partitions, self.progress)

    def survey(self, ballot: Ballot) -> Counter[Pattern]:
        found: Counter[Pattern] = Counter()
        for number in self.steps.partitions():
            found.update(self.steps.survey(number, ballot))
        return found

    def count(self, ballot: Ballot) -> Iterator[tuple[int, Outcomes, Counter[str]]]:
        for number in self.steps.partitions():
            yield number, *self.steps.count(number, ballot)

    def finish(self, ballot: Ballot) -> Iterator[tuple[dict[str, int], Counter[str]]]:
        for number, outcomes, held in self.count(ballot):
            yield self.steps.finish(number, outcomes), held


def _decide_all(
    steps: Steps, hands: Hands, decision: Decision, done: FilterReport, progress: Progress
) -> FilterReport:
    """The second pass. The critic works in this process alone: it may be large, and it watches for shift."""
    plan = steps.plan
    ballot = Ballot.of(plan.recipe.votes, plan.kind)
    if ballot.by == "teacher":
        ballot = ballot.informed(hands.survey(ballot))
    outcomes: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for counts, votes in _finished(steps, hands, ballot, decision):
        outcomes.update(counts)
        held.update(votes)
        progress.advance(sum(counts.values()))
    done.accepted = outcomes.pop("accepted", 0)
    done.malformed = outcomes.pop(MALFORMED, 0)
    names = [*(rule.name for rule in plan.components.rules), *([VOTES] if ballot.part else []), DUPLICATE]
    if decision.trained is not None:
        names.append(decision.name)
    # A critic may give outcomes of its own, such as a judge's reply that cannot be read.
    others = sorted(name for name in outcomes if name not in names)
    done.rejected = {name: outcomes[name] for name in dict.fromkeys([*names, *others])}
    if ballot.part:
        sure = ballot.teachers.sure
        saved = done.votes or {}
        done.votes = {name: held[name] for name in ("questions", "unanimous", "led", "tied")} | saved
        done.votes |= {"teachers": sure} if sure else {}
    return done


def _finished(
    steps: Steps, hands: Hands, ballot: Ballot, decision: Decision
) -> Iterator[tuple[dict[str, int], Counter[str]]]:
    if decision.trained is None:
        yield from hands.finish(ballot)
    elif ballot.by == "critic":
        for number in steps.partitions():
            rows, votes = steps.count(number, ballot, decision)
            yield steps.finish(number, rows), votes
    else:
        for number, rows, votes in hands.count(ballot):
            rows.scored(decision)
            yield steps.finish(number, rows), votes


def count_partitions(plan: RunPlan) -> int:
    """A power of two, so that about `PARTITION_ROWS` rows fall in each."""
    wanted = plan.inputs.count() * plan.components.sampling.n * plan.kind.answer_size / PARTITION_ROWS
    count = 1
    while count < wanted and count < 4096:
        count *= 2
    return count


def _nothing(came: ParseCounts) -> SynthKDError:
    """Make the error of a recipe without a completion: a verb too early, or a teacher that refused everything."""
    if not came.failures:
        return InputError(
            "nothing to filter: no completion of this recipe is in the journal; run `synthkd generate` first"
        )
    reasons = ", ".join(f"{name} {count:,}" for name, count in sorted(came.failures.items()))
    return TeacherError(
        f"nothing to filter: all {came.failures.total():,} requests failed ({reasons}); `synthkd journal list JOURNAL"
        " --table failures` shows what was said, `synthkd journal retry JOURNAL` lets the next run ask again"
    )
