"""Questions to relations by yield and need."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.loops.triples.selection import RelationCounts, own, shrunk, uniform, whole

MANY = 10**9


def known(left: list[int], accepted: list[int], refused: list[float], yields: list[float]) -> RelationCounts:
    """Relations about which so much is known that nothing is shrunk."""
    completions = [round(count / share) for count, share in zip(accepted, yields, strict=True)]
    return RelationCounts.of(
        left, completions, accepted, [MANY] * len(left), [share * MANY for share in refused]
    )


@pytest.mark.slow
@given(st.integers(0, 300), st.data())
def test_every_question_is_given_once_and_no_relation_gets_more_than_it_has(
    questions: int, data: st.DataObject
) -> None:
    size = data.draw(st.integers(1, 6))
    counts = st.lists(st.integers(0, 60), min_size=size, max_size=size)
    left, completions, accepted, asked = (data.draw(counts) for _ in range(4))
    refused = [data.draw(st.floats(0, number)) for number in asked]
    found = own(RelationCounts.of(left, completions, accepted, asked, refused), questions, 5)
    for numbers in (found, uniform(np.array(left), questions)):
        assert numbers.sum() == min(questions, sum(left))
        assert (numbers >= 0).all()
        assert (numbers <= np.array(left)).all()


def test_a_relation_of_more_errors_gets_more_questions() -> None:
    found = own(known([1000] * 3, [10**6] * 3, [0.1, 0.5, 0.9], [0.5] * 3), 10**3 * 2, 10)
    assert found.tolist() == sorted(found)
    assert found[2] > found[0]


def test_a_hand_worked_allocation() -> None:
    # Errors 8 to 1, 10 rows each, one new row for each completion, b = 1/2: totals as (8 sqrt(10))^(2/3) to sqrt(10)^(2/3),
    # that is 4 to 1. A row of the other relation counts a tenth: there are 11 and 11, and of 22 + 33 rows 44 and 11.
    many = RelationCounts.of([99, 99], [10, 10], [10, 10], [MANY] * 2, [0.8 * MANY, 0.1 * MANY])
    assert own(many, 33, 1, power=0.5, explore=0).tolist() == [33, 0]
    # 17 by need, and 16 of what is then left, 82 and 99.
    assert own(many, 33, 1, power=0.5, explore=0.5).tolist() == [24, 9]


def test_where_the_teacher_is_never_believed_no_question_is_spent_beyond_exploring() -> None:
    barren = RelationCounts.of([500, 500], [10_000, 10_000], [0, 5_000], [500] * 2, [250.0] * 2)
    assert own(barren, 100, 10, explore=0.2).tolist() == [11, 89]


def test_what_one_relation_has_no_room_for_goes_to_the_others() -> None:
    found = own(known([3, 500], [100, 100], [0.9, 0.1], [0.5, 0.5]), 50, 10, explore=0)
    assert found.tolist() == [3, 47]


def test_uniform_gives_every_question_that_is_left_the_same_chance() -> None:
    assert uniform(np.array([30, 10, 0]), 8).tolist() == [6, 2, 0]


def test_before_anything_is_known_own_is_uniform() -> None:
    nothing = RelationCounts.of([30, 10], [0, 0], [0, 0], [3, 1], [3.0, 1.0])
    assert own(nothing, 8, 10, explore=1.0).tolist() == [6, 2]


def test_shares_of_few_counts_are_shrunk_to_the_mean_of_all() -> None:
    found = shrunk(np.array([0.0, 900.0, 100.0]), np.array([2, 1000, 1000]))
    assert 0.2 < found[0] < 0.5
    assert found[1] == pytest.approx(0.9, abs=0.01)


def test_shares_that_differ_by_chance_alone_are_one() -> None:
    found = shrunk(np.array([5.0, 6.0, 4.0]), np.array([10, 10, 10]))
    assert found == pytest.approx(np.full(3, 0.5))


def test_a_relation_without_counts_gets_the_mean() -> None:
    assert shrunk(np.array([0.0, 30.0]), np.array([0, 60]))[0] == pytest.approx(0.5)


def test_whole_numbers_go_to_the_largest_remainders() -> None:
    assert whole(np.array([1.2, 2.7, 0.1]), 4, np.array([9, 9, 9])).tolist() == [1, 3, 0]
