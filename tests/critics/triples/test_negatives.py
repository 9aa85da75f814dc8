"""Negatives that are made by corrupting one slot of a known triple."""

from __future__ import annotations

import numpy as np
import pytest

from synthkd.critics.triples.negatives import TrueTriples, corrupt, gist
from synthkd.errors import CriticError

TRIPLES = [
    (f"thing {i}", ("UsedFor", "IsA", "AtLocation")[i % 3], f"place {i}") for i in range(300)
]


def test_one_slot_and_only_one_is_replaced() -> None:
    made = corrupt(TRIPLES, TrueTriples(TRIPLES), each=2)
    for triple, source, slot in zip(made.triples, made.source, made.slot, strict=True):
        differs = [place for place in range(3) if triple[place] != TRIPLES[source][place]]
        assert differs == [slot]


def test_the_three_slots_are_replaced_about_equally_often() -> None:
    made = corrupt(TRIPLES, TrueTriples(TRIPLES), each=10)
    assert np.bincount(made.slot) / len(made.slot) == pytest.approx([1 / 3] * 3, abs=0.05)


def test_what_is_drawn_for_a_slot_comes_from_the_same_slot() -> None:
    made = corrupt(TRIPLES, TrueTriples(TRIPLES))
    for place in range(3):
        assert {triple[place] for triple in made.triples} <= {triple[place] for triple in TRIPLES}


def test_no_negative_is_a_known_triple_or_nearly_one() -> None:
    known = TrueTriples([("the cat", "AtLocation", "a mat"), ("dog", "AtLocation", "mat")])
    assert ("cat", "AtLocation", "your mat") in known
    assert ("cat", "IsA", "mat") not in known
    rows = [("cat", "AtLocation", "mat"), ("dog", "AtLocation", "the mat")]
    assert corrupt(rows, known, each=5).triples == []


def test_a_true_triple_outside_the_positives_is_no_negative_either() -> None:
    rows = [("cat", "IsA", "animal"), ("dog", "IsA", "pet")]
    known = TrueTriples([*rows, ("cat", "IsA", "pet"), ("dog", "IsA", "animal")])
    assert corrupt(rows, known, each=5).triples == []


def test_a_seed_gives_the_same_negatives_again() -> None:
    known = TrueTriples(TRIPLES)
    assert corrupt(TRIPLES, known, seed=1) == corrupt(TRIPLES, known, seed=1)
    assert corrupt(TRIPLES, known, seed=1) != corrupt(TRIPLES, known, seed=2)


def test_only_the_slots_that_are_named_are_replaced() -> None:
    assert set(corrupt(TRIPLES, TrueTriples(TRIPLES), slots=["tail"]).slot) == {2}


def test_an_unknown_slot_is_refused() -> None:
    with pytest.raises(CriticError, match="tails"):
        corrupt(TRIPLES, TrueTriples(TRIPLES), slots=["tails"])


def test_hard_negatives_are_drawn_from_what_is_similar() -> None:
    made = corrupt(
        TRIPLES,
        TrueTriples(TRIPLES),
        slots=["tail"],
        similar=lambda phrase, slot: [f"near {phrase}"],
        hard=1.0,
    )
    assert made.triples[7] == ("thing 7", "IsA", "near place 7")


def test_without_anything_similar_a_hard_negative_is_drawn_at_random() -> None:
    made = corrupt(
        TRIPLES, TrueTriples(TRIPLES), slots=["tail"], similar=lambda phrase, slot: [], hard=1.0
    )
    assert len(made.triples) == len(TRIPLES)


@pytest.mark.parametrize(
    ("one", "other"),
    [("the cat", "cat"), ("in your house", "House"), ("walk on water", "water walk")],
)
def test_articles_case_and_order_do_not_change_a_gist(one: str, other: str) -> None:
    assert gist(one) == gist(other)


def test_a_phrase_of_small_words_alone_keeps_them() -> None:
    assert gist("of the") != gist("on a")
