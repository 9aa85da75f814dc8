"""The sizes at which each part of the engine is measured."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.base import Figures, Options
from benchmarks.generate import faults as fault_parts
from benchmarks.generate import limits as limit_parts
from benchmarks.generate import profile as profile_parts
from benchmarks.generate import speed as speed_parts
from benchmarks.generate import wire as wire_parts
from benchmarks.generate import workers as worker_parts

Sizes = tuple[int, ...]


def speed(options: Options) -> Figures:
    """Measure rows a second and processor time beside a bare aiohttp loop."""
    measure = partial(speed_parts.ratios, cores=_two_cores(options.cores))
    return _measure(measure, options, quick=(5_000, 3), full=(20_000, 5))


def wire(options: Options) -> Figures:
    """Measure three HTTP clients, alone and in the engine."""
    measure = partial(wire_parts.clients, cores=_two_cores(options.cores))
    return _measure(measure, options, quick=(10_000, 1), full=(40_000, 3))


def profile(options: Options) -> Figures:
    """Sample where the processor time of a row goes."""
    measure = partial(profile_parts.profile, tree=options.tree, cores=_two_cores(options.cores))
    return _measure(measure, options, quick=(10_000,), full=(60_000,))


def workers(options: Options) -> Figures:
    """Measure two worker processes beside one."""
    measure = partial(worker_parts.measure, tree=options.tree)
    return _measure(measure, options, quick=(2_000, 12_000, 1), full=(10_000, 50_000, 3))


def memory(options: Options) -> Figures:
    """Measure the peak memory of ten times the rows."""
    return _measure(speed_parts.memory, options, quick=(2_000, 20_000), full=(20_000, 200_000))


def first(options: Options) -> Figures:
    """Measure the seconds of a run of ten rows."""
    return _measure(speed_parts.first, options, quick=(3,), full=(5,))


def faults(options: Options) -> Figures:
    """Measure the completed share and the wall time under faults."""
    return _measure(fault_parts.shares, options, quick=(1_000, 1), full=(5_000, 3))


def kills(options: Options) -> Figures:
    """Kill one run at random moments by SIGKILL."""
    return _measure(fault_parts.kills, options, quick=(1_000, 5), full=(6_000, 50))


def disk(_options: Options) -> Figures:
    """Fill up the disk during a run."""
    return fault_parts.full_disk(20_000)


def limits(options: Options) -> Figures:
    """Measure a run under limits on requests and tokens a minute."""
    return _measure(limit_parts.a_minute, options, quick=(20,), full=(150,))


def budget(options: Options) -> Figures:
    """Measure a spending cap, with faults and kills and without."""
    return _measure(limit_parts.budget, options, quick=(1_500, 3), full=(6_000, 10))


def _measure(
    measure: Callable[..., Figures], options: Options, quick: Sizes, full: Sizes
) -> Figures:
    """Measure in a temporary folder, at the sizes of a quick or a full run."""
    with TemporaryDirectory(prefix="synthkd-bench-") as name:
        return measure(Path(name), *(quick if options.quick else full))


def _two_cores(option: str | None) -> tuple[int, int] | None:
    """Return a core for the client and one for the server; None on a machine with one core."""
    if option:
        client, _, server = option.partition(",")
        return int(client), int(server)
    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (available[-2], available[-1]) if len(available) > 1 else None
