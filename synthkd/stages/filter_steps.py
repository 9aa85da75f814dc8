"""The steps of filtering: parse a shard of the inputs, count the votes of a partition, write it.

The stage works with these steps, and so does each of its worker processes.
"""

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

from synthkd.filters.ballot import Ballot
from synthkd.filters.base import GlobalFilter
from synthkd.filters.vote_weights import QUESTION
from synthkd.journal import Journal
from synthkd.progress import Progress
from synthkd.stages.critic import Decision
from synthkd.stages.filter_report import ParseCounts
from synthkd.stages.outcomes import Outcomes, outcome_counts, sorted_rows
from synthkd.stages.parse import Parser, RowShape
from synthkd.stages.partitions import Partitions, partition_name, read_partition
from synthkd.stages.plan import RunPlan


@contextmanager
def _rare_collections(every: int = 64) -> Iterator[Callable[[], None]]:
    """Collect garbage once in so many batches, when the yielded function is called.

    Parsing makes many objects and hardly a cycle; ordinary collections take a quarter of its time.
    """
    batches = itertools.count(1)

    def collect() -> None:
        if next(batches) % every == 0:
            gc.collect()

    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield collect
    finally:
        if was_enabled:
            gc.enable()


class Steps:
    """The steps of one filtering, in a folder that all its processes share."""

    def __init__(self, plan: RunPlan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.shape = RowShape.of(plan.components)
        self.ballot = Ballot.of(plan.recipe, plan.kind)
        self.globals = [rule for rule in plan.components.rules if isinstance(rule, GlobalFilter)]

    def parse(
        self, journal: Journal, partitions: int, progress: Progress, shard: tuple[int, int] = (0, 1)
    ) -> ParseCounts:
        """Deal the rows of a shard to partitions."""
        parser = Parser(self.plan.requests, journal)
        folder = self.folder / "parsed" / f"{shard[0]:03d}"
        folder.mkdir(parents=True)
        names = list(self.shape.written)
        written = pa.schema([self.shape.schema.field(name) for name in names])
        with (
            _rare_collections() as collect,
            Partitions(folder, written, partitions, QUESTION) as out,
        ):
            for batch in self.plan.batches(shard=shard):
                for rows in parser.read(batch):
                    out.write(rows.select(names))
                    progress.more(rows.num_rows)
                collect()
        return parser.counts

    def partitions(self) -> list[int]:
        """Return the numbers of the partitions that have rows."""
        return sorted({int(path.stem) for path in self.folder.glob("parsed/*/*.arrows")})

    def load(self, number: int) -> Outcomes:
        """Read a partition, from all shards, and apply the global rules."""
        paths = sorted(self.folder.glob(f"parsed/*/{partition_name(number)}"))
        table = self.shape.whole(sorted_rows(read_partition(paths)))
        return Outcomes.of_parsed(table, self.plan.components)

    def observe_votes(self, number: int) -> None:
        """Let the weight of votes take in a partition."""
        outcomes = self.load(number)
        self.ballot.observe(outcomes.table, outcomes.is_open)

    def count(self, number: int, decision: Decision | None = None) -> tuple[Outcomes, Counter[str]]:
        """Count votes and duplicates of a partition.

        Given a decision, votes are weighed by the critic's scores, and its verdicts are applied.
        """
        outcomes = self.load(number)
        if decision is None:
            return outcomes, outcomes.count_votes(self.ballot)
        scores = outcomes.scores(decision)
        votes = outcomes.count_votes(self.ballot, scores)
        outcomes.apply_critic(decision, scores)
        return outcomes, votes

    def hand_over(self, number: int, outcomes: Outcomes) -> None:
        """Write a counted partition for the process that has the critic."""
        path = self.folder / "counted" / partition_name(number)
        path.parent.mkdir(exist_ok=True)
        table = outcomes.finished()
        with pa.ipc.new_stream(str(path), table.schema) as out:
            out.write_table(table)

    def take_over(self, number: int) -> Outcomes:
        """Read and remove what `hand_over` wrote."""
        path = self.folder / "counted" / partition_name(number)
        outcomes = Outcomes(read_partition([path]).combine_chunks())
        path.unlink()
        return outcomes

    def finish(self, number: int, outcomes: Outcomes) -> dict[str, int]:
        """Write a partition. Returns how many rows have each outcome."""
        table = outcomes.finished()
        pq.write_table(table, self.folder / f"part-{number:04d}.parquet", compression="zstd")
        for path in self.folder.glob(f"parsed/*/{partition_name(number)}"):
            path.unlink()
        return outcome_counts(table)

    def observed(self) -> list[Any]:
        """Return what the global rules have observed in this process."""
        return [rule.state() for rule in self.globals]

    def observe(self, states: list[list[Any]]) -> None:
        """Give the global rules what they have observed in all processes."""
        for rule, observed in zip(self.globals, zip(*states, strict=True), strict=True):
            rule.merge(list(observed))
