#!/usr/bin/env python3
"""SIGKILL, SIGTERM and SIGINT at random moments of every verb; each is started again and compared with a calm start.

    python -m benchmarks kills [--kills 100] [--seed N] [--only run,filter] [--json FILE] [--quick]

The server is on loopback. A hundred kills take some minutes.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from benchmarks.base import options, table, write
from benchmarks.kills.jobs import JOBS, Job
from benchmarks.kills.killing import SIGNALS, Kill, Killing

#: Tries of a kill whose job had ended before the signal.
_TRIES = 4


def parsed() -> Any:
    parser = options(__doc__ or "")
    parser.add_argument("--kills", type=int, default=100, metavar="N", help="how many (100)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (0)")
    parser.add_argument("--only", metavar="NAMES", help="verbs, by the beginnings of their names")
    return parser.parse_args()


def chosen(only: str | None, quick: bool) -> list[Job]:
    """Jobs by the beginnings of their names; a quick run leaves out those that need torch."""
    wanted = tuple(filter(None, only.split(","))) if only else ("",)
    found = [job for job in JOBS if job.name.startswith(wanted) and not (quick and job.heavy)]
    if not found:
        raise SystemExit(f"unknown: {only}; known are {', '.join(job.name for job in JOBS)}")
    return found


def killed(jobs: Sequence[Job], times: int, seed: int, folder: Path) -> list[Kill]:
    """All jobs and signals in turn, until so many kills were made."""
    found: list[Kill] = []
    turns = cycle([(job, name) for name in SIGNALS for job in jobs])
    with Killing(folder, jobs, seed) as killing:
        while len(found) < times:
            job, name = next(turns)
            for _ in range(_TRIES):
                kill = killing.kill(job, name)
                tell(kill, len(found))
                if not kill.ended_before:
                    found.append(kill)
                    break
    return found


def tell(kill: Kill, number: int) -> None:
    """One line for each kill, and all that was wrong with it."""
    end = "had ended" if kill.ended_before else f"at {kill.at:.0%}"
    print(
        f"{number + 1:>4} {kill.job}, {kill.signal} {end}, status {kill.status}", file=sys.stderr, flush=True
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
        "kills_in_flight_share": sum(kill.bought_twice for kill in kills) / bought if bought else 0.0,
    }


def table_of(kills: Sequence[Kill]) -> str:
    rows: list[tuple[Any, ...]] = [
        ("verb", "signal", "kills", "differing", "lost", "requests", "bought twice", "beyond flight", "left over", "wrong ends")
    ]  # fmt: skip
    for job, name in dict.fromkeys((kill.job, kill.signal) for kill in kills):
        here = [kill for kill in kills if (kill.job, kill.signal) == (job, name)]
        rows.append(
            (
                job, name, len(here), sum(bool(kill.differing) for kill in here),
                sum(kill.lost for kill in here), sum(kill.requests for kill in here),
                sum(kill.bought_twice for kill in here), sum(kill.beyond_flight for kill in here),
                sum(bool(kill.left_over) for kill in here), sum(bool(kill.wrong_ends) for kill in here),
            )
        )  # fmt: skip
    return table(sorted(rows[:1]) + sorted(rows[1:]))


def main() -> None:
    args = parsed()
    jobs = chosen(args.only, args.quick)
    with tempfile.TemporaryDirectory(prefix="synthkd-bench-") as folder:
        kills = killed(jobs, 20 if args.quick else args.kills, args.seed, Path(folder))
    print(table_of(kills))
    figures = figures_of(kills)
    print("\n" + table([("figure", "value"), *figures.items()]))
    write(figures, args.json)


if __name__ == "__main__":
    main()
