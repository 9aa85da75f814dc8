"""Operations on rows between steps: which rows match, and which mistakes are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from synthkd.errors import InputError, RecipeError
from synthkd.recipe.steps import OperationPart
from synthkd.steps.tables import Operations, StepRow

Values = dict[str, Any]


def applied(
    folder: Path, rows: list[Values], *operations: Values, others: list[Values] | None = None
) -> list[Values]:
    parts = [OperationPart.model_validate(operation) for operation in operations]
    made = [StepRow(row, [("things", str(i))], {"score": 0.5}) for i, row in enumerate(rows)]
    joined = [StepRow(row, [("inputs", str(i))]) for i, row in enumerate(others or [])]
    table = Operations(folder, "steps.links.inputs", lambda step: joined)
    return [row.values for row in table.apply(made, parts)]


def test_a_number_of_json_joins_the_text_that_a_kind_made_of_it(tmp_path: Path) -> None:
    # Kinds read their input columns as texts, and the recipe's own rows keep their types.
    rows = [{"doc": "7", "thing": "mill"}]
    join = {"join": {"step": "inputs", "by": ["doc"]}}
    assert applied(tmp_path, rows, join, others=[{"doc": 7, "text": "A mill."}]) == [
        {"doc": "7", "thing": "mill", "text": "A mill."}
    ]


def test_groups_and_distinct_rows_take_equal_cells_of_other_types_for_equal(tmp_path: Path) -> None:
    rows = [{"doc": 1, "thing": "a"}, {"doc": "1", "thing": "b"}, {"doc": 1.0, "thing": "c"}]
    group = {"group": {"by": ["doc"], "lists": ["thing"]}}
    assert applied(tmp_path, rows, group) == [{"doc": 1, "thing": ["a", "b", "c"]}]


def test_distinct_keeps_the_first(tmp_path: Path) -> None:
    rows = [{"doc": 1, "thing": "a"}, {"doc": "1", "thing": "b"}, {"doc": 2, "thing": "c"}]
    kept = applied(tmp_path, rows, {"distinct": ["doc"]})
    assert [row["thing"] for row in kept] == ["a", "c"]


@pytest.mark.parametrize("value", [None, "", float("nan"), "nan"])
def test_a_number_that_is_not_known_is_within_no_bounds(tmp_path: Path, value: Any) -> None:
    for bound in ({"at_least": 0.9}, {"at_most": 0.9}):
        assert applied(tmp_path, [{"x": value}], {"where": {"x": bound}}) == []


def test_a_text_has_no_bounds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"apply\.0\.where\.x: 'soon' is no number"):
        applied(tmp_path, [{"x": "soon"}], {"where": {"x": {"at_least": 1}}})


@pytest.mark.parametrize(
    ("value", "condition", "holds"),
    [
        ("true", True, True),
        ("True", True, True),
        (True, True, True),
        (True, "true", True),
        (1, True, False),
        ("1", True, False),
        ("1", 1, True),
        (1.0, "1", True),
        (None, None, True),
        ("", None, False),
        (0, {"contains": "0"}, True),
        (None, {"contains": "N"}, False),
        ([], {"empty": True}, True),
        (0, {"empty": True}, False),
        ("b", {"not_in": ["a", "c"]}, True),
    ],
)
def test_conditions(tmp_path: Path, value: Any, condition: Any, holds: bool) -> None:
    kept = applied(tmp_path, [{"x": value}], {"where": {"x": condition}})
    assert bool(kept) is holds


def test_a_figure_of_a_row_becomes_a_column_by_rename(tmp_path: Path) -> None:
    rename = {"rename": {"score": "sure"}}
    assert applied(tmp_path, [{"a": 1}], rename) == [{"a": 1, "sure": 0.5}]


def test_columns_may_change_places(tmp_path: Path) -> None:
    rename = {"rename": {"head": "tail", "tail": "head"}}
    assert applied(tmp_path, [{"head": 1, "tail": 2}], rename) == [{"tail": 1, "head": 2}]


@pytest.mark.parametrize("names", [{"a": "b"}, {"a": "c", "b": "c"}])
def test_a_column_is_not_renamed_over_another(tmp_path: Path, names: dict[str, str]) -> None:
    with pytest.raises(RecipeError, match=r"rename: two columns would have the name '[bc]'"):
        applied(tmp_path, [{"a": 1, "b": 2}], {"rename": names})


def test_joined_texts_are_written_as_cells_are(tmp_path: Path) -> None:
    rows = [{"doc": 1, "x": True}, {"doc": 1, "x": 2.0}, {"doc": 1, "x": None}]
    group = {"group": {"by": ["doc"], "texts": ["x"], "separator": ","}}
    assert applied(tmp_path, rows, group) == [{"doc": 1, "x": "true,2,"}]


def test_a_list_is_no_text_to_join(tmp_path: Path) -> None:
    group = {"group": {"by": ["doc"], "texts": ["x"]}}
    with pytest.raises(InputError, match="'x' is a list of 2, where a text is needed"):
        applied(tmp_path, [{"doc": 1, "x": [1, 2]}], group)


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ({"where": None}, "where: is empty"),
        ({"keep": []}, "keep: is empty"),
        ({"distinct": []}, "distinct: is empty"),
        ({"where": {"x": {}}}, "a condition without a key holds always"),
        ({"where": {"x": []}}, "should have at least 1 item"),
        ({"where": {"x": {"at_least": 5, "at_most": 1}}}, "no number is from 5 to 1"),
        ({"where": {"x": {"at_least": float("nan")}}}, "finite number"),
        ({"cut": {"part": "text"}}, "the column 'text' is named twice"),
        ({"group": {"by": ["a"], "rows": "a"}}, "the column 'a' is named twice"),
        ({"group": {"by": ["a"], "lists": ["b"], "texts": ["b"]}}, "'b' is named twice"),
        ({"join": {"step": "inputs", "by": ["a"], "rows": "a"}}, "'a' is named twice"),
    ],
)
def test_operations_that_cannot_be_meant_are_refused(operation: Values, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        OperationPart.model_validate(operation)
