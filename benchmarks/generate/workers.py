"""Two worker processes beside one: processor time of a row, and rows a second if cores allow.

    python -m benchmarks.generate.workers RECIPE COUNT

runs `synthkd generate --workers COUNT` and prints the seconds of processor time that the process
and its workers took.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.generate.job import finish, server, write_job

#: Two workers, and the server.
_CORES = 3


@dataclass
class _Use:
    """Seconds of wall time, and of processor time: of the process, and of its workers."""

    wall: float
    parent: float
    workers: float


def measure(folder: Path, small: int, large: int, repeats: int) -> dict[str, Any]:
    """Measure one worker and two in interleaved rounds; medians.

    Processor time of a row is the difference of two runs over the difference of their rows: without
    what a run takes for its start. ``two_workers_on_free_cores`` is computed: how many times the
    rows of one worker two workers would write, each with a core of its own, beside a third for
    their parent and others for the server. Only processor time limits it: waits for the disk, and
    for each other, are not in it.
    """
    ours: dict[int, list[_Use]] = {1: [], 2: []}
    walls: dict[int, list[float]] = {1: [], 2: []}
    for number in range(repeats):
        for count in (1, 2) if number % 2 else (2, 1):
            uses = [
                _run(folder / f"{number}-{count}-{rows}", rows, count) for rows in (small, large)
            ]
            less, more = uses
            walls[count].append(more.wall)
            ours[count].append(
                _Use(
                    *(
                        1e6 * (getattr(more, part) - getattr(less, part)) / (large - small)
                        for part in ("wall", "parent", "workers")
                    )
                )
            )
    one = statistics.median(use.parent for use in ours[1])
    workers = statistics.median(use.workers for use in ours[2])
    parent = statistics.median(use.parent for use in ours[2])
    has_cores = len(os.sched_getaffinity(0)) >= _CORES
    return {
        "ratio_two_workers": statistics.median(
            first / second for first, second in zip(walls[1], walls[2], strict=True)
        )
        if has_cores
        else None,
        "one_worker_cpu_us": one,
        "two_workers_cpu_us": workers,
        "two_workers_parent_cpu_us": parent,
        "two_workers_on_free_cores": one / max(workers / 2, parent),
    }


def _run(folder: Path, rows: int, count: int) -> _Use:
    with server() as url:
        recipe = write_job(folder, url, rows, concurrency=1024)
        done = finish([sys.executable, "-m", __name__, str(recipe), str(count)])
    assert f"completed {rows:,}" in done.output, done.output
    return _Use(done.seconds, **json.loads(done.output.splitlines()[-1]))


def main(recipe: str, count: str) -> None:
    """Run as the module's docstring says."""
    from synthkd.cli.program import main as synthkd

    sys.argv = ["synthkd", "generate", recipe, "--quiet", "--workers", count]
    with contextlib.suppress(SystemExit):
        synthkd()
    used = {
        name: sum(resource.getrusage(who)[:2])
        for name, who in (("parent", resource.RUSAGE_SELF), ("workers", resource.RUSAGE_CHILDREN))
    }
    print(json.dumps(used))


if __name__ == "__main__":
    main(*sys.argv[1:])
