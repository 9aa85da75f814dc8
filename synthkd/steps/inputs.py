"""The inputs of a step, made of the rows of earlier ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from synthkd.errors import NoRowsError
from synthkd.recipe import Recipe
from synthkd.recipe.steps import INPUTS, StepInputsPart
from synthkd.stages.places import PARENTS, STEP_INPUTS, claim_work
from synthkd.steps.outputs import input_rows, step_rows
from synthkd.steps.recipes import step_folder, step_inputs
from synthkd.steps.tables import Operations, StepRow, row_json
from synthkd.storage import TemporaryFolder, replaced_file


def write_step_inputs(recipe: Recipe, name: str) -> int | None:
    """Write the inputs of a step, and beside them the parents of each row.

    Returns:
        The number of rows; None if the step reads the recipe's own inputs.

    Raises:
        NoRowsError: Nothing is left to ask about.
        StorageError: An earlier step has not been run, or by another recipe.
    """
    part = step_inputs(recipe, name)
    if part is None:
        return None
    folder = step_folder(recipe, name)
    claim_work(folder)
    count, counts = 0, dict[str, int]()
    with (
        TemporaryFolder() as temporary,
        replaced_file(folder / STEP_INPUTS) as rows_path,
        replaced_file(folder / PARENTS) as parents_path,
        rows_path.open("w", encoding="utf-8") as rows_file,
        parents_path.open("w", encoding="utf-8") as parents_file,
    ):
        for row in _rows(recipe, name, part, Path(temporary), counts):
            rows_file.write(f"{row_json(row.values)}\n")
            parents_file.write(f"{json.dumps(row.parents)}\n")
            count += 1
    if not count:
        raise NoRowsError(_why_empty(folder.parent, name, part, counts))
    return count


def _why_empty(steps: Path, name: str, part: StepInputsPart, counts: Mapping[str, int]) -> str:
    """Say which operation left no row; if none had one, where to see what was rejected."""
    sources = ", ".join(repr(source) for source in part.source)
    message = f"steps.{name}: no row of {sources} is left to ask about"
    before = 0
    for place, left in counts.items():
        if before and not left:
            return f"{message}: {place} leaves none of {before:,} rows"
        before = left
    shown = [str(steps / source) for source in part.source if source != INPUTS]
    return message + (f"; `synthkd show` of {shown[0]} says what was rejected" if shown else "")


def _rows(
    recipe: Recipe, name: str, part: StepInputsPart, folder: Path, counts: dict[str, int]
) -> Iterator[StepRow]:
    """Yield the rows of a step's inputs, and count those that each operation leaves."""

    def rows_of(step: str) -> Iterator[StepRow]:
        if step == INPUTS:
            return input_rows(recipe)
        return step_rows(recipe, step, part.rows if step in part.source else "accepted", folder)

    def all_rows() -> Iterable[StepRow]:
        for source in part.source:
            yield from rows_of(source)

    label = f"steps.{name}.inputs"
    with closing(Operations(folder, label, rows_of, counts)) as operations:
        yield from operations.apply(all_rows(), part.apply)
