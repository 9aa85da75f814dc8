"""Rounds that interleave the clients, and their medians."""

from __future__ import annotations

import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.base import Figures, Options
from benchmarks.peers.environments import CLIENTS, Client, install
from benchmarks.peers.runs import Run, run
from benchmarks.text_table import table

#: Prompts that a client answers before the first round.
WARM_UP = 8


@dataclass
class Result:
    """All runs of one client."""

    client: Client
    runs: list[Run] = field(default_factory=list)

    @property
    def problem(self) -> str:
        return next((run.problem for run in self.runs if run.problem), "")

    def figures(self) -> dict[str, Any]:
        values = [run.figures for run in self.runs]
        spread = {
            name: {
                "median": statistics.median(run[name] for run in values),
                "min": min(run[name] for run in values),
                "max": max(run[name] for run in values),
            }
            for name in values[0]
        }
        return {
            "version": self.client.version, "valid": not self.problem, "problem": self.problem,
            "runs": len(self.runs), **spread,
        }  # fmt: skip


def figures(options: Options) -> Figures:
    """Measure the available clients, or install their environments with `--install`."""
    envs = options.envs.resolve() if options.envs else None
    if options.install:
        if envs is None:
            raise SystemExit("--install needs --envs DIR")
        raise SystemExit(install(envs, options.only))
    rows = options.rows or (1_000 if options.quick else 20_000)
    with tempfile.TemporaryDirectory(prefix="peers-homes-") as homes:
        results = measure(options, envs, rows, Path(homes))
    print(
        f"\n{rows} prompts, {options.latency * 1000:g} ms, {options.in_flight} in flight,"
        f" {options.repeats} rounds"
    )
    print(results_table(results))
    job = {
        "rows": rows,
        **{name: getattr(options, name) for name in ("in_flight", "latency", "repeats")},
    }
    return {"job": job, **{result.client.name: result.figures() for result in results}}


def available(options: Options, envs: Path | None) -> dict[Client, Path]:
    """Return the available clients and their interpreters; report clients without one."""
    results = {}
    for client in CLIENTS:
        if client.name not in options.only:
            continue
        if python := client.python(envs):
            results[client] = python
        else:
            print(f"{client.name}: skipped, no environment `{client.environment}`", file=sys.stderr)
    return results


def measure(options: Options, envs: Path | None, rows: int, homes: Path) -> list[Result]:
    """Run every client once to warm up, then in rounds."""
    clients = available(options, envs)
    results = {client: Result(client) for client in clients}
    for client, python in clients.items():
        (homes / client.name).mkdir()
        # A client that hangs on its first prompts must not hold up the others for long.
        warm = run(
            client, python, WARM_UP, homes / client.name, options, min(60.0, options.timeout)
        )
        if warm.problem:
            results[client].runs.append(warm)
    for number in range(options.repeats):
        # Every other round runs backwards, so that no client always follows the same one.
        order = list(clients.items())[:: -1 if number % 2 else 1]
        for client, python in order:
            if results[client].problem:
                continue
            done = run(client, python, rows, homes / client.name, options, options.timeout)
            results[client].runs.append(done)
            if not done.problem:
                print(
                    f"round {number + 1}: {client.name} {done.figures['rows_per_second']:.0f}"
                    " rows/s",
                    flush=True,
                )
    return list(results.values())


def spread(values: dict[str, float], digits: int) -> str:
    return (
        f"{values['median']:,.{digits}f} ({values['min']:,.{digits}f}–{values['max']:,.{digits}f})"
    )


def results_table(results: list[Result]) -> str:
    rows: list[tuple[Any, ...]] = [("client", "version", "rows/s", "CPU ms per row", "peak MB", "")]
    for result in results:
        figures = result.figures()
        if not figures["valid"]:
            rows.append(
                (
                    result.client.name,
                    result.client.version,
                    "–",
                    "–",
                    "–",
                    f"invalid: {result.problem}",
                )
            )
            continue
        speed, cpu = spread(figures["rows_per_second"], 0), spread(figures["cpu_ms_per_row"], 2)
        rows.append(
            (
                result.client.name,
                result.client.version,
                speed,
                cpu,
                spread(figures["peak_mb"], 0),
                "",
            )
        )
    return table(rows)
