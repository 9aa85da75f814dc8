"""Tests of votes that are decided before all samples are in."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.filters.stopping import Stopping, asked_of, beta, dirichlet, leader, lengths

VOTES = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=24)


@pytest.mark.slow
@given(VOTES, st.integers(1, 5), st.integers(1, 4))
def test_the_exact_rule_never_changes_the_majority(
    votes: list[str | None], first: int, step: int
) -> None:
    asked = asked_of(votes, Stopping(confidence=None), first, step)
    assert leader(votes[:asked]) == leader(votes)


@pytest.mark.slow
@given(VOTES)
def test_nothing_is_asked_that_cannot_change_the_answer(votes: list[str | None]) -> None:
    asked = asked_of(votes, Stopping(confidence=None), 1, 1)
    if asked > 1:
        before = Counter(vote for vote in votes[: asked - 1] if vote is not None)
        left = len(votes) - asked + 1
        top, *rest = [*sorted(before.values(), reverse=True), 0]
        # All that was left might have gone to the next answer, or to a new one.
        assert top <= (rest[0] if rest else 0) + left


@pytest.mark.slow
@given(VOTES, st.floats(0.5, 0.999))
def test_a_confidence_asks_no_more_than_the_exact_rule(
    votes: list[str | None], confidence: float
) -> None:
    assert asked_of(votes, Stopping(confidence), 3, 2) <= asked_of(votes, Stopping(None), 3, 2)


def test_three_of_three_are_not_enough_for_95_percent_and_five_of_five_are() -> None:
    assert beta(3, 0) == pytest.approx(15 / 16)
    assert beta(4, 0) == pytest.approx(31 / 32)
    assert beta(2, 2) == pytest.approx(0.5)
    assert asked_of(["a"] * 20, Stopping(0.95), 3, 2) == 5


@pytest.mark.slow
def test_the_dirichlet_integral_is_what_draws_from_it_give() -> None:
    rng = random.Random(0)
    for counts in ((3, 1), (5, 2, 1), (1,)):
        draws = [[rng.gammavariate(count + 1, 1) for count in (*counts, 0)] for _ in range(40_000)]
        share = sum(draw[0] == max(draw) for draw in draws) / len(draws)
        assert dirichlet(counts) == pytest.approx(share, abs=0.01)


def test_a_winner_that_needs_more_votes_is_asked_for_while_it_may_get_them() -> None:
    assert not Stopping(0.95, min_votes=8).decided([5], 15)
    assert Stopping(0.95, min_votes=8).decided([8], 12)


def test_where_no_answer_can_get_the_votes_that_are_needed_nothing_more_is_asked() -> None:
    for confidence in (0.95, None):
        assert Stopping(confidence, min_votes=8).decided([4, 4], 3)
        assert not Stopping(confidence, min_votes=8).decided([4, 4], 4)
        assert Stopping(confidence, min_votes=8).decided([], 7)


def test_rounds_begin_with_the_first_samples_and_end_with_all() -> None:
    assert lengths(3, 2, 10) == [3, 5, 7, 9, 10]
    assert lengths(5, 2, 3) == [3]
    assert lengths(3, 20, 10) == [3, 10]


def test_a_shared_lead_is_no_answer() -> None:
    assert leader(["a", "b", None]) is None
    assert leader(["a", "b", "b", None]) == "b"
    assert leader([None]) is None
