"""Two worker processes beside one: processor time of a row, and rows a second if cores allow.

`--tree DIR` measures another checkout, so that a change can be compared with what was before.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.generate.job import finish, server, write_job

#: Two workers, and the server.
_CORES = 3
#: Runs synthkd; then prints the seconds of processor time of the process, and of its workers.
_PROGRAM = """
import json, resource
from synthkd.cli.program import main
try:
    main()
finally:
    print(json.dumps([sum(resource.getrusage(who)[:2]) for who in (
        resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]))
"""


@dataclass
class _Use:
    """Seconds of wall time, and of processor time: of the process, and of its workers."""

    wall: float
    parent: float
    workers: float

    def each_of(self, rows: int, before: _Use) -> _Use:
        """Return the microseconds of each of the rows by which a run was longer than another."""
        return _Use(
            1e6 * (self.wall - before.wall) / rows,
            1e6 * (self.parent - before.parent) / rows,
            1e6 * (self.workers - before.workers) / rows,
        )


def measure(
    folder: Path, small: int, large: int, repeats: int, tree: Path | None = None
) -> dict[str, Any]:
    """Measure one worker and two in interleaved rounds; medians.

    Processor time of a row is the difference of two runs over the difference of their rows: without
    what a run takes for its start. ``ratio_two_workers`` needs a core for each worker and one for
    the server. The other ratios are computed from processor time alone, without waits for the disk
    or for each other: with the parent on the workers' cores (``…_three_cores``), and on a core of
    its own (``…_four_cores``).
    """
    uses: dict[int, list[_Use]] = {1: [], 2: []}
    walls: dict[int, list[float]] = {1: [], 2: []}
    for number in range(repeats):
        for count in (1, 2) if number % 2 else (2, 1):
            less, more = (
                _run(folder / f"{number}-{count}-{rows}", rows, count, tree)
                for rows in (small, large)
            )
            walls[count].append(more.wall)
            uses[count].append(more.each_of(large - small, less))
    one = statistics.median(use.parent for use in uses[1])
    workers = statistics.median(use.workers for use in uses[2])
    parent = statistics.median(use.parent for use in uses[2])
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
        "two_workers_computed_three_cores": 2 * one / (workers + parent),
        "two_workers_computed_four_cores": one / max(workers / 2, parent),
    }


def _run(folder: Path, rows: int, count: int, tree: Path | None) -> _Use:
    with server() as url:
        recipe = write_job(folder, url, rows, concurrency=1024)
        options = ["generate", str(recipe), "--quiet", "--workers", str(count)]
        done = finish([sys.executable, "-c", _PROGRAM, *options], tree)
    assert f"completed {rows:,}" in done.output, done.output
    return _Use(done.seconds, *json.loads(done.output.splitlines()[-1]))
