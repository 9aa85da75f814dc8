"""Three HTTP clients through the whole engine, and rows a second at 1,024 in flight."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.base import ROOT
from benchmarks.generate.clients import available
from benchmarks.generate.job import Ended, finish, server, write_job

_MODULE = "benchmarks.generate.clients"


def clients(folder: Path, rows: int, repeats: int, cores: tuple[int, int] | None) -> dict[str, Any]:
    """Measure each client alone (256 in flight) and in the engine (1,024), in interleaved rounds.

    The engine's figures are of whole processes: start, recipe, prompts and journal included.
    """
    names = available()
    alone: dict[str, list[float]] = {name: [] for name in names}
    engine: dict[str, list[Ended]] = {name: [] for name in names}
    for number in range(repeats):
        for name in names[:: -1 if number % 2 else 1]:
            with server(core=cores[1] if cores else None) as url:
                alone[name].append(_post(name, url, rows, cores))
                job = write_job(folder / f"{name}-{number}", url, rows, concurrency=1024)
                engine[name].append(_generate(name, job, rows, cores))
    figures: dict[str, Any] = {}
    for name in names:
        figures[f"wire_us_{name}"] = statistics.median(alone[name])
        figures[f"engine_us_{name}"] = statistics.median(
            1e6 * ended.cpu / rows for ended in engine[name]
        )
        figures[f"rows_per_second_1024_{name}"] = statistics.median(
            rows / ended.seconds for ended in engine[name]
        )
    figures["rows_per_second_1024"] = figures["rows_per_second_1024_plain"]
    for name in names:
        if name != "plain":
            figures[f"wire_ratio_{name}"] = statistics.median(
                other.seconds / ours.seconds
                for ours, other in zip(engine["plain"], engine[name], strict=True)
            )
            figures[f"wire_cpu_ratio_{name}"] = statistics.median(
                other.cpu / ours.cpu
                for ours, other in zip(engine["plain"], engine[name], strict=True)
            )
    return figures


def _pinned(command: list[str], cores: tuple[int, int] | None) -> list[str]:
    return command if cores is None else ["taskset", "-c", str(cores[0]), *command]


def _post(name: str, url: str, rows: int, cores: tuple[int, int] | None) -> float:
    command = [sys.executable, "-m", _MODULE, name, "post", url, str(rows), "256"]
    done = subprocess.run(
        _pinned(command, cores), cwd=ROOT, check=True, capture_output=True, text=True
    )
    return float(done.stdout.splitlines()[-1])


def _generate(name: str, recipe: Path, rows: int, cores: tuple[int, int] | None) -> Ended:
    command = [sys.executable, "-m", _MODULE, name, "generate", str(recipe)]
    ended = finish(_pinned(command, cores))
    assert f"completed {rows:,}" in ended.output, ended.output
    return ended
