"""Votes: counts, shares, leads, ties; weights; the reliability of teachers."""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.filters.dawid_skene import Reliability, patterns, reliabilities
from synthkd.filters.votes import tally

#: question, answer, completion, weight
Vote = tuple[str, str | None, str, float]
votes_of_some = st.lists(
    st.tuples(
        st.sampled_from("pq"), st.sampled_from(["7", "8", "9", None]), st.sampled_from("abcdefgh"),
        st.sampled_from([0.1, 0.2, 0.3, 0.7, 1.0]),
    ),
    min_size=1,
    max_size=30,
)  # fmt: skip


def held(votes: list[Vote], weighted: bool = False) -> dict[Vote, tuple[object, ...]]:
    ask, say, who, weight = zip(*votes, strict=True)
    found = tally(list(ask), list(say), list(who), weight if weighted else None)
    columns = (
        found.votes, found.asked, found.agreement, found.margin, found.entropy, found.leads,
        found.tied,
    )  # fmt: skip
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {vote: tuple(map(str, row)) for vote, row in zip(votes, rows, strict=True)}


@pytest.mark.slow
@given(votes_of_some, st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_rows_carries_no_meaning_to_the_last_bit(
    votes: list[Vote], weighted: bool, rng: random.Random
) -> None:
    other = votes[:]
    rng.shuffle(other)
    assert held(other, weighted) == held(votes, weighted)


@pytest.mark.slow
@given(votes_of_some)
def test_an_answer_that_more_than_half_give_leads_and_shares_with_none(votes: list[Vote]) -> None:
    for (question, answer, _, _), (count, asked, _, _, _, leads, tied) in held(votes).items():
        if answer is not None and int(str(count)) > int(str(asked)) / 2:
            said = {(q, a, c) for q, a, c, _ in votes if q == question and a is not None}
            most = max(Counter(a for _, a, _ in said).values())
            # A completion may give several answers, so two may each have more than half.
            assert (leads == "True") == (int(str(count)) == most)
            assert (
                tied == "False"
                or sum(n == most for n in Counter(a for _, a, _ in said).values()) > 1
            )


@pytest.mark.slow
@given(votes_of_some)
def test_questions_are_counted_alone(votes: list[Vote]) -> None:
    together = held(votes)
    for name in {vote[0] for vote in votes}:
        alone = held([vote for vote in votes if vote[0] == name])
        assert alone == {vote: row for vote, row in together.items() if vote[0] == name}


def test_a_completion_has_one_vote_for_an_answer_however_often_it_gives_it() -> None:
    found = tally(["q"] * 3, ["7", "7", "8"], ["a", "a", "b"])
    assert found.votes.tolist() == [1, 1, 1]
    assert found.asked.tolist() == [2, 2, 2]
    assert found.tied.all()


def test_a_completion_that_says_nothing_lowers_the_share_and_gets_no_numbers() -> None:
    found = tally(["q"] * 4, ["7", "7", "8", None], list("abcd"))
    assert found.agreement[:3].tolist() == [0.5, 0.5, 0.25]
    assert found.margin[:3].tolist() == [0.25, 0.25, -0.25]
    assert found.entropy[0] == pytest.approx(math.log(3) - 2 / 3 * math.log(2))
    assert not found.says[3]
    assert np.isnan(found.agreement[3])


def test_a_weight_may_turn_the_majority() -> None:
    found = tally(["q"] * 3, ["7", "7", "8"], list("abc"), [0.2, 0.2, 0.9])
    assert found.leads.tolist() == [False, False, True]
    assert found.votes.tolist() == [2, 2, 1]
    assert found.agreement[2] == pytest.approx(0.9 / 1.3)


def test_a_lead_of_three_in_ten_is_three_tenths_and_no_less() -> None:
    found = tally(["q"] * 11, ["7"] * 7 + ["8"] * 4, [str(i % 10) for i in range(11)])
    assert found.margin[0] == 0.3
    assert found.margin[-1] == -0.3


def test_no_rows_are_no_votes() -> None:
    assert tally([], [], []).votes.tolist() == []


def simulated(sure: dict[str, float], questions: int = 2000, answers: int = 4) -> Any:
    rng = random.Random(0)
    rows = []
    for q in range(questions):
        for name, p in sure.items():
            said = 0 if rng.random() < p else rng.randrange(1, answers)
            rows.append((str(q), str(said), f"{q}-{name}", name))
    ask, say, who, teacher = map(list, zip(*rows, strict=True))
    return patterns(ask, say, who, teacher)


def test_a_reliable_teacher_is_told_from_the_others_without_a_label() -> None:
    sure = {"good": 0.9, "fair": 0.7, "poor": 0.5}
    found = reliabilities(simulated(sure)).sure
    assert sorted(found, key=found.__getitem__) == ["poor", "fair", "good"]
    assert found["good"] == pytest.approx(0.9, abs=0.06)


def test_a_teacher_that_repeats_itself_is_not_taken_for_a_reliable_one() -> None:
    rng = random.Random(1)
    rows = []
    for q in range(1500):
        for name, p, samples in (("good", 0.85, 1), ("fair", 0.75, 1), ("stubborn", 0.5, 5)):
            said = 0 if rng.random() < p else rng.randrange(1, 4)
            rows += [(str(q), str(said), f"{q}-{name}-{k}", name) for k in range(samples)]
    ask, say, who, teacher = map(list, zip(*rows, strict=True))
    found = reliabilities(patterns(ask, say, who, teacher)).sure
    assert found["stubborn"] < found["fair"] < found["good"]


def test_two_teachers_cannot_be_told_apart_so_their_votes_weigh_alike() -> None:
    found = reliabilities(simulated({"good": 0.9, "poor": 0.4}))
    assert found.sure == {}
    assert found.weight("good") == found.weight("poor") == 1


def test_equal_patterns_count_once_and_the_order_of_votes_does_not_matter() -> None:
    one = patterns(["q", "q", "r", "r"], ["7", "8", "x", "y"], list("abcd"), ["s", "t", "t", "s"])
    assert one == {((("s", 1),), (("t", 1),)): 2}
    assert patterns(["q", "q"], ["7", None], list("ab"), ["s", "t"]) == {((("s", 1),),): 1}


def test_a_teacher_no_better_than_chance_weighs_nothing() -> None:
    assert Reliability({"a": 0.5, "b": 0.2}, 2).weight("a") == 0
    assert Reliability({"a": 0.5, "b": 0.2}, 2).weight("b") == 0
    assert Reliability({"a": 0.5}, 5).weight("a") == pytest.approx(math.log(4))
