#!/usr/bin/env python3
"""The engine: speed, memory, faults, kills, limits and caps.

    python -m benchmarks generate [--quick] [--only speed,faults] [--json FILE] [--cores CLIENT,SERVER]

Speed is a ratio against a bare aiohttp loop that writes JSONL, timed in turn with it as whole processes, each on one
core. All servers are on loopback. The full run takes about ten minutes.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.base import options, table, write
from benchmarks.generate import faults, limits, speed

#: Figure -> what it must come to, and whether at least or at most.
WANTED: dict[str, tuple[str, float]] = {
    "ratio_aiohttp": ("at least", 0.85),
    "cpu_ratio_aiohttp": ("at most", 1.6),
    "ratio_two_workers": ("at least", 1.6),
    "memory_ratio_200k_20k": ("at most", 1.2),
    "first_seconds": ("at most", 1.5),
    "faults_completed_share": ("at least", 0.999),
    "faults_wall_ratio": ("at most", 2.0),
    "faults_all_accounted": ("at least", 1),
    "kills_lost_or_double": ("at most", 0),
    "full_disk_goes_on": ("at least", 1),
    "limit_requests_most_in_60_s": ("at most", 600),
    "limit_requests_used_share": ("at least", 0.9),
    "limit_tokens_most_in_60_s": ("at most", 20_000),
    "limit_tokens_used_share": ("at least", 0.9),
    "budget_billed_share": ("at most", 1),
    "budget_billed_share_undisturbed": ("at most", 1),
}


def parts(
    quick: bool, cores: tuple[int, int] | None, folder: Path
) -> dict[str, Callable[[], dict[str, Any]]]:
    """What can be measured, by name."""
    return {
        "speed": lambda: speed.ratios(5_000 if quick else 20_000, 3 if quick else 5, cores, folder),
        "workers": lambda: speed.workers(folder / "workers", 20_000 if quick else 100_000, 1 if quick else 3),
        "memory": lambda: speed.memory(folder / "memory", *((2_000, 20_000) if quick else (20_000, 200_000))),
        "first": lambda: speed.first(folder / "first", 3 if quick else 5),
        "faults": lambda: faults.shares(folder / "faults", 1_000 if quick else 5_000, 1 if quick else 3),
        "kills": lambda: faults.kills(folder / "kills", 1_000 if quick else 6_000, 5 if quick else 50),
        "disk": lambda: faults.full_disk(20_000),
        "limits": lambda: limits.a_minute(folder / "limits", 20 if quick else 150),
        "budget": lambda: limits.budget(folder / "budget", 1_500 if quick else 6_000, 3 if quick else 10),
    }


def parsed() -> Any:
    parser = options(__doc__ or "")
    parser.add_argument("--only", metavar="NAMES", help="of speed, workers, memory, first, faults, kills, …")
    parser.add_argument("--cores", metavar="CLIENT,SERVER", help="the cores that speed is measured on")
    return parser.parse_args()


def two_cores(given: str | None) -> tuple[int, int] | None:
    """A core for the client and one for the server, where there are two."""
    if given:
        client, _, fake = given.partition(",")
        return int(client), int(fake)
    mine = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (mine[-2], mine[-1]) if len(mine) > 1 else None


def kept(name: str, value: Any) -> str:
    """Whether a figure is what it must be."""
    if name not in WANTED or value is None:
        return ""
    word, bound = WANTED[name]
    good = value >= bound if word == "at least" else value <= bound
    return f"{'yes' if good else 'NO'}: {word} {bound:g}"


def main() -> None:
    args = parsed()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="synthkd-bench-") as folder:
        known = parts(args.quick, two_cores(args.cores), Path(folder))
        names = args.only.split(",") if args.only else list(known)
        if unknown := {*names} - {*known}:
            raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(known)}")
        for name in names:
            print(f"{name} …", file=sys.stderr, flush=True)
            figures |= known[name]()
    rows = [
        (name, "not measured here" if value is None else value, kept(name, value))
        for name, value in figures.items()
    ]
    print(table([("figure", "value", "as wanted"), *rows]))
    write(figures, args.json)


if __name__ == "__main__":
    main()
