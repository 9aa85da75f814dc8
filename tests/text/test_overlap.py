"""ROUGE-1 by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from synthkd.text.overlap import rouge_1


def test_rouge_is_the_harmonic_mean_of_clipped_precision_and_recall() -> None:
    # In common: the (2), cat (1). 3 of 5 and 3 of 6 words.
    assert rouge_1("the cat saw the dog", "The the the cat, a bird!") == 2 * 3 / 11


def test_texts_without_words_share_nothing() -> None:
    assert rouge_1("", "") == rouge_1("a", "...") == 0.0


@given(st.text(max_size=40), st.text(max_size=40))
def test_rouge_is_symmetric_and_a_share(one: str, other: str) -> None:
    assert rouge_1(one, other) == rouge_1(other, one)
    assert 0 <= rouge_1(one, other) <= 1
