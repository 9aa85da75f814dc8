"""SIGKILL, SIGTERM and SIGINT at random moments of every verb.

A job gets a signal and is started once more; its files are then compared with those of an
undisturbed run, byte for byte except times. The server is on loopback. A hundred kills take some
minutes.
"""

from __future__ import annotations

from argparse import ArgumentParser

from benchmarks.base import Benchmark, at_most


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--kills", type=int, metavar="N", help="number of signals (default: 100; with --quick 20)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments (default: 0)")


_JOBS = (
    "run", "run-2-workers", "run-steps", "run-recorded", "filter", "filter-2-workers", "publish",
    "critic-train", "critic-score", "student-train", "distill", "label", "journal-import",
)  # fmt: skip

BENCHMARK = Benchmark(
    name="kills",
    description=__doc__,
    parts=dict.fromkeys(
        (*_JOBS, "encoder-train", "generator-train"), "benchmarks.kills.signals:figures"
    ),
    wanted={
        "kills_differing": at_most(0),
        "kills_lost": at_most(0),
        "kills_bought_twice_beyond_flight": at_most(0),
        "kills_left_over": at_most(0),
        "kills_wrong_end": at_most(0),
    },
    # The others need torch, which takes many seconds to import.
    quick_parts=_JOBS,
    add_options=_add_options,
)
