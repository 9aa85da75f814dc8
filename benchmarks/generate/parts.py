"""The sizes at which each part of the engine is measured."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.base import Figures, Options
from benchmarks.generate import faults as fault_parts
from benchmarks.generate import limits as limit_parts
from benchmarks.generate import speed as speed_parts


@contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="synthkd-bench-") as name:
        yield Path(name)


def speed(options: Options) -> Figures:
    """Measure rows a second and processor time beside a bare aiohttp loop."""
    rows, repeats = (5_000, 3) if options.quick else (20_000, 5)
    with _folder() as folder:
        return speed_parts.ratios(rows, repeats, _two_cores(options.cores), folder)


def workers(options: Options) -> Figures:
    """Measure two worker processes beside one."""
    rows, repeats = (20_000, 1) if options.quick else (100_000, 3)
    with _folder() as folder:
        return speed_parts.workers(folder, rows, repeats)


def memory(options: Options) -> Figures:
    """Measure the peak memory of ten times the rows."""
    small, large = (2_000, 20_000) if options.quick else (20_000, 200_000)
    with _folder() as folder:
        return speed_parts.memory(folder, small, large)


def first(options: Options) -> Figures:
    """Measure the seconds of a run of ten rows."""
    with _folder() as folder:
        return speed_parts.first(folder, 3 if options.quick else 5)


def faults(options: Options) -> Figures:
    """Measure the completed share and the wall time under faults."""
    rows, repeats = (1_000, 1) if options.quick else (5_000, 3)
    with _folder() as folder:
        return fault_parts.shares(folder, rows, repeats)


def kills(options: Options) -> Figures:
    """Kill one run at random moments by SIGKILL."""
    rows, times = (1_000, 5) if options.quick else (6_000, 50)
    with _folder() as folder:
        return fault_parts.kills(folder, rows, times)


def disk(_options: Options) -> Figures:
    """Fill up the disk during a run."""
    return fault_parts.full_disk(20_000)


def limits(options: Options) -> Figures:
    """Measure a run under limits on requests and tokens a minute."""
    with _folder() as folder:
        return limit_parts.a_minute(folder, 20 if options.quick else 150)


def budget(options: Options) -> Figures:
    """Measure a spending cap, with faults and kills and without."""
    rows, kills = (1_500, 3) if options.quick else (6_000, 10)
    with _folder() as folder:
        return limit_parts.budget(folder, rows, kills)


def _two_cores(option: str | None) -> tuple[int, int] | None:
    """Return a core for the client and one for the server; None on a machine with one core."""
    if option:
        client, _, server = option.partition(",")
        return int(client), int(server)
    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (available[-2], available[-1]) if len(available) > 1 else None
