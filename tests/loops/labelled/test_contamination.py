"""Held rows are found, equal or nearly, and refused."""

from __future__ import annotations

import random

import pytest

from synthkd.errors import InputError
from synthkd.loops.labelled.contamination import EvaluationTexts
from synthkd.text.near_duplicates import NearCopyIndex, jaccard, near_copy_groups
from synthkd.text.normal_forms import normal_text, shingles


def _texts(number: int) -> list[str]:
    rng = random.Random(3)
    said = "where is my card the new top up did not arrive yet why was i charged twice"
    words = said.split()
    return [" ".join(rng.choices(words, k=rng.randint(1, 9))) for _ in range(number)]


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.95])
def test_the_nearest_text_is_the_one_that_comparing_with_all_finds(threshold: float) -> None:
    held, asked = _texts(300), _texts(450)[300:]
    near = NearCopyIndex(held, threshold)
    runs = [shingles(normal_text(text)) for text in held]
    for text in asked:
        best = max((jaccard(shingles(normal_text(text)), one), -i) for i, one in enumerate(runs))
        found = near.find(text)
        if best[0] < threshold:
            assert found is None
        else:
            assert found is not None
            assert (found.similarity, -found.number) == best


def test_case_spaces_and_punctuation_hide_no_copy() -> None:
    found = EvaluationTexts(["Where is my card?"]).find("where  IS my card")
    assert found is not None
    assert found.similarity == 1


def test_a_row_that_copies_a_held_one_is_refused_with_its_place() -> None:
    held = EvaluationTexts(
        ["My top up is not working", "I lost my card"], places=["val.csv row 1", "test.csv row 7"]
    )
    with pytest.raises(
        InputError, match=r"hard examples: row 2 'I lost my card!!' is test\.csv row 7"
    ):
        held.refuse_copies(
            [{"text": "something else"}, {"text": "I lost my card!!"}], "hard examples"
        )


def test_a_row_that_is_nearly_a_held_one_is_refused() -> None:
    held = EvaluationTexts(["Why did my transfer to the other account fail yesterday?"])
    with pytest.raises(InputError, match=r"is nearly \(0\.\d\d\) validation or test row 1"):
        held.refuse_copies(
            ["Why did my transfer to the other account fail yesterday evening?"], "shots"
        )


def test_rows_that_copy_nothing_pass() -> None:
    EvaluationTexts(["I lost my card"]).refuse_copies(["How do I top up?", ""], "shots")
    EvaluationTexts([]).refuse_copies(["anything"], "shots")


def test_texts_that_are_nearly_the_same_are_in_one_group() -> None:
    found = near_copy_groups(
        ["I lost my card today", "Where is it?", "I lost my card, today!", "I lost my card today.."]
    )
    assert found[0] == found[2] == found[3] != found[1]


def test_groups_join_through_a_text_between_them() -> None:
    texts = ["a b c d e f g h", "a b c d e f g h i", "b c d e f g h i"]
    assert len(set(near_copy_groups(texts, 0.75))) == 1
