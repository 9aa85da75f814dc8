"""Filtering: recorded triples parsed, checked, voted on and deduplicated in a second.

A row is one completion. Timed are processes of their own, from the start of the interpreter to the
rows on disk; the journal is filled before the clock starts, and `--keep` keeps it for the next run.

`core`: rows a second of processor time, in one process on one core, with the shipped rules; heads
and tails come from the everyday table, with repeats, some malformed and some that fail each rule.
With `--tree` another checkout filters the same journal in turn, as what was before.
`throughput`: the same rows a second of the clock, with several processes; `cores_got` is processor
time over wall time, less than the number of processes if others took their share. Memory is the
peak of the largest process, of all rows over that of a tenth of them.
`atomic10x`: 6.5 million triples from the journal to the corpus (without the table of diversity);
memory is the peak of all processes together.
`propositions`: memory of ten times the text over that of a tenth.
`profile`: where the processor time goes, by py-spy.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from benchmarks.base import Benchmark, at_least, at_most


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, help="completions (default: those of each part)")
    parser.add_argument(
        "--workers", type=int, default=4, help="processes, one on each core (default: 4)"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep the filled journals for the next run"
    )
    parser.add_argument(
        "--tree",
        type=Path,
        metavar="DIR",
        help="another checkout, for the parts `core` and `profile`",
    )


BENCHMARK = Benchmark(
    name="filter",
    description=__doc__,
    parts={
        "core": "benchmarks.filter.core:figures",
        "throughput": "benchmarks.filter.throughput:figures",
        "atomic10x": "benchmarks.filter.atomic10x:figures",
        "propositions": "benchmarks.filter.propositions:figures",
        "profile": "benchmarks.filter.profile:figures",
    },
    named_only=("profile",),
    wanted={
        "filter_rows_per_second_core": at_least(150_000),
        "rows_per_second_4_cores": at_least(100_000),
        "memory_ratio": at_most(1.2),
        "atomic10x_seconds": at_most(120),
        "atomic10x_megabytes": at_most(1000),
        "propositions_memory_ratio": at_most(1.2),
    },
    add_options=_add_options,
)
