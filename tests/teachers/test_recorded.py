"""Recorded rows as a teacher."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.recipes import Make

from synthkd import run
from synthkd.errors import InputError, RecipeError


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def recorded(make: Make, **teacher: Any) -> Any:
    return make(
        inputs={"path": "inputs.jsonl", "id": "name"},
        prompt={},
        teacher={"backend": "recorded", "path": "rows.jsonl", "sampling": {"n": 2}} | teacher,
    )


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    heads = [
        {"name": "i1", "head": "knife", "relation": "UsedFor"},
        {"name": "i2", "head": "pen", "relation": "UsedFor"},
    ]
    write(tmp_path / "inputs.jsonl", heads)
    written = [
        {"input_id": "i2", "sample_index": 0, "text": "writing", "logprob": -1.5, "model": "old"},
        {"input_id": "i1", "sample_index": 1, "text": "carving", "logprob": -2.0, "model": "old"},
        {"input_id": "i1", "sample_index": 0, "text": "cutting", "logprob": -1.0, "model": "old"},
    ]
    write(tmp_path / "rows.jsonl", written)
    return tmp_path / "rows.jsonl"


@pytest.mark.slow
def test_rows_are_found_by_key_and_not_by_position(make_recipe: Make, rows: Path) -> None:
    result = run(recorded(make_recipe), quiet=True)
    found = {
        (r["head"], r["tail"], r["logprob"], r["teacher"])
        for r in result.corpus.table(provenance=True).to_pylist()
    }
    assert found == {
        ("knife", "cutting", -1.0, "old"),
        ("knife", "carving", -2.0, "old"),
        ("pen", "writing", -1.5, "old"),
    }


@pytest.mark.slow
def test_a_sample_that_was_not_recorded_is_a_fate(make_recipe: Make, rows: Path) -> None:
    result = run(recorded(make_recipe), quiet=True)
    assert result.counts["failures"] == {"not_recorded": 1}


@pytest.mark.slow
def test_other_rows_are_other_answers(make_recipe: Make, rows: Path) -> None:
    run(recorded(make_recipe), quiet=True)
    rows.write_text(rows.read_text().replace("writing", "drawing"))
    tails = run(recorded(make_recipe), quiet=True).corpus.accepted.column("tail").to_pylist()
    assert "drawing" in tails
    assert "writing" not in tails


def test_two_rows_under_one_key_are_refused(make_recipe: Make, rows: Path) -> None:
    rows.write_text(
        rows.read_text() + json.dumps({"input_id": "i1", "sample_index": 0, "text": "x"}) + "\n"
    )
    with pytest.raises(InputError, match="number the samples"):
        run(recorded(make_recipe), quiet=True)


def test_a_missing_column_is_named(make_recipe: Make, rows: Path) -> None:
    with pytest.raises(InputError, match="no column 'answer'"):
        run(recorded(make_recipe, columns={"text": "answer"}), quiet=True)


def test_an_unknown_field_is_refused(make_recipe: Make, rows: Path) -> None:
    with pytest.raises(RecipeError, match="did you mean 'text'"):
        run(recorded(make_recipe, columns={"texts": "answer"}), quiet=True)
