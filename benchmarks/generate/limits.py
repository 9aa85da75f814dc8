"""Limits a minute, and caps on spending."""

from __future__ import annotations

import random
import time
from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.generate.job import kill, start, write_job
from synthkd.testing import FakeServer


def a_minute(folder: Path, seconds: float) -> dict[str, Any]:
    """Return the most requests and tokens in any 60 s, and the used share of the limit.

    The limits are 600 requests and 20,000 tokens a minute.
    """
    jobs = {"requests": {"requests_per_minute": 600}, "tokens": {"tokens_per_minute": 20_000}}
    with ThreadPoolExecutor() as pool:
        results = dict(
            zip(
                jobs,
                pool.map(lambda item: _paced(folder, *item, seconds), jobs.items()),
                strict=True,
            )
        )
    return {
        f"limit_{name}_{figure}": value
        for name, figures in results.items()
        for figure, value in figures.items()
    }


def _paced(folder: Path, name: str, limits: dict[str, Any], seconds: float) -> dict[str, Any]:
    with FakeServer(latency=0.05) as fake:
        process = start(write_job(folder / name, fake.url, 20_000, limits=limits))
        while not fake.times and process.poll() is None:
            time.sleep(0.01)
        time.sleep(seconds)
        kill(process)
        seen = [(at, 1 if name == "requests" else tokens) for at, tokens in fake.times]
    (allowed,) = limits.values()
    begin, end = seen[0][0], seen[0][0] + seconds
    used = sum(amount for at, amount in seen if at <= end)
    return {
        "most_in_60_s": most(seen, 60.0),
        "allowed": allowed,
        "used_share": used / (allowed * (end - begin) / 60),
    }


def most(seen: list[tuple[float, int]], window: float) -> int:
    """Return the largest sum over any window."""
    times = [at for at, _ in seen]
    sums = [0]
    for _, amount in seen:
        sums.append(sums[-1] + amount)
    return max(
        sums[bisect_left(times, at + window)] - sums[place] for place, at in enumerate(times)
    )


FAULTS = {"500": 0.02, "reset": 0.02, "not-json": 0.01, "hang": 0.005}
PRICE = {"input": 0.5, "output": 1.0}


def budget(folder: Path, rows: int, kills: int, seed: int = 0) -> dict[str, Any]:
    """Measure the bill of every request that the server worked on, over a cap in dollars.

    Once with faults, killed and resumed; once undisturbed, where as much as possible is used.
    """
    # About half of what all rows would cost.
    killed = _under_cap(
        folder / "killed", rows, 0.005 * rows / 1_500, FAULTS, kills, random.Random(seed)
    )
    clean = _under_cap(folder / "clean", rows, 0.005 * rows / 1_500, {}, 0, random.Random(seed))
    return {
        "budget_billed_share": killed["billed"],
        "budget_said_so": killed["said"] and clean["said"],
        "budget_billed_share_undisturbed": clean["billed"],
    }


def _under_cap(
    folder: Path, rows: int, cap: float, rates: dict[str, float], kills: int, rng: random.Random
) -> dict[str, Any]:
    with FakeServer(latency=0.05, rates=rates) as fake:
        recipe = write_job(
            folder,
            fake.url,
            rows,
            concurrency=32,
            timeout=1.0,
            price=PRICE,
            limits={"dollars": cap},
        )
        for _ in range(kills):
            sent = fake.requests
            process = start(recipe)
            while fake.requests == sent and process.poll() is None:
                time.sleep(0.002)
            time.sleep(rng.random() * 0.3)
            kill(process)
        last = start(recipe)
        output = last.communicate()[0]
    billed = sum(_bill(prompt) * times for (prompt, _, _), times in fake.sent.items())
    assert last.returncode == 0, output
    return {"billed": billed / cap, "said": "the cap is reached" in output}


def _bill(prompt: str) -> float:
    """Return the dollars of one request: the test server counts words, and answers with two."""
    return (len(prompt.split()) * PRICE["input"] + 2 * PRICE["output"]) / 1e6
