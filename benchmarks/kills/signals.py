"""Kill jobs in turn and count what was lost, bought twice or left over."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from benchmarks.base import Figures, Options
from benchmarks.kills.jobs import JOBS, Job
from benchmarks.kills.killing import SIGNALS, Kill, Killing
from benchmarks.text_table import table

#: Tries of a kill, since a job may end before its signal.
_TRIES = 4


def figures(options: Options) -> Figures:
    """Kill the chosen jobs; print a line for each job and signal."""
    jobs = [job for job in JOBS if job.name in options.only]
    times = options.kills or (20 if options.quick else 100)
    with tempfile.TemporaryDirectory(prefix="synthkd-bench-") as folder:
        kills = kill_in_turn(jobs, times, options.seed, Path(folder))
    print(table_of(kills))
    return figures_of(kills)


def kill_in_turn(jobs: Sequence[Job], times: int, seed: int, folder: Path) -> list[Kill]:
    """Kill all jobs with all signals in turn, until there are enough kills."""
    kills: list[Kill] = []
    turns = cycle([(job, name) for name in SIGNALS for job in jobs])
    with Killing(folder, jobs, seed) as killing:
        while len(kills) < times:
            job, name = next(turns)
            for _ in range(_TRIES):
                kill = killing.kill(job, name)
                show(kill, len(kills))
                if not kill.ended_before:
                    kills.append(kill)
                    break
    return kills


def show(kill: Kill, number: int) -> None:
    """Print a line for a kill, and everything that was wrong with it."""
    end = "had ended" if kill.ended_before else f"at {kill.at:.0%}"
    print(
        f"{number + 1:>4} {kill.job}, {kill.signal} {end}, status {kill.status}",
        file=sys.stderr,
        flush=True,
    )
    for what in ("differing", "lost", "beyond_flight", "left_over", "wrong_ends"):
        if value := getattr(kill, what):
            print(f"     {what}: {value}", file=sys.stderr, flush=True)


def figures_of(kills: Sequence[Kill]) -> dict[str, Any]:
    bought = sum(kill.requests for kill in kills)
    return {
        "kills": len(kills),
        "kills_differing": sum(bool(kill.differing) for kill in kills),
        "kills_lost": sum(kill.lost for kill in kills),
        "kills_bought_twice_beyond_flight": sum(kill.beyond_flight for kill in kills),
        "kills_left_over": sum(bool(kill.left_over) for kill in kills),
        "kills_wrong_end": sum(bool(kill.wrong_ends) for kill in kills),
        "kills_in_flight_share": sum(kill.bought_twice for kill in kills) / bought
        if bought
        else 0.0,
    }


def table_of(kills: Sequence[Kill]) -> str:
    rows: list[tuple[Any, ...]] = [
        ("verb", "signal", "kills", "differing", "lost", "requests", "bought twice",
        "beyond flight", "left over", "wrong ends")
    ]  # fmt: skip
    for job, name in dict.fromkeys((kill.job, kill.signal) for kill in kills):
        here = [kill for kill in kills if (kill.job, kill.signal) == (job, name)]
        rows.append(
            (
                job, name, len(here), sum(bool(kill.differing) for kill in here),
                sum(kill.lost for kill in here), sum(kill.requests for kill in here),
                sum(kill.bought_twice for kill in here), sum(kill.beyond_flight for kill in here),
                sum(bool(kill.left_over) for kill in here),
                sum(bool(kill.wrong_ends) for kill in here),
            )
        )  # fmt: skip
    return table(sorted(rows[:1]) + sorted(rows[1:]))
