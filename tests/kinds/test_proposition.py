"""The kind `proposition`: equality, votes of segmentations, whole runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.files import ROOT

from everyday.truth import truth_of
from synthkd import Recipe, run
from synthkd.errors import InputError, RecipeError
from synthkd.kinds.proposition.kind import PropositionKind
from synthkd.stages.plan import plan_run

KIND = PropositionKind()
A = {
    "document_id": "d",
    "sentence": "An elephant can swim\nand hear.",
    "proposition": "An elephant can swim.",
}


def test_line_breaks_case_and_a_closing_full_stop_make_no_other_proposition() -> None:
    other = {
        "document_id": "d",
        "sentence": "An elephant can swim and hear",
        "proposition": "an elephant can  swim",
    }
    assert KIND.identity(A) == KIND.identity(other)
    assert KIND.identity(A) != KIND.identity(A | {"document_id": "e"})


def test_segmentations_of_a_sentence_vote_for_each_proposition() -> None:
    other = A | {"proposition": "An elephant can hear."}
    assert KIND.vote_on(A) == KIND.vote_on(other)
    assert KIND.vote_for(A) != KIND.vote_for(other)
    assert KIND.vote_for(A | {"proposition": ""}) == ""


@pytest.mark.slow
@given(proposition=st.from_regex(r"[A-Z][a-z]{2,8}( [a-z]{1,8}){1,5}\.", fullmatch=True))
def test_parsing_a_verbalized_proposition_gives_the_proposition(proposition: str) -> None:
    (row,) = KIND.expand({"document_id": "d", "text": f"{proposition[:-1]} and much more."})
    (found,) = KIND.parse(KIND.verbalize(A | {"proposition": proposition}), row)  # type: ignore[misc]
    assert found["proposition"] == proposition


def write(
    folder: Path, answers: list[list[str]], documents: list[dict[str, Any]], **changes: Any
) -> Recipe:
    """Return a recipe over recorded segmentations.

    Each chunk in order has one text for each sample.
    """
    lines = [json.dumps(document) for document in documents]
    (folder / "documents.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "recorded.jsonl").write_text('{"input_id": "x", "text": ""}\n')
    raw: dict[str, Any] = {
        "name": "p",
        "inputs": {"path": "documents.jsonl"},
        "kind": {"name": "proposition", "options": {"chunk_sentences": 1}},
        "teacher": {
            "backend": "recorded",
            "path": "recorded.jsonl",
            "sampling": {"n": max(map(len, answers), default=1)},
        },
        "corpus": {"path": "corpus"},
    }
    recipe = Recipe.from_dict(raw | changes, folder)
    ids = [asked.input_id for group in plan_run(recipe).batches() for asked in group]
    rows = [
        {"input_id": name, "sample_index": i, "text": text}
        for name, texts in zip(ids, answers, strict=False)
        for i, text in enumerate(texts)
    ]
    (folder / "recorded.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return recipe


DOCUMENTS = [
    {"document_id": "d", "text": "A cat can run and jump. It rains."},
    {"document_id": "empty", "text": " \n"},
]


@pytest.mark.slow
def test_every_candidate_is_accepted_or_rejected_and_a_document_without_a_sentence_is_skipped(
    tmp_path: Path,
) -> None:
    recipe = write(tmp_path, [["<s>\n- A cat can run.\n- A cat can jump.\n</s>"], [""]], DOCUMENTS)
    result = run(recipe, quiet=True)
    assert (result.counts["asked"], result.counts["accepted"]) == (2, 2)
    assert result.counts["candidates"] == result.counts["accepted"] + sum(
        result.counts["rejected"].values()
    )
    (nothing,) = result.corpus.rejected.to_pylist()
    assert (nothing["sentence"], nothing["rejected_by"]) == ("It rains.", "has_proposition")
    assert nothing["reason"].startswith("no_text")
    row = result.corpus.table(provenance=True).to_pylist()[0]
    assert DOCUMENTS[0]["text"][row["start"] : row["end"]] == row["sentence"]
    assert row["source"] == "A cat can run and jump."
    assert row["splitter"] == "spacy en sentencizer"


@pytest.mark.slow
def test_a_proposition_that_few_segmentations_have_is_rejected(tmp_path: Path) -> None:
    whole, part, other = (
        "- A cat can run.\n- A cat can jump.",
        "- A cat can run.",
        "- A cat can run and jump.",
    )
    answers = [[f"<s>\n{text}\n</s>" for text in (whole, part, other)], ["<s>\n</s>"] * 3]
    recipe = write(tmp_path, answers, DOCUMENTS, votes={"min_agreement": 0.5})
    result = run(recipe, quiet=True)
    (kept,) = result.corpus.table(provenance=True).to_pylist()
    assert (kept["proposition"], kept["votes"], round(kept["agreement"], 2)) == (
        "A cat can run.",
        2,
        0.67,
    )
    assert result.counts["rejected"]["votes"] == 2


def test_rules_that_would_accept_a_sentence_without_a_proposition_are_refused(
    tmp_path: Path,
) -> None:
    with pytest.raises(RecipeError, match="put `has_proposition` first"):
        plan_run(write(tmp_path, [], DOCUMENTS, rules=["too_long"]))


def test_documents_without_a_sentence_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 rows, and nothing in them to ask about"):
        write(tmp_path, [], DOCUMENTS[1:])


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'document_id'"):
        write(tmp_path, [], [{"text": "x"}])


def test_a_lone_surrogate_is_named() -> None:
    problem = KIND.check({"document_id": "d", "text": "a \ud800 b"})
    assert problem is not None
    assert "document 'd' has a broken character" in problem


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grouped", "plain", "structured", "everyday"])
def test_every_shipped_template_shows_the_sentences_in_one_line_each(
    tmp_path: Path, name: str
) -> None:
    recipe = write(
        tmp_path,
        [],
        [{"document_id": "d", "text": "A cat\ncan run."}],
        prompt={"template": f"proposition/{name}"},
    )
    ((asked,),) = plan_run(recipe).batches()
    assert "A cat can run." in asked.request.prompt
    assert "\n\n\n" not in asked.request.prompt


def test_a_critic_that_is_trained_on_sources_reads_them_in_judged_rows() -> None:
    from synthkd.corpora.schema import candidate_schema
    from synthkd.critics.encoder.texts import SOURCE

    assert SOURCE in candidate_schema(KIND).names
    assert KIND.answer_columns == ("proposition",)


@pytest.mark.slow
def test_the_example_recipe_gives_propositions_that_the_everyday_world_supports(
    tmp_path: Path,
) -> None:
    pytest.importorskip("torch")
    changes = [
        "inputs.limit=4", "teacher.sampling.n=3", "teacher.threads=1",
        f"journal={tmp_path}/journal.sqlite",
        f"work={tmp_path}/run", f"corpus.path={tmp_path}/corpus",
    ]  # fmt: skip
    result = run(Recipe.load(ROOT / "examples/propositions.yaml", changes), quiet=True)
    rows = result.corpus.table(provenance=True).to_pylist()
    assert len(rows) > 10
    assert sum(map(truth_of("proposition"), rows)) / len(rows) > 0.8
