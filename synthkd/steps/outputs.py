"""The rows of a finished step: its filtered rows beside the inputs that they answer."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthkd.corpora.write import parquet_errors
from synthkd.errors import StorageError
from synthkd.kinds.base import Malformed, readable
from synthkd.kinds.event import EventKind
from synthkd.recipe import Recipe
from synthkd.recipe.steps import INPUTS
from synthkd.stages.inputs import InputReader
from synthkd.stages.parse import MALFORMED
from synthkd.stages.places import FILTERED_ROWS, PARENTS, REPORT, ReportShape
from synthkd.stages.plan import RunPlan, plan_run
from synthkd.steps.recipes import step_folder, step_inputs, step_recipe
from synthkd.steps.tables import Parent, RowTable, StepRow
from synthkd.storage import read_json

#: Columns that conditions see besides the content.
NUMBERS = ("score", "votes", "agreement", "margin", "recurrence", "rejected_by")


def input_rows(recipe: Recipe) -> Iterator[StepRow]:
    """Yield the recipe's own inputs as their file has them; each is its own parent."""
    reader = InputReader(recipe, EventKind())
    for number, row in reader.limited():
        yield StepRow(row, [(INPUTS, reader.content_id(number, row))])


def step_rows(recipe: Recipe, name: str, which: str, folder: Path) -> Iterator[StepRow]:
    """Yield the rows of a finished step, in the order of its inputs and of their answers.

    A row has the columns of its input, and over these the content of the candidate.

    Args:
        recipe: The whole recipe.
        name: The step.
        which: `accepted`, `rejected` or `all` rows; unreadable answers are never among them.
        folder: A folder for tables, which the caller removes.

    Raises:
        StorageError: The step has not been run, or by another recipe.
    """
    check_finished(recipe, name)
    plan = plan_run(step_recipe(recipe, name))
    # A step may be read twice, as when it is joined with itself.
    place = Path(tempfile.mkdtemp(dir=folder))
    with (
        closing(RowTable(place / "inputs.sqlite")) as inputs,
        closing(RowTable(place / "rows.sqlite")) as rows,
    ):
        inputs.fill(
            (
                StepRow(one.row, [], {"number": number, "id": one.input_id})
                for number, one in enumerate(plan.inputs.distinct())
            ),
            lambda row: str(row.numbers["id"]),
        )
        rows.fill(_candidates(plan, name, which, inputs), lambda row: str(row.numbers["order"]))
        yield from _in_order(plan, rows.by_key(), inputs)


def _candidates(plan: RunPlan, name: str, which: str, inputs: RowTable) -> Iterator[StepRow]:
    """Yield a step's filtered rows beside their inputs, as the partitions have them."""
    columns = [*plan.kind.columns, *plan.kind.details]
    for path in sorted((plan.recipe.work_dir / FILTERED_ROWS).glob("part-*.parquet")):
        with parquet_errors(path, "run the step again"), pq.ParquetFile(path) as file:
            for batch in file.iter_batches(4096, columns=[*_READ, *columns]):
                for row in batch.filter(_chosen(batch, which)).to_pylist():
                    matches = inputs.matching(row["input_id"])
                    given = matches[0] if matches else StepRow({}, [], {"number": 0})
                    numbers = {column: row[column] for column in NUMBERS}
                    completion = f"{given.numbers['number']:012d} {row['sample_index']:06d}"
                    numbers["completion"] = completion
                    numbers["order"] = f"{completion} {row['id']}"
                    numbers["input_id"], numbers["raw"] = row["input_id"], row["raw"]
                    content = {column: row[column] for column in columns}
                    yield StepRow({**given.values, **content}, [(name, row["id"])], numbers)


_READ = ("id", "input_id", "sample_index", "raw", *NUMBERS)


def _in_order(plan: RunPlan, rows: Iterator[StepRow], inputs: RowTable) -> Iterator[StepRow]:
    """Yield the rows of each completion as its text has them."""
    for _, members in groupby(rows, lambda row: row.numbers["completion"]):
        whole = list(members)
        if len(whole) > 1:
            raw, input_id = whole[0].numbers["raw"], whole[0].numbers["input_id"]
            given = inputs.matching(input_id)
            candidates = readable(plan.components.read_answer(raw, given[0].values)[0])
            found = [] if isinstance(candidates, Malformed) else candidates
            places = {plan.kind.identity(one): place for place, one in enumerate(found)}
            whole.sort(key=lambda row: places.get(row.parents[0][1], len(places)))
        for row in whole:
            yield StepRow(row.values, row.parents, {one: row.numbers[one] for one in NUMBERS})


def _chosen(batch: Any, which: str) -> Any:
    outcome = batch.column("rejected_by")
    if which == "accepted":
        return pc.is_null(outcome)
    readable = pc.not_equal(pc.fill_null(outcome, ""), MALFORMED)
    return readable if which == "all" else pc.and_(readable, pc.is_valid(outcome))


def check_finished(recipe: Recipe, name: str) -> None:
    """Refuse a step that has not been filtered by this recipe.

    Raises:
        StorageError: What is missing, and the command that makes it.
    """
    own = step_recipe(recipe, name)
    report = own.work_dir / REPORT
    if not report.is_file():
        raise StorageError(f"step {name!r} has not been run; run the recipe without --step")
    if read_json(report, ReportShape)["recipe_hash"] != own.fingerprint():
        raise StorageError(
            f"step {name!r} was run by another recipe; run the recipe without --step"
        )


def input_parents(recipe: Recipe, name: str) -> Iterator[tuple[str, list[Parent]]]:
    """Yield the id and the parents of each input of a step."""
    reader = plan_run(step_recipe(recipe, name)).inputs
    parents = _numbered_parents(recipe, name, reader)
    number, of_row = next(parents)
    for wanted, input_id, _ in reader.distinct():
        # A row may stand for several inputs, and repeated rows stand for none.
        while number < wanted:
            number, of_row = next(parents)
        yield input_id, of_row


def _numbered_parents(
    recipe: Recipe, name: str, reader: InputReader
) -> Iterator[tuple[int, list[Parent]]]:
    if step_inputs(recipe, name) is None:
        for number, row in reader.limited():
            yield number, [(INPUTS, reader.content_id(number, row))]
        return
    with (step_folder(recipe, name) / PARENTS).open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            yield number, [(step, row_id) for step, row_id in json.loads(line)]
