"""A corpus as a sequence of rows, and the rows that are chosen from it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import synthkd
from synthkd.errors import InputError, NotReachableError


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> synthkd.RunResult:
    """A run of the starter recipe, whose critic is the shipped one."""
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    path = synthkd.write_starter(tmp_path_factory.mktemp("starter") / "mine")
    return synthkd.run(path, limit=60, quiet=True)


@pytest.fixture(scope="module")
def corpus(result: synthkd.RunResult) -> synthkd.Corpus:
    return result.corpus


pytestmark = pytest.mark.slow


def test_a_corpus_is_a_sequence_of_its_accepted_rows(corpus: synthkd.Corpus) -> None:
    rows = list(corpus)

    assert len(rows) == len(corpus) == corpus.accepted.num_rows
    assert corpus[0] == rows[0]
    assert corpus[-1] == rows[-1]
    assert list(corpus[2:5]) == rows[2:5]
    assert list(corpus[::-1]) == rows[::-1]
    assert corpus["head"].to_pylist() == [row["head"] for row in rows]


def test_a_place_beyond_the_rows_is_an_index_error(corpus: synthkd.Corpus) -> None:
    with pytest.raises(IndexError, match="accepted rows"):
        corpus[len(corpus)]


def test_candidates_are_the_accepted_and_the_rejected(corpus: synthkd.Corpus) -> None:
    assert len(corpus.candidates) == len(corpus) + len(corpus.rejected)


def test_where_takes_conditions_values_and_both(corpus: synthkd.Corpus) -> None:
    expected = [row for row in corpus if row["relation"] == "IsA" and row["score"] > 0.8]

    assert corpus.where("relation = 'IsA' and score > 0.8").to_pylist() == expected
    assert corpus.where("score > 0.8", relation="IsA").to_pylist() == expected
    assert len(corpus.rejected.where(score=None)) + len(
        corpus.rejected.where("score is not null")
    ) == len(corpus.rejected)


@pytest.mark.parametrize(
    ("choose", "says"),
    [
        (lambda corpus: corpus.where(), "no condition"),
        (
            lambda corpus: corpus.where(relatoin="IsA"),
            "no column 'relatoin' (did you mean 'relation'",
        ),
        (lambda corpus: corpus.where(score="high"), "'score' holds double"),
        (lambda corpus: corpus["hed"], "no column 'hed' (did you mean 'head'"),
        (lambda corpus: corpus[1.5], "rows are found by a number"),
        (lambda corpus: corpus.sample(-1), "give 0 or more"),
    ],
)
def test_a_wrong_choice_says_what_there_is(choose: Any, says: str, corpus: synthkd.Corpus) -> None:
    with pytest.raises(InputError) as error:
        choose(corpus)
    assert says in str(error.value)


def test_a_sample_is_the_same_whatever_the_order_of_the_rows(corpus: synthkd.Corpus) -> None:
    ids = set(corpus.sample(7)["id"].to_pylist())

    assert ids == set(corpus[::-1].sample(7)["id"].to_pylist())
    assert ids != set(corpus.sample(7, seed=1)["id"].to_pylist())
    assert len(corpus.sample(10**9)) == len(corpus)


def test_borderline_rows_are_the_closest_to_the_threshold(corpus: synthkd.Corpus) -> None:
    limit = corpus.manifest["critic"]["threshold"]
    scored = [abs(row["score"] - limit) for row in corpus.candidates if row["score"] is not None]

    found = [abs(row["score"] - limit) for row in corpus.borderline(9)]

    assert found == sorted(scored)[:9]


@pytest.mark.parametrize("precision", [0.8, 0.9, 0.95])
def test_at_decides_as_a_run_with_that_precision(
    precision: float, result: synthkd.RunResult, tmp_path: Path
) -> None:
    decided = result.corpus.at(precision=precision)

    other = result.recipe.with_parts(
        corpus=result.recipe.corpus.model_copy(update={"path": str(tmp_path / "corpus")}),
        work=str(tmp_path / "run"),
    )
    run = synthkd.run(other, precision=precision, quiet=True)
    assert run.generated.completed == 0
    assert sorted(decided.accepted["id"].to_pylist()) == sorted(run.corpus["id"].to_pylist())
    assert len(decided.accepted) + len(decided.rejected) == len(result.corpus.candidates)
    assert set(decided.accepted["rejected_by"].to_pylist()) <= {None}
    assert None not in decided.rejected["rejected_by"].to_pylist()


def test_at_needs_the_critic_of_a_corpus_that_was_opened_by_its_path(
    corpus: synthkd.Corpus,
) -> None:
    opened = synthkd.load_corpus(corpus.path)
    with pytest.raises(InputError, match=r"critic=synthkd.Critic.load\(FOLDER\)"):
        opened.at(precision=0.9)

    critic = synthkd.Critic.load("everyday")
    assert len(opened.at(precision=0.9, critic=critic)) == len(corpus)


def test_at_refuses_a_precision_that_the_critic_cannot_keep(corpus: synthkd.Corpus) -> None:
    with pytest.raises(NotReachableError):
        corpus.at(precision=0.9999)


def test_other_libraries_get_the_same_rows(corpus: synthkd.Corpus) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("datasets")
    ids = [row["id"] for row in corpus]

    assert corpus.to_pandas()["id"].tolist() == ids
    assert corpus.to_arrow()["id"].to_pylist() == ids
    assert list(corpus.to_dataset()["id"]) == ids
    assert pa.table(corpus.accepted)["id"].to_pylist() == ids


def test_polars_gets_the_same_rows(corpus: synthkd.Corpus) -> None:
    pytest.importorskip("polars")

    assert corpus.to_polars()["id"].to_list() == [row["id"] for row in corpus]


def test_a_corpus_is_the_path_of_its_folder(corpus: synthkd.Corpus) -> None:
    assert os.fspath(corpus) == str(corpus.path)
    assert synthkd.load_corpus(Path(corpus)) == corpus


def test_reprs_are_one_line_and_html_is_a_table(corpus: synthkd.Corpus) -> None:
    for shown in (corpus, corpus.accepted, corpus.at(precision=0.9), corpus[:3]):
        assert "\n" not in repr(shown)
        assert len(repr(shown)) < 150
        assert shown._repr_html_().startswith("<table>")


def test_html_escapes_what_the_rows_say() -> None:
    from synthkd.corpora.rows import CandidateRows

    table = pa.table({"text": ["<script>alert(1)</script>"], "score": [0.5]})

    assert "<script>" not in CandidateRows.of_table(table, ["text"], "accepted")._repr_html_()
