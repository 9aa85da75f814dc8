"""Units, BIO labels, the best labels, and spans of labels."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.tagged_texts import tagged

from synthkd.students.spans import TypedSpan
from synthkd.students.taggers.units import (
    best_labels,
    divided_by_blanks,
    label_spans,
    text_units,
    unit_labels,
)

TYPES = ["person", "place"]


def test_units_are_words_and_marks_or_what_stands_between_blanks() -> None:
    text = "Ada's map, 1843."
    assert [text[a:b] for a, b in text_units(text, False)] == [
        "Ada", "'", "s", "map", ",", "1843", "."
    ]  # fmt: skip
    assert [text[a:b] for a, b in text_units(text, True)] == ["Ada's", "map,", "1843."]


def test_spans_that_all_end_at_blanks_divide_a_text_by_blanks() -> None:
    assert not divided_by_blanks(tagged())
    assert divided_by_blanks(tagged(" .").take(range(9)))
    assert not divided_by_blanks(tagged(".").take(range(9)))


@given(
    words=st.lists(st.sampled_from(["ab", "c", "def"]), min_size=1, max_size=8),
    marks=st.lists(st.sampled_from([None, "person", "place"]), min_size=8, max_size=8),
)
def test_spans_of_labels_are_the_spans_that_gave_them(
    words: list[str], marks: list[str | None]
) -> None:
    text = " ".join(words)
    units = text_units(text, True)
    spans = tuple(
        TypedSpan(start, end, name)
        for (start, end), name in zip(units, marks, strict=False)
        if name is not None
    )
    assert label_spans(unit_labels(units, spans, TYPES), units, TYPES) == spans


def test_a_span_of_several_units_begins_once_and_continues() -> None:
    text = "Ada King left"
    labels = unit_labels(text_units(text, False), (TypedSpan(0, 8, "place"),), TYPES)
    assert labels.tolist() == [3, 4, 0]


def test_the_best_labels_are_those_of_all_well_formed_sequences() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = np.log(rng.dirichlet(np.ones(5), 4))

        def is_well_formed(labels: tuple[int, ...]) -> bool:
            return all(
                label == 0 or label % 2 == 1 or before in (label - 1, label)
                for before, label in zip((0, *labels), labels, strict=False)
            )

        everything = filter(is_well_formed, itertools.product(range(5), repeat=4))
        best = max(everything, key=lambda labels: scores[range(4), labels].sum())
        assert best_labels(scores).tolist() == list(best)


def test_the_confidence_is_the_geometric_mean_over_the_units_of_a_span() -> None:
    logs = np.log(np.array([[0.1, 0.8, 0.1], [0.3, 0.2, 0.5]]))
    (span,) = label_spans(np.array([1, 2]), [(0, 3), (4, 8)], ["person"], logs)
    assert span.key == (0, 8, "person")
    np.testing.assert_allclose(span.confidence, np.sqrt(0.8 * 0.5))
