"""Texts that say one phrase again and again."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.corpora.schema import candidate_schema
from synthkd.filters.repetition import Repetition
from synthkd.kinds.labelled_text.kind import LabelledTextKind

KIND = LabelledTextKind()


def reasons(*texts: str, rule: Repetition | None = None) -> list[str | None]:
    rows = [{"text": text, "label": "refund"} for text in texts]
    made = pa.RecordBatch.from_pylist(rows, schema=candidate_schema(KIND))
    return (rule or Repetition()).reject(made, KIND)


@pytest.mark.parametrize(
    "text",
    [
        "I'm not sure, but I'm here to help. I'm not sure, but I'm here to help.",
        "It is a text of the class. It is a text of a class. It is a text of it. It is a text.",
        "refund please refund please refund please",
    ],
)
def test_a_text_that_runs_in_a_circle_is_rejected(text: str) -> None:
    (found,) = reasons(text)
    assert found is not None
    assert found.endswith("times")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Refund!",
        "I topped up my card, but my card does not show the top up.",
        "I want a refund, and I want to know why the refund takes a week.",
        "No, no, no, this is wrong.",
    ],
)
def test_words_that_come_twice_pass(text: str) -> None:
    assert reasons(text) == [None]


@given(
    st.lists(
        st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "h"]),
        min_size=4,
        max_size=8,
        unique=True,
    )
)
def test_a_sentence_of_four_words_or_more_is_rejected_when_it_is_doubled(words: list[str]) -> None:
    sentence = " ".join(words[:6])
    assert reasons(sentence) == [None]
    assert reasons(f"{sentence} {sentence} {sentence}") != [None]
