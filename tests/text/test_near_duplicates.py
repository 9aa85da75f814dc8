"""Near-duplicate search: word keys, and twins by runs of characters."""

from __future__ import annotations

import random

import pytest

from synthkd.text import near_duplicates as near
from synthkd.text.near_duplicates import jaccard, twins, word_key

LONG = (
    "The child waited at the corner for a long time because the bus had broken down on the bridge."
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A cat eats fish.", "cats eat the fish"),
        ("walks to STORE", "walking to the store"),
        ("x-ray", "X ray"),
    ],
)
def test_texts_that_differ_in_form_only_have_equal_keys(one: str, other: str) -> None:
    assert word_key(one) == word_key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("cave is dark", "pie is dark"), ("a", "b"), ("not happy", "happy")]
)
def test_texts_that_differ_in_a_word_have_other_keys(one: str, other: str) -> None:
    assert word_key(one) != word_key(other)


def test_a_long_text_with_a_small_change_is_found() -> None:
    others = ["something else", LONG.replace("corner", "korner")]
    assert twins([LONG, "nothing like it"], others) == [(0, 1)]


def test_short_texts_that_share_most_letters_are_not_twins() -> None:
    assert not twins(["cave has the property short-lived"], ["pie has the property short-lived"])


@pytest.mark.slow
def test_comparing_texts_that_share_rare_runs_loses_no_pair() -> None:
    rng = random.Random(0)
    words = [f"w{i}ord" for i in range(30)]
    texts = [" ".join(rng.choices(words, k=20)) for _ in range(60)]
    others = [
        " ".join(w if rng.random() > 0.06 else rng.choice(words) for w in text.split())
        for text in texts
    ]
    every = {
        (i, j)
        for i, one in enumerate(texts)
        for j, other in enumerate(others)
        if jaccard(near.long_runs(one), near.long_runs(other)) >= near.SIMILAR
        or word_key(one) == word_key(other)
    }
    assert len(every) > 10
    assert set(twins(texts, others)) == {(i, min(j for k, j in every if k == i)) for i, _ in every}
