"""A student that writes the graph of a document in one pass."""

from __future__ import annotations

from typing import Any

import pytest
from support.tiny_generator import tiny

from synthkd.corpora import score_graphs, triple_scorer_named
from synthkd.kinds.base import Malformed
from synthkd.kinds.fact import FactKind

pytest.importorskip("transformers", reason="needs the extra students")
pytestmark = pytest.mark.slow

KIND = FactKind()
THINGS = ("cat", "dog", "boat", "lamp")


def documents() -> list[dict[str, Any]]:
    """Return the facts of texts that name two things each."""
    rows: list[dict[str, Any]] = []
    for one in THINGS:
        for other in THINGS:
            text = f"{one} likes {other}. {other} sees {one}."
            answer = f"{one} | likes | {other}\n{other} | sees | {one}"
            candidates = KIND.parse(answer, {"document_id": f"{one} {other}", "text": text})
            assert isinstance(candidates, list)
            rows += candidates  # type: ignore[arg-type]
    return rows


def test_a_document_is_one_training_example_with_its_whole_graph() -> None:
    groups = KIND.group_by_input(documents())
    assert len(groups) == len(THINGS) ** 2
    assert all(len(rows) == 2 for _, rows in groups)
    assert {question["document_id"] for question, _ in groups} == {
        row["document_id"] for row in documents()
    }


def test_a_student_learns_to_write_graphs_and_they_are_scored() -> None:
    rows = documents()
    student = tiny(rows, KIND, epochs=60)
    questions = [question for question, _ in KIND.group_by_input(rows)]
    predicted: dict[str, list[tuple[str, str, str]]] = {}
    answers = student.answers(questions, max_tokens=60)
    for question, (answer,) in zip(questions, answers, strict=True):
        if isinstance(answer, Malformed):
            continue
        predicted[question["document_id"]] = [
            (row["head"], row["relation"], row["tail"]) for row in answer
        ]
    gold: dict[str, list[tuple[str, str, str]]] = {}
    for row in rows:
        gold.setdefault(row["document_id"], []).append((row["head"], row["relation"], row["tail"]))
    scores = score_graphs(gold, predicted, triple_scorer_named("words"))
    assert scores.predicted >= scores.gold / 2
    assert scores.f1 > 0.5
