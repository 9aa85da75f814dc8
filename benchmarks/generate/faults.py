"""Faults, kills at random moments, a full disk: nothing lost or bought twice."""

from __future__ import annotations

import random
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.generate.job import COMPLETIONS, count, kill, run, server, start, write_job
from synthkd import load_corpus
from synthkd.storage import read_json
from synthkd.testing import FakeServer

RATES = {"429": 0.05, "500": 0.02, "reset": 0.01, "hang": 0.005, "off-schema": 0.02}


def shares(folder: Path, rows: int, repeats: int) -> dict[str, Any]:
    """Measure the share of prompts completed under faults, and the wall time over a clean run's."""
    completed, walls, counted = [], [], []
    for number in range(repeats):
        seconds = {}
        for name, rates in (("clean", {}), ("faults", RATES)):
            options = [f"--rate={fault}={share}" for fault, share in rates.items()]
            with server("--structured", *options) as url:
                here = folder / f"{name}-{number}"
                recipe = write_job(
                    here, url, rows, concurrency=64, structured=True, timeout=1.0, max_attempts=8
                )
                done = run(recipe, "run")
            assert done.status == 0, done.output
            seconds[name] = done.seconds
        counts = read_json(folder / f"faults-{number}" / "runs" / "bench" / "filtered.json")[
            "counts"
        ]
        completed.append(counts["completed"] / rows)
        walls.append(seconds["faults"] / seconds["clean"])
        outcomes = counts["accepted"] + counts["malformed"] + sum(counts["rejected"].values())
        counted.append(outcomes + counts["failed"] == rows and counts["malformed"] > 0)
    return {
        "faults_completed_share": min(completed),
        "faults_wall_ratio": statistics.median(walls),
        "faults_all_accounted": all(counted),
    }


def kills(folder: Path, rows: int, times: int, seed: int = 0) -> dict[str, Any]:
    """Send SIGKILL at random moments of a run.

    Counted is what is lost, bought twice or different in the corpus.
    """
    rng = random.Random(seed)
    most_in_flight = 64
    wrong = killed = lost_in_flight = 0
    before = 0
    with FakeServer(latency=0.1) as fake:
        here = folder / "killed"
        recipe = write_job(here, fake.url, rows, concurrency=most_in_flight)
        while killed < times and count(here, COMPLETIONS) < rows:
            sent = fake.requests
            process = start(recipe, "run")
            while fake.requests == sent and process.poll() is None:
                time.sleep(0.002)
            time.sleep(rng.random() * 0.3)
            kill(process)
            killed += 1
            now = count(here, COMPLETIONS)
            in_flight = (fake.requests - sent) - (now - before)
            # In flight, or answered and not yet committed; both are bounded together.
            wrong += now < before or not 0 <= in_flight <= 2 * most_in_flight
            lost_in_flight += max(0, in_flight)
            before = now
        assert run(recipe, "run").status == 0
        wrong += fake.requests > rows + lost_in_flight
        # Once for each life in which it was in flight.
        wrong += max(fake.sent.values()) > killed + 1
        undisturbed = write_job(folder / "undisturbed", fake.url, rows, concurrency=most_in_flight)
        assert run(undisturbed, "run").status == 0
    corpora = [load_corpus(folder / name / "corpus") for name in ("killed", "undisturbed")]
    wrong += corpora[0].hash != corpora[1].hash
    return {
        "kills": killed,
        "kills_lost_or_double": wrong,
        "kills_sent_over_distinct": (fake.requests - rows - rows) / rows,
    }


def full_disk(rows: int) -> dict[str, Any]:
    """Fill up the file system during a run, then go on with more space.

    This needs the right to mount one.
    """
    with (
        tempfile.TemporaryDirectory(prefix="synthkd-disk-") as name,
        FakeServer(latency=0.005) as fake,
    ):
        # Not the mount itself: the folder of a run must not be one.
        small = Path(name) / "job"
        mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", name]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            return {"full_disk_goes_on": None}
        try:
            recipe = write_job(small, fake.url, rows)
            first = run(recipe)
            kept = count(small, COMPLETIONS)
            subprocess.run(["mount", "-o", "remount,size=200m", name], check=True)
            second = run(recipe)
            all_there = count(small, COMPLETIONS) == rows
        finally:
            subprocess.run(["umount", name], check=True)
    clean = first.status == 4 and "disk is full" in first.output and "Traceback" not in first.output
    return {
        "full_disk_goes_on": clean and kept > 0 and second.status == 0 and all_there,
        "full_disk_kept": kept,
        "full_disk_sent_over_distinct": fake.requests / rows - 1,
    }
