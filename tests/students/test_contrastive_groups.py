"""Positives and negatives of a question from a corpus."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.recipes import Make

from synthkd import Recipe, run
from synthkd.errors import InputError
from synthkd.students.generators.contrastive_groups import contrastive_pairs
from synthkd.testing import FakeServer

SAID = {
    "tom": ["12 - 5 = 7. The answer is 7.", "5 + 2 = 7. The answer is 7.",
    "12 - 5 = 8. The answer is 8.",
            "12 + 5 = 17. The answer is 17.", "12 - 5 = 7. The answer is 7.", "who knows"],
    "ann": ["1 + 1 = 2. The answer is 2."] * 6,
}  # fmt: skip


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    with (
        (tmp_path / "questions.jsonl").open("w") as questions,
        (tmp_path / "said.jsonl").open("w") as said,
    ):
        for name, texts in SAID.items():
            questions.write(json.dumps({"id": name, "question": f"How many has {name}?"}) + "\n")
            for index, text in enumerate(texts):
                said.write(
                    json.dumps({"input_id": name, "sample_index": index, "text": text}) + "\n"
                )
    raw = {
        "name": "contrast",
        "inputs": {"path": "questions.jsonl", "id": "id"},
        "kind": {"name": "rationale", "options": {"answer": "number"}},
        "teacher": {"backend": "recorded", "path": "said.jsonl", "sampling": {"n": 6}},
        "votes": {},
        "corpus": {"path": "corpus"},
    }
    return Recipe.from_dict(raw, folder=tmp_path)


@pytest.mark.slow
def test_a_question_has_positives_and_negatives_with_their_reason(recipe: Recipe) -> None:
    corpus = run(recipe, quiet=True).corpus
    (found,) = contrastive_pairs(corpus)
    assert found.question == "How many has tom?"
    assert {(row["rationale"], row["agreement"]) for row in found.positives} == {
        ("12 - 5 = 7.", 0.5),
        ("5 + 2 = 7.", 0.5),
    }
    why = {row["answer"]: row["why"] for row in found.negatives}
    assert why["8"] == "arithmetic: 12 - 5 = 8 (comes to 7)"
    assert why["17"].startswith("votes: outvoted: 1 of 6")


@pytest.mark.slow
def test_a_repeated_text_is_one_negative_and_never_also_a_positive(
    recipe: Recipe, tmp_path: Path
) -> None:
    lines = []
    for line in (tmp_path / "said.jsonl").read_text().splitlines():
        row = json.loads(line)
        if (row["input_id"], row["sample_index"]) in (("tom", 1), ("tom", 5)):
            row["text"] = SAID["tom"][2]
        lines.append(json.dumps(row))
    (tmp_path / "said.jsonl").write_text("\n".join(lines))
    corpus = run(recipe, quiet=True).corpus
    assert corpus.rejected.column("answer").to_pylist().count("8") == 3
    (found,) = contrastive_pairs(corpus)
    assert sorted(row["answer"] for row in found.negatives) == ["17", "8"]
    ids = [row["id"] for row in (*found.positives, *found.negatives)]
    assert len(ids) == len(set(ids))


def test_questions_without_negatives_come_on_request(recipe: Recipe) -> None:
    run(recipe, quiet=True)
    found = {pair.question: pair for pair in contrastive_pairs(recipe.corpus_path, both=False)}
    assert len(found) == 2
    assert found["How many has ann?"].negatives == []


@pytest.mark.slow
def test_a_corpus_without_questions_is_refused(make_recipe: Make) -> None:
    with FakeServer() as server:
        corpus = run(make_recipe(server.url), quiet=True).corpus
    with pytest.raises(InputError, match="no questions"):
        next(contrastive_pairs(corpus))
