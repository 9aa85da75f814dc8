"""Votes of sources (M-NTA): distinct sources agree, one never with itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.files import write_csv

from synthkd import Recipe, run
from synthkd.errors import InputError, RecipeError
from synthkd.filters.vote_sources import SourceVotes
from synthkd.filters.votes import tally
from synthkd.stages.plan import plan_run

#: Names of two things by three sources; each source may say several, and the same twice.
SAID = {
    "thing 0": {"wiki": ["Berlin"], "gpt-3": ["berlin", "Berlin!"], "gpt-4": ["Hauptstadt"]},
    "thing 1": {"wiki": ["Rome", "Rome"], "gpt-3": ["Paris"], "gpt-4": ["Roma"]},
    "thing 2": {"wiki": ["Oslo"], "gpt-3": ["Oslo"], "gpt-4": ["oslo"]},
}


def recorded(folder: Path, column: str, **votes: Any) -> Recipe:
    """Return a recipe whose sources are models (`teacher`) or rows of the inputs (`source`)."""
    inputs, rows = [], []
    for head, sources in SAID.items():
        if column == "teacher":
            inputs.append({"id": head, "head": head, "relation": "IsA"})
        index = 0
        for source, names in sources.items():
            own = head if column == "teacher" else f"{head} {source}"
            if column != "teacher":
                inputs.append({"id": own, "head": head, "relation": "IsA", "source": source})
                index = 0
            for name in names:
                row = {"input_id": own, "sample_index": index, "text": name, "model": source}
                rows.append(row)
                index += 1
    write_csv(folder / "inputs.csv", inputs)
    write_csv(folder / "said.csv", rows)
    raw = {
        "name": "sources",
        "inputs": {"path": "inputs.csv", "id": "id"},
        "kind": {"name": "triple"},
        "teacher": {"backend": "recorded", "path": "said.csv", "sampling": {"n": 4}},
        "rules": ["empty"],
        "votes": {"by": "source", "keep": "all", "min_votes": 2, **votes},
        "corpus": {"path": "corpus"},
    }
    return Recipe.from_dict(raw, folder=folder)


def names(recipe: Recipe) -> set[str]:
    rows = run(recipe, quiet=True).corpus.table(provenance=True).to_pylist()
    return {row["tail"].lower().strip("!") for row in rows}


@pytest.mark.parametrize("column", ["teacher", "source"])
def test_names_of_two_sources_are_accepted_and_of_one_source_never(
    tmp_path: Path, column: str
) -> None:
    recipe = recorded(tmp_path, column, options={"column": column})
    assert names(recipe) == {"berlin", "oslo"}
    result = run(recipe, quiet=True)
    reasons = {row["reason"] for row in result.corpus.rejected.to_pylist()}
    assert "too few votes: 1, asked 2" in reasons


def test_sources_of_one_family_agree_with_another_family_alone(tmp_path: Path) -> None:
    same = {"gpt-3": "gpt", "GPT-4 ": "gpt"}
    assert names(recorded(tmp_path, "teacher", options={"same": same})) == {"berlin", "oslo"}
    everyone = {"wiki": "x", "gpt-3": "x", "gpt-4": "x"}
    alone = recorded(tmp_path, "teacher", options={"same": everyone})
    assert run(alone, quiet=True).counts["accepted"] == 0


def test_report_and_card_tell_coverage_and_precision_per_number_of_sources(
    tmp_path: Path,
) -> None:
    sheet = [
        ("thing 0", "Berlin", "yes"), ("thing 0", "Hauptstadt", "no"), ("thing 1", "Rome", "yes"),
        ("thing 1", "Paris", "no"), ("thing 2", "Oslo", "yes"),
    ]  # fmt: skip
    rows = [{"head": h, "relation": "IsA", "tail": t, "label": v} for h, t, v in sheet]
    write_csv(tmp_path / "labels.csv", rows)
    recipe = recorded(tmp_path, "teacher", options={"labels": "labels.csv"})
    result = run(recipe, quiet=True)
    one, two, three = result.counts["votes"]["sources"]
    assert (one["answers"], one["questions"], one["coverage"]) == (6, 3, 1.0)
    assert (one["labelled"], one["precision"]) == (5, 0.6)
    assert (two["answers"], two["questions"], two["precision"]) == (2, 2, 1.0)
    assert (three["sources"], three["answers"], three["coverage"]) == (3, 1, 0.3333)
    assert "2 or more: 2 answers, coverage 0.667 of the questions, precision 1.000" in str(result)
    card = (recipe.corpus_path / "README.md").read_text()
    assert "## Agreement of sources" in card
    assert "| 3 or more | 1 | 0.333 | 1.000" in card


def test_several_processes_count_the_same(tmp_path: Path) -> None:
    recipe = recorded(tmp_path, "source", options={"column": "source"})
    alone = run(recipe, quiet=True).manifest
    assert run(recipe, quiet=True, workers=2).manifest == alone


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"column": "sauce"}, "no input has the column 'sauce'"),
        ({"column": "source", "labels": "none.csv"}, "none.csv"),
        ({"colum": "source"}, "colum"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises((RecipeError, InputError), match=message):
        run(recorded(tmp_path, "source", options=options), quiet=True)


def test_a_row_without_a_source_is_refused_with_its_input(tmp_path: Path) -> None:
    recipe = recorded(tmp_path, "source", options={"column": "source"})
    text = (tmp_path / "inputs.csv").read_text()
    (tmp_path / "inputs.csv").write_text(text.replace("IsA,gpt-4", "IsA,", 1))
    with pytest.raises(RecipeError, match="the input thing 0 gpt-4 is empty"):
        run(recipe, quiet=True)


def test_adaptive_votes_of_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="counts other voters"):
        plan_run(recorded(tmp_path, "teacher", keep="winner", adaptive={"first": 1}))


ROWS = st.lists(
    st.tuples(st.sampled_from("qr"), st.sampled_from(["a", "b", None]), st.sampled_from("STU")),
    max_size=20,
)


@given(ROWS)
def test_an_answer_has_as_many_votes_as_distinct_sources_give_it(
    rows: list[tuple[str, str | None, str]],
) -> None:
    weight = SourceVotes(column="source")
    table = pa.table(
        {
            "input_id": [str(i) for i in range(len(rows))],
            "id": [f"{question} {answer}" for question, answer, _ in rows],
            "vote_on": pa.array([question for question, _, _ in rows], pa.string()),
            "vote_for": pa.array([answer for _, answer, _ in rows], pa.string()),
            "source": [
                f" {source}" if i % 2 else source.lower() for i, (*_, source) in enumerate(rows)
            ],
        }
    )
    questions, answers, _ = zip(*rows, strict=True) if rows else ((), (), ())
    counted = tally(list(questions), list(answers), weight.voters(table))
    for (question, answer, _), votes in zip(rows, counted.votes.tolist(), strict=True):
        givers = {s for q, a, s in rows if (q, a) == (question, answer)}
        assert votes == (0 if answer is None else len(givers))
    if not rows:
        return
    summary = weight.summary(weight.tallied(table, counted))["sources"]
    for one in summary:
        enough = {
            (q, a)
            for q, a, _ in rows
            if a is not None and len({s for p, b, s in rows if (p, b) == (q, a)}) >= one["sources"]
        }
        assert one["answers"] == len(enough)
        assert one["questions"] == len({q for q, _ in enough})
    assert json.loads(json.dumps(summary)) == summary


def test_a_source_that_counts_as_another_is_named_by_the_last_of_them() -> None:
    with pytest.raises(RecipeError, match="'gpt-4' counts as 'gpt', and that as 'openai'"):
        SourceVotes(same={"GPT-4": "gpt", "gpt": "openai"})
    SourceVotes(same={"GPT-4": "gpt", "gpt-3.5": "gpt", "gpt": "GPT"})


def test_a_column_that_no_input_has_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    recipe = recorded(tmp_path, "source", options={"column": "sorce"})
    with pytest.raises(RecipeError, match=r"no input has the column 'sorce' .*'source'"):
        plan_run(recipe)
