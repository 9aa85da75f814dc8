"""Columns that say where a candidate stands among those of the same input."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest

from synthkd.critics.text.siblings import SIBLINGS, with_siblings
from synthkd.errors import CriticError
from synthkd.kinds.triple import TripleKind
from synthkd.labels.candidates import CandidatePool


class Said(TripleKind):
    name: ClassVar[str] = "said"
    columns: ClassVar[tuple[str, ...]] = ("question", "answer")
    input_columns: ClassVar[tuple[str, ...]] = ("question",)


ROWS: list[dict[str, Any]] = [
    {"question": "a", "answer": "dogs bark loudly", "logprob": -1.0, "tokens": 1},
    {"question": "b", "answer": "alone", "logprob": -5.0, "tokens": 1},
    {"question": "a", "answer": "dogs bark", "logprob": -4.0, "tokens": 2},
    {"question": "a", "answer": "trees grow", "logprob": -3.0, "tokens": 1},
    {"question": "c", "answer": "x", "logprob": None, "tokens": None},
    {"question": "c", "answer": "x y", "logprob": None, "tokens": None},
]


def columns(rows: list[dict[str, Any]], **given: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = with_siblings(
        pa.Table.from_pylist(rows), Said(), **given
    ).to_pydict()
    return found


def test_rank_and_lead_are_by_the_likelihood_of_a_token() -> None:
    found = columns(ROWS)
    assert [found["sibling_rank"][i] for i in (0, 2, 3)] == [0.0, 0.5, 1.0]
    assert [found["sibling_lead"][i] for i in (0, 2, 3)] == pytest.approx([1.0, 0.0, -1.0])


def test_answers_that_share_words_are_alike() -> None:
    likeness = columns(ROWS)["sibling_likest"]
    assert likeness[0] == likeness[2] > 0.5
    assert likeness[3] == 0.0


def test_vectors_can_say_what_is_alike() -> None:
    vectors = np.eye(6)
    vectors[3] = vectors[0]
    assert columns(ROWS, vectors=vectors)["sibling_likest"][3] == 1.0


def test_a_candidate_without_siblings_has_none_of_the_numbers() -> None:
    found = columns(ROWS)
    assert [found[name][1] for name in SIBLINGS] == [None] * len(SIBLINGS)


def test_without_likelihoods_there_is_still_likeness() -> None:
    found = columns(ROWS)
    assert found["sibling_rank"][4] is None
    assert found["sibling_weighted"][4] is None
    assert found["sibling_likeness"][4] is not None


def test_the_order_of_rows_changes_nothing() -> None:
    there, back = columns(ROWS), columns(ROWS[::-1])
    for name in SIBLINGS:
        assert there[name] == pytest.approx(back[name][::-1], nan_ok=True)


def test_columns_that_are_there_are_made_again() -> None:
    once = with_siblings(pa.Table.from_pylist(ROWS), Said())
    assert with_siblings(once, Said()).equals(once)


def test_an_input_id_says_which_rows_are_siblings() -> None:
    rows = [row | {"input_id": str(i)} for i, row in enumerate(ROWS)]
    assert set(columns(rows)["sibling_likeness"]) == {None}


def test_a_kind_without_inputs_is_refused() -> None:
    class Free(Said):
        input_columns: ClassVar[tuple[str, ...]] = ()

    with pytest.raises(CriticError, match="no input columns"):
        with_siblings(pa.Table.from_pylist(ROWS), Free())


def test_a_sheet_for_labelling_keeps_the_columns_of_siblings() -> None:
    rows = with_siblings(pa.Table.from_pylist(ROWS), Said()).to_pylist()
    assert {*SIBLINGS} <= {
        *CandidatePool([row | {"id": "x"} for row in rows[:1]], Said.columns).sheet_columns
    }
