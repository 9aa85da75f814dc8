"""Tests of parsing many answers of a recipe at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from synthkd import Recipe
from synthkd.corpora.schema import candidate_schema
from synthkd.kinds.columns import AnswerColumns
from synthkd.stages.components import resolve_components
from synthkd.stages.parsed_answers import AnswerParser


def test_answers_without_any_candidate_are_malformed_for_a_kind_with_a_column_text(
    tmp_path: Path,
) -> None:
    (tmp_path / "recorded.jsonl").write_text('{"input_id": "a", "sample_index": 0, "text": "[]"}\n')
    recipe = Recipe.from_dict(
        {
            "name": "texts",
            "inputs": {"path": "inputs.jsonl"},
            "kind": {"name": "labelled_text", "several": True},
            "teacher": {"backend": "recorded", "path": "recorded.jsonl"},
            "corpus": {"path": "corpus"},
        },
        tmp_path,
    )
    components = resolve_components(recipe)
    parser = AnswerParser(components, candidate_schema(components.kind))
    answers = AnswerColumns(["[]"], [{"label": "a"}], np.array([0, 0]), np.array([0, 0]))
    parsed = parser.parse(answers, np.zeros(2, bool))
    assert parsed.counts.tolist() == [0, 0]
    assert sorted(parsed.malformed) == [0, 1]
    assert {len(column) for column in parsed.columns.values()} == {0}
