"""The first round that would request something, for a dry run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from synthkd.loops.engine import Loop
from synthkd.loops.round_run import round_recipe, write_inputs
from synthkd.loops.round_steps import task_recipe, with_task_parts
from synthkd.recipe import Recipe
from synthkd.storage import TemporaryFolder


@dataclass(frozen=True)
class FirstRound:
    """The first round that requests something.

    Attributes:
        description: The round in words, and what precedes it.
        recipe: The recipe of its run, with the inputs in a temporary folder; None if nothing would
            be
            requested.
    """

    description: str
    recipe: Recipe | None


@contextmanager
def first_round(recipe: Recipe) -> Iterator[FirstRound]:
    """Prepare round 0 if it has requests; else train the first student and prepare round 1."""
    loop = Loop(recipe, quiet=True)
    task = loop.task
    lines = list(task.notices)
    with TemporaryFolder() as name:
        folder, number = Path(name), 0
        inputs = task.initial_inputs(loop.rows, 0, [])
        if not inputs:
            number = 1
            student = task.train(loop.rows, folder / "student")
            result = task.validate(student)
            inputs = task.next_inputs(1, student, result, loop.rows, [])
            metrics = ", ".join(f"{k} {v:.3f}" for k, v in result.metrics.items() if v is not None)
            lines.append(f"round 0: {len(loop.rows):,} rows; {metrics}")
        if not inputs:
            yield FirstRound("\n".join([*lines, "nothing to ask for"]), None)
            return
        task.check_inputs(inputs)
        write_inputs(folder, inputs)
        lines.append(
            f"round {number} would ask for {task.requested_rows(inputs):,} rows in {len(inputs):,}"
            " prompts:"
        )
        own = round_recipe(recipe, number, folder, task.resamples)
        prepared = task.prepare_recipe(task_recipe(own), folder, loop.rows)
        yield FirstRound("\n".join(lines), with_task_parts(own, prepared))
