"""What a loop would ask first, without asking: for a dry run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from synthkd.loops.engine import Loop
from synthkd.loops.rounds import round_recipe, write_inputs
from synthkd.recipe import Recipe
from synthkd.storage import TemporaryFolder


@dataclass(frozen=True)
class FirstRound:
    """The recipe of the first round that asks, with its inputs in a temporary folder; None where nothing would be asked."""

    said: str
    recipe: Recipe | None


@contextmanager
def first_round(recipe: Recipe) -> Iterator[FirstRound]:
    """Round 0 where it asks; else the first student is trained, and it is round 1."""
    loop = Loop(recipe, quiet=True)
    said = list(loop.task.said)
    with TemporaryFolder() as name:
        folder, number = Path(name), 0
        inputs = loop.task.first(loop.rows, 0, [])
        if not inputs:
            number = 1
            student = loop.task.train(loop.rows, folder / "student")
            figures = loop.task.validate(student)
            inputs = loop.task.ask(1, student, figures, loop.rows, [])
            shown = ", ".join(f"{k} {v:.3f}" for k, v in figures.shown.items() if v is not None)
            said.append(f"round 0: {len(loop.rows):,} rows; {shown}")
        if not inputs:
            yield FirstRound("\n".join([*said, "nothing to ask for"]), None)
            return
        loop.task.check(inputs)
        write_inputs(folder, inputs)
        said.append(
            f"round {number} would ask for {loop.task.wanted(inputs):,} rows in {len(inputs):,} prompts:"
        )
        own = loop.task.prepare(round_recipe(recipe, number, folder, loop.task.anew), folder, loop.rows)
        yield FirstRound("\n".join(said), own)
