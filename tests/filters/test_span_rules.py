"""The rule `in_sentence`: what it rejects, and what its reason names."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from synthkd.corpora.schema import candidate_schema
from synthkd.filters.spans import InSentence
from synthkd.kinds import SpanKind

KIND = SpanKind(types=["person", "place"])
SCHEMA = candidate_schema(KIND)
RULE = InSentence()


def reason(**values: Any) -> str | None:
    row = {"sentence": "Ada left Rome.", "type": "person", "span": "Ada"} | values
    return RULE.reject(pa.RecordBatch.from_pylist([row], schema=SCHEMA), KIND)[0]


@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        ("empty_span", "the text of a span is empty"),
        ("no_type", "the span 'Ada' has no type"),
        ("cut", "breaks off inside of the span 'Ada'"),
        ("too_many", "goes on and on"),
        ("not_in_sentence", "the sentence has no 'Ada'"),
        ("part_of_word", "as a part of words alone"),
        ("repeated", "more often than the sentence has it"),
        ("overlap", "another span of the answer overlaps 'Ada'"),
    ],
)
def test_a_flaw_is_rejected_by_its_name(flaw: str, words: str) -> None:
    found = reason(flaw=flaw)
    assert found is not None
    assert found.startswith(f"{flaw}: ")
    assert words in found


def test_an_unknown_type_is_named_with_the_nearest_one() -> None:
    assert reason(type="persons", flaw="unknown_type") == (
        "unknown_type: no type 'persons' (did you mean 'person'?)"
    )


def test_a_sound_span_and_a_sentence_without_spans_pass() -> None:
    assert reason(start=0, end=3) is None
    assert reason() is None
    assert reason(type="", span="") is None


@pytest.mark.parametrize("values", [{"start": 1, "end": 4}, {"span": "Bob"}, {"span": ""}])
def test_a_row_from_elsewhere_is_held_against_its_sentence(values: dict[str, Any]) -> None:
    assert str(reason(**values)).startswith("not_in_sentence: ")
