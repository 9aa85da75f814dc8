"""Rows a second, processor time and memory, beside a bare aiohttp loop."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from benchmarks.base import Options
from benchmarks.generate.job import run, server, write_job
from benchmarks.peers import runs as peers
from benchmarks.peers.environments import CLIENTS


def ratios(homes: Path, rows: int, repeats: int, cores: tuple[int, int] | None) -> dict[str, Any]:
    """Measure synthkd and the bare loop in interleaved rounds; medians of ratios."""
    options = Options(
        base_url=None, latency=0.05, in_flight=256,
        core=cores[0] if cores else None, server_core=cores[1] if cores else None,
    )  # fmt: skip
    clients = {client.name: client for client in CLIENTS if client.name in ("bare", "synthkd")}
    results: dict[str, list[peers.Run]] = {name: [] for name in clients}
    for number in range(repeats):
        for name in list(clients)[:: -1 if number % 2 else 1]:
            python = clients[name].python(None)
            assert python is not None
            home = homes / name
            home.mkdir(exist_ok=True)
            done = peers.run(clients[name], python, rows, home, options, 600.0)
            if done.problem:
                raise SystemExit(f"{name}: {done.problem}")
            results[name].append(done)
    pairs = list(zip(results["synthkd"], results["bare"], strict=True))
    return {
        "ratio_aiohttp": statistics.median(bare.seconds / ours.seconds for ours, bare in pairs),
        "cpu_ratio_aiohttp": statistics.median(ours.cpu / bare.cpu for ours, bare in pairs),
        "rows_per_second": statistics.median(rows / ours.seconds for ours, _ in pairs),
        "rows_per_second_bare": statistics.median(rows / bare.seconds for _, bare in pairs),
        "cpu_ms_per_row": statistics.median(1000 * ours.cpu / rows for ours, _ in pairs),
        "cpu_ms_per_row_bare": statistics.median(1000 * bare.cpu / rows for _, bare in pairs),
    }


def memory(folder: Path, small: int, large: int) -> dict[str, Any]:
    """Measure the peak memory of ten times the rows over that of the rows."""
    megabytes = []
    for rows in (small, large):
        with server(latency=0.01) as url:
            done = run(write_job(folder / str(rows), url, rows))
        assert f"completed {rows:,}" in done.output, done.output
        megabytes.append(done.megabytes)
    return {
        "memory_ratio_200k_20k": megabytes[1] / megabytes[0],
        "megabytes_small": megabytes[0],
        "megabytes_large": megabytes[1],
    }


def first(folder: Path, repeats: int) -> dict[str, Any]:
    """Measure seconds from the command to its end, for ten rows and a server without latency."""
    seconds = []
    for number in range(repeats):
        with server(latency=0) as url:
            done = run(write_job(folder / str(number), url, 10))
        assert "completed 10" in done.output, done.output
        seconds.append(done.seconds)
    return {"first_seconds": statistics.median(seconds)}
