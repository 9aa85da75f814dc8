"""Filtering: recorded triples parsed, checked, voted on and deduplicated in a second.

A row is one completion. Heads and tails come from the everyday table, with repeats, some malformed
and some that fail each rule. The journal is filled before the clock starts. Timed is the stage in a
process of its own, from the start of the interpreter to the filtered rows on disk (without the
table of diversity that `synthkd filter` adds): the best of three, since other work on the machine
only slows it. `cores_got` is processor time over wall time: less than the number of processes if
others took their share. Memory is the peak of the largest process, of all rows over that of a tenth
of them. The full run takes about five minutes, most of it to fill the journal.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from benchmarks.base import Benchmark, at_least, at_most


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--rows", type=int, help="completions (default: 2,000,000; with --quick 100,000)"
    )
    parser.add_argument(
        "--workers", type=int, default=4, help="processes, one on each core (default: 4)"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep the filled journals for the next run"
    )


BENCHMARK = Benchmark(
    name="filter",
    description=__doc__,
    parts={"throughput": "benchmarks.filter.throughput:figures"},
    wanted={"rows_per_second_4_cores": at_least(100_000), "memory_ratio": at_most(1.2)},
    add_options=_add_options,
)
