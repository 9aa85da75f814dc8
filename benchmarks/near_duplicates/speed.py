"""Rows a second and peak memory of the rule `near_duplicate`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.base import ROOT, Figures, Options
from benchmarks.near_duplicates.texts import write

_LARGE = 10_000_000


@contextmanager
def corpus(options: Options, rows: int | None = None) -> Iterator[Path]:
    """Yield a Parquet file of texts, which is written if `--keep` has none."""
    rows = rows or options.rows or (20_000 if options.quick else 1_000_000)
    with tempfile.TemporaryDirectory(prefix="synthkd-bench-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{rows}.parquet"
        if not path.exists():
            write(path, rows, options.data_folder)
        yield path


def run(path: Path, cores: int = 2, out: Path | None = None) -> dict[str, Any]:
    """Run the rule in a process of its own; what it used, and a hash of what it said."""
    command = [sys.executable, "-m", "benchmarks.near_duplicates.job", str(path)]
    command += ["--out", str(out)] if out else []
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT,
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def figures(options: Options) -> Figures:
    """Measure the rule on two cores, and once on one."""
    with corpus(options) as path:
        runs = [run(path) for _ in range(1 if options.quick else options.repeats)]
        alone = run(path, cores=1)
    hashes = {each["sha256"] for each in (*runs, alone)}
    seconds = sorted(each["seconds"] for each in runs)
    rows = runs[0]["rows"]
    middle = min(runs, key=lambda each: abs(each["seconds"] - median(seconds)))
    return {
        "rows": rows,
        "dropped": runs[0]["dropped"],
        "rows_per_second": {
            "value": rows / median(seconds), "low": rows / seconds[-1], "high": rows / seconds[0],
        },
        "rows_per_second_1_core": rows / alone["seconds"],
        "cores_got": middle["cpu"] / middle["seconds"],
        "cpu_microseconds_per_row": 1e6 * min(each["cpu"] for each in runs) / rows,
        "megabytes": max(each["megabytes"] for each in runs),
        "equal_on_one_core": int(len(hashes) == 1),
    }  # fmt: skip


def large(options: Options) -> Figures:
    """Measure ten million texts (`--rows` of them) once."""
    with corpus(options, options.rows or _LARGE) as path:
        found = run(path)
    return {
        "rows_10m": found["rows"],
        "dropped_10m": found["dropped"],
        "seconds_10m": found["seconds"],
        "rows_per_second_10m": found["rows"] / found["seconds"],
        "cores_got_10m": found["cpu"] / found["seconds"],
        "cpu_microseconds_per_row_10m": 1e6 * found["cpu"] / found["rows"],
        "megabytes_10m": found["megabytes"],
    }
