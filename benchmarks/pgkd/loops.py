"""Run loops over arms and seeds, several at a time, and compare their curves."""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from benchmarks.intervals import students_t


class Task(NamedTuple):
    """One loop."""

    arm: str
    seed: int
    shots: int = 5
    student: str = "minilm"
    noise: float = 0.0
    rule: bool = False


@dataclass(frozen=True)
class Outcome:
    """Test accuracy and training rows before the first round and after each."""

    accuracy: tuple[float, ...]
    rows: tuple[int, ...]
    seconds: float

    @property
    def area(self) -> float:
        """Mean accuracy along the curve (trapezoids), in the units of accuracy."""
        curve = np.array(self.accuracy)
        return float(((curve[1:] + curve[:-1]) / 2).mean())


@dataclass(frozen=True)
class Setting:
    """Settings of all loops."""

    data: Path
    rounds: int = 10
    jobs: int = 2
    dev: bool = False
    keep: Path | None = None


def run(task: Task, setting: Setting) -> Outcome:
    """Run a loop in a temporary folder."""
    from benchmarks.pgkd.arms import recipe
    from benchmarks.pgkd.cuts import cut
    from synthkd.loops import distill

    with tempfile.TemporaryDirectory(prefix="pgkd-") as name:
        place = cut(setting.data, Path(name), task.seed, task.shots, setting.dev)
        loop_recipe = recipe(
            task.arm, place, task.seed, task.student, task.noise, task.rule, setting.rounds
        )
        start = time.perf_counter()
        # The diversity of the corpus takes longer to measure than its students to train, and is not
        # needed here.
        with patch("synthkd.loops.outputs.stage_diversity", lambda *_: {}):
            results = distill(loop_recipe, quiet=True)
        seconds = time.perf_counter() - start
    accuracy = tuple(float(one["test_accuracy"] or math.nan) for one in results.figures)
    return Outcome(accuracy, tuple(int(one.record["rows"]) for one in results.rounds), seconds)


def run_all(tasks: Sequence[Task], setting: Setting) -> dict[Task, Outcome]:
    """Run tasks in processes; those of one seed in turn, so that a process meets its rows again."""
    results = {task: outcome for task, outcome in _kept(setting).items() if task in set(tasks)}
    order = sorted({*tasks} - {*results}, key=lambda task: (task.shots, task.seed))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with ProcessPoolExecutor(setting.jobs) as pool:
        for task, outcome in zip(order, pool.map(run, order, [setting] * len(order)), strict=True):
            results[task] = outcome
            if setting.keep:
                with setting.keep.open("a") as file:
                    file.write(
                        json.dumps([setting.rounds, setting.dev, *task, *asdict(outcome).values()])
                        + "\n"
                    )
    return results


def _kept(setting: Setting) -> dict[Task, Outcome]:
    """Return the outcomes of an earlier call, of as many rounds on the same rows."""
    if setting.keep is None or not setting.keep.is_file():
        return {}
    rows = [json.loads(line) for line in setting.keep.read_text().splitlines()]
    return {
        Task(*row[2:8]): Outcome(tuple(row[8]), tuple(row[9]), row[10])
        for row in rows
        if row[:2] == [setting.rounds, setting.dev]
    }


class Gain(NamedTuple):
    """Mean of paired differences with its 95 % interval."""

    mean: float
    low: float
    high: float


def gain(better: Sequence[float], base: Sequence[float]) -> Gain:
    """Compare values that are paired by seed; Student's t over seeds."""
    mean, half = students_t(np.array(better) - np.array(base))
    return Gain(mean, mean - half, mean + half)


def comparison(
    results: dict[Task, Outcome], base: Task, others: dict[str, Task], seeds: Sequence[int]
) -> list[tuple[Any, ...]]:
    """Return the lines of a table of the arms, with their gains over the base."""

    def of(task: Task) -> list[Outcome]:
        return [results[task._replace(seed=seed)] for seed in seeds]

    lines: list[tuple[Any, ...]] = [
        ("", "area", "gain", "low", "high", "start", "middle", "end", "rows", "seconds")
    ]
    for name, task in others.items():
        mine, theirs = of(task), of(base)
        found_gain = gain([one.area for one in mine], [one.area for one in theirs])
        middle = len(mine[0].accuracy) // 2
        lines.append(
            (
                name, _mean([one.area for one in mine]), *found_gain,
                _mean([one.accuracy[0] for one in mine]),
                _mean([one.accuracy[middle] for one in mine]),
                _mean([one.accuracy[-1] for one in mine]),
                round(_mean([one.rows[-1] for one in mine])),
                round(_mean([one.seconds for one in mine]), 1),
            )
        )  # fmt: skip
    return lines


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
