"""The engine: speed, memory, faults, kills, limits and spending caps.

Speed is a ratio to a bare aiohttp loop that writes JSONL; both are timed in turn as whole
processes, each on one core. All servers are on loopback. The full run takes about ten minutes.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from benchmarks.base import Benchmark, at_least, at_most


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--cores", metavar="CLIENT,SERVER", help="cores that speed is measured on")
    parser.add_argument(
        "--tree", type=Path, metavar="DIR", help="another checkout, for `profile` and `workers`"
    )


BENCHMARK = Benchmark(
    name="generate",
    description=__doc__,
    parts={
        part: f"benchmarks.generate.parts:{part}"
        for part in (
            "speed",
            "wire",
            "profile",
            "workers",
            "memory",
            "first",
            "faults",
            "kills",
            "disk",
            "limits",
            "budget",
        )
    },
    wanted={
        "ratio_aiohttp": at_least(1.5),
        "cpu_ratio_aiohttp": at_most(0.7),
        "rows_per_second_1024": at_least(10_000),
        "wire_ratio_pyreqwest": at_least(1.3),
        "ratio_two_workers": at_least(1.7),
        "memory_ratio_200k_20k": at_most(1.2),
        "first_seconds": at_most(1.5),
        "faults_completed_share": at_least(0.999),
        "faults_wall_ratio": at_most(2.0),
        "faults_all_accounted": at_least(1),
        "kills_lost_or_double": at_most(0),
        "full_disk_goes_on": at_least(1),
        "limit_requests_most_in_60_s": at_most(600),
        "limit_requests_used_share": at_least(0.9),
        "limit_tokens_most_in_60_s": at_most(20_000),
        "limit_tokens_used_share": at_least(0.9),
        "budget_billed_share": at_most(1),
        "budget_billed_share_undisturbed": at_most(1),
    },
    named_only=("profile",),
    add_options=_add_options,
)
