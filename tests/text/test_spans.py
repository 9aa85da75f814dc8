"""Phrases in a text: what counts as the same words, and where they stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.text.spans import PhraseFinder, same_stem

TEXT = (
    "Vetralla Città d'Arte counts 8,988,056 guests ;"
    " Ann Ho ( born 13 May 1943 ) saw two mice in C++."
)


def place(phrase: str, text: str = TEXT, **options: object) -> str | None:
    span = PhraseFinder(text).find(phrase, **options)  # type: ignore[arg-type]
    return None if span is None else text[span.start : span.end]


@pytest.mark.parametrize(
    ("phrase", "found"),
    [
        ("ann ho", "Ann Ho"),
        ("The  Ann Ho", "Ann Ho"),
        ("citta d'arte", "Città d'Arte"),
        ("8988056", "8,988,056"),
        ("1943-05-13", "13 May 1943"),
        ("mouse", "mice"),
        ("guest", "guests"),
        ("C++", "C++"),
    ],
)
def test_a_phrase_is_found_in_another_spelling(phrase: str, found: str) -> None:
    assert place(phrase) == found


@pytest.mark.parametrize("phrase", ["An", "Art", "C", "1943-05-14", "1942-05-13", "Ho Ann"])
def test_a_part_of_a_word_or_another_order_is_not_found(phrase: str) -> None:
    assert place(phrase) is None


def test_scattered_words_are_found_within_a_gap() -> None:
    text = "a settlement in Kenya 's Coast Province ."
    assert place("Coast Province Kenya", text) is None
    assert place("Coast Province Kenya", text, gap=1) == "Kenya 's Coast Province"
    assert place("settlement Province", text, gap=1) is None


def test_other_endings_are_found_on_request_only() -> None:
    text = "Csaba Schmidt is a Hungarian chemist"
    assert place("Hungary", text) is None
    assert place("Hungary", text, endings=True) == "Hungarian"


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("germany", "german", True),
        ("mexico", "mexican", True),
        ("iran", "iraq", False),
        ("austria", "australia", False),
        ("1943", "1944", False),
    ],
)
def test_stems_are_equal_up_to_three_last_letters(one: str, other: str, equal: bool) -> None:
    assert same_stem(one, other) is same_stem(other, one) is equal


@given(st.lists(st.text("abcé Ñ1,.'-", min_size=1, max_size=8), max_size=12), st.data())
def test_every_run_of_words_of_a_text_is_found_at_its_words(
    words: list[str], data: st.DataObject
) -> None:
    text = " ".join(words)
    finder = PhraseFinder(text)
    if not finder.words:
        return
    first = data.draw(st.integers(0, len(finder.words) - 1))
    last = data.draw(st.integers(first, len(finder.words) - 1))
    start, end = finder._spans[first][0], finder._spans[last][1]
    span = finder.find(text[start:end])
    assert span is not None
    assert PhraseFinder(text[span.start : span.end]).words


@given(st.text(max_size=60), st.text(max_size=20))
def test_no_text_and_no_phrase_raises(text: str, phrase: str) -> None:
    span = PhraseFinder(text).find(phrase, gap=2, endings=True)
    assert span is None or 0 <= span.start < span.end <= len(text)
