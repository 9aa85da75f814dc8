"""What a process does of filtering: parse a shard of the inputs, count the votes of a partition, write it. The stage
itself works with these steps, and so does each of its workers."""

from __future__ import annotations

import gc
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from synthkd.filters.base import GlobalFilter
from synthkd.filters.dawid_skene import Pattern
from synthkd.journal import Journal
from synthkd.progress import Progress
from synthkd.stages.critic import Decision
from synthkd.stages.filter_report import ParseCounts
from synthkd.stages.outcomes import Outcomes, tally_of
from synthkd.stages.parse import Parser
from synthkd.stages.partitions import Partitions, partition_name, read_partition
from synthkd.stages.plan import RunPlan
from synthkd.stages.votes import QUESTION, Ballot


@contextmanager
def _few_collections(every: int = 64) -> Iterator[Callable[[], None]]:
    """Look for cyclic garbage once in so many batches. Parsing makes many objects and hardly a cycle, and looking
    through all of them again and again takes a quarter of its time."""
    batches = itertools.count(1)

    def tidy() -> None:
        if next(batches) % every == 0:
            gc.collect()

    was_on = gc.isenabled()
    gc.disable()
    try:
        yield tidy
    finally:
        if was_on:
            gc.enable()


class Steps:
    """The steps, in a folder that all processes of one filtering share."""

    def __init__(self, plan: RunPlan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.globals = [rule for rule in plan.components.rules if isinstance(rule, GlobalFilter)]

    def parse(
        self, journal: Journal, partitions: int, progress: Progress, shard: tuple[int, int] = (0, 1)
    ) -> ParseCounts:
        """Deal the rows of a shard to partitions."""
        parser = Parser(self.plan.requests, journal)
        folder = self.folder / "parsed" / f"{shard[0]:03d}"
        folder.mkdir(parents=True)
        with _few_collections() as tidy, Partitions(folder, parser.schema, partitions, QUESTION) as out:
            for batch in self.plan.batches(shard=shard):
                rows = parser.read(batch)
                if rows is not None:
                    out.write(rows)
                    progress.more(rows.num_rows)
                tidy()
        return parser.came

    def partitions(self) -> list[int]:
        """The numbers of those that have rows."""
        return sorted({int(path.stem) for path in self.folder.glob("parsed/*/*.arrows")})

    def begun(self, number: int) -> Outcomes:
        """The rows of a partition, from all shards; the global rules have spoken."""
        paths = sorted(self.folder.glob(f"parsed/*/{partition_name(number)}"))
        return Outcomes.begun(read_partition(paths), self.plan.components)

    def survey(self, number: int, ballot: Ballot) -> Counter[Pattern]:
        """The patterns of votes in a partition."""
        outcomes = self.begun(number)
        return ballot.survey(outcomes.table, outcomes.is_open)

    def count(
        self, number: int, ballot: Ballot, decision: Decision | None = None
    ) -> tuple[Outcomes, Counter[str]]:
        """Votes and duplicates of a partition; with a decision, votes are weighed by the critic, and it has spoken."""
        outcomes = self.begun(number)
        if decision is None:
            return outcomes, outcomes.counted(ballot)
        scores = outcomes.scores(decision)
        held = outcomes.counted(ballot, scores)
        outcomes.scored(decision, scores)
        return outcomes, held

    def lay_down(self, number: int, outcomes: Outcomes) -> None:
        """Leave a counted partition to the process that has the critic."""
        path = self.folder / "counted" / partition_name(number)
        path.parent.mkdir(exist_ok=True)
        table = outcomes.done()
        with pa.ipc.new_stream(str(path), table.schema) as out:
            out.write_table(table)

    def take_up(self, number: int) -> Outcomes:
        """What `lay_down` left."""
        path = self.folder / "counted" / partition_name(number)
        outcomes = Outcomes(read_partition([path]).combine_chunks())
        path.unlink()
        return outcomes

    def finish(self, number: int, outcomes: Outcomes) -> dict[str, int]:
        """Write a partition. Returns how many rows have each outcome."""
        table = outcomes.done()
        pq.write_table(table, self.folder / f"part-{number:04d}.parquet", compression="zstd")
        for path in self.folder.glob(f"parsed/*/{partition_name(number)}"):
            path.unlink()
        return tally_of(table)

    def observed(self) -> list[Any]:
        """What the global rules have seen in this process."""
        return [rule.state() for rule in self.globals]

    def observe(self, states: list[list[Any]]) -> None:
        """Give the global rules what they have seen in all processes."""
        for rule, seen in zip(self.globals, zip(*states, strict=True), strict=True):
            rule.merge(list(seen))
