"""Seconds until a local model answers: conversion of the file, loading, the first row.

python -m benchmarks.local_speed.first FILE    (a process that `figures` starts)
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from benchmarks.base import ROOT, Figures, Options
from benchmarks.local_speed.prompts import read_job, write_job
from synthkd.requests import Request


def figures(options: Options) -> Figures:
    """Load the file with an empty cache, then with a filled one; medians of the latter."""
    with tempfile.TemporaryDirectory(prefix="synthkd-bench-") as temporary:
        folder = Path(temporary)
        job = write_job(options, folder)
        environment = os.environ | {"SYNTHKD_CACHE": str(folder / "cache")}
        results: list[dict[str, Any]] = []
        for _ in range(2 if options.quick else 1 + options.rounds):
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.local_speed.first", str(job)],
                cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, env=environment,
            )  # fmt: skip
            results.append(json.loads(done.stdout.splitlines()[-1]))
    converting, *loading = results
    return {
        "first_load_seconds_with_conversion": converting["load"],
        "first_load_seconds": statistics.median(one["load"] for one in loading),
        "first_row_seconds": statistics.median(one["first"] for one in loading),
        "first_megabytes_with_conversion": converting["megabytes"],
        "first_megabytes": statistics.median(one["megabytes"] for one in loading),
    }


def main(job: Path) -> None:
    """Load the model and wait for the first answer; print the seconds of both as JSON."""
    begin = time.perf_counter()
    wanted, part = read_job(job)
    from synthkd.teachers.transformers import TransformersTeacher

    teacher = TransformersTeacher(part)
    teacher._load()
    loaded = time.perf_counter()
    asyncio.run(_first(teacher, wanted))
    record = {
        "load": loaded - begin,
        "first": time.perf_counter() - loaded,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(record))


async def _first(teacher: Any, wanted: list[Request]) -> None:
    async def source() -> AsyncIterator[Request]:
        for request in wanted:
            yield request

    stream = teacher.stream(source())
    await anext(stream)
    await stream.aclose()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
