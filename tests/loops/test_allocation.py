"""Allocation of rows to classes, and of questions to relations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkd.loops.allocation import (
    RelationCounts,
    even_rows,
    proportional_questions,
    questions_by_yield,
    round_to_total,
    rows_by_need,
    rows_of_classes,
    shrink_losses,
    shrink_means,
)

MANY = 10**9
#: Losses as a broken student may give them.
LOSSES = st.one_of(st.floats(0, 20), st.sampled_from([math.nan, math.inf, -1.0, 0.0, 1e300]))


@st.composite
def rounds(draw: st.DrawFn, losses: st.SearchStrategy[float] = LOSSES) -> dict[str, Any]:
    """Draw arguments of `rows_by_need` for 1 to 9 classes."""
    size = draw(st.integers(1, 9))

    def each(strategy: st.SearchStrategy[Any]) -> Any:
        return draw(st.lists(strategy, min_size=size, max_size=size))

    return {
        "losses": each(losses),
        "counts": each(st.one_of(st.integers(0, 30), st.just(MANY))),
        "rows": draw(st.integers(0, 200)),
        "have": each(st.one_of(st.integers(0, 60), st.just(10**6))),
        "room": each(st.one_of(st.integers(0, 40), st.just(math.inf))),
        "capped": each(st.booleans()),
        "most": draw(st.floats(1, 9)),
        "trust": draw(st.floats(0, 1)),
    }


def need_case(case: dict[str, Any]) -> Any:
    return rows_by_need(**case)


def even_case(case: dict[str, Any]) -> Any:
    return even_rows(len(case["losses"]), case["rows"], case["have"], case["room"])


@pytest.mark.slow
@pytest.mark.parametrize("allocate", [need_case, even_case])
@given(case=rounds())
@settings(max_examples=60)
def test_rows_sum_to_the_budget_or_to_all_the_room_and_no_class_gets_more_than_its_room(
    allocate: Any, case: dict[str, Any]
) -> None:
    found = allocate(case)
    assert found.sum() == min(case["rows"], sum(case["room"]))
    assert ((found >= 0) & (found <= case["room"])).all()


@pytest.mark.slow
@given(case=rounds())
@settings(max_examples=60)
def test_no_class_gets_more_than_the_cap_in_multiples_of_a_uniform_allocation(
    case: dict[str, Any],
) -> None:
    assert need_case(case).max(initial=0) <= math.ceil(
        case["most"] * max(1, even_case(case).max(initial=0))
    )


@pytest.mark.slow
@given(case=rounds())
@settings(max_examples=60)
def test_a_capped_class_gets_no_more_than_in_a_uniform_allocation(case: dict[str, Any]) -> None:
    found, equal = need_case(case), even_case(case).max(initial=0)
    assert all(rows <= equal for rows, capped in zip(found, case["capped"], strict=True) if capped)


@pytest.mark.slow
@given(case=rounds(st.floats(0, 20)))
@settings(max_examples=60)
def test_of_classes_alike_but_for_their_loss_the_one_of_more_loss_gets_no_fewer(
    case: dict[str, Any],
) -> None:
    size = len(case["losses"])
    for counts in (5, 12, MANY):
        alike = {"have": [7] * size, "room": None, "capped": None, "counts": [counts] * size}
        found = need_case({**case, **alike})[np.argsort(case["losses"], kind="stable")]
        # Rounding gives one row more to the first of those that are shrunk to the same.
        assert (np.maximum.accumulate(found) - found <= 1).all()


@pytest.mark.slow
@given(case=rounds())
@settings(max_examples=40)
def test_without_trust_or_evidence_classes_that_are_even_get_equally_many_but_for_the_last_row(
    case: dict[str, Any],
) -> None:
    size = len(case["losses"])
    for change in ({"trust": 0.0}, {"losses": [1.0] * size}):
        alike = {**case, "have": [7] * size, "capped": None, **change}
        assert (np.abs(need_case(alike) - even_case(alike)) <= 1).all()


@pytest.mark.slow
@given(case=rounds())
@settings(max_examples=40)
def test_without_evidence_a_class_with_more_rows_gets_no_more_and_none_passes_the_others(
    case: dict[str, Any],
) -> None:
    size = len(case["losses"])
    alike = {**case, "losses": [1.0] * size, "room": None, "capped": None}
    found, have = need_case(alike), np.array(case["have"])
    in_order = found[np.argsort(have, kind="stable")]
    assert (in_order - np.minimum.accumulate(in_order) <= 1).all()
    cap = math.ceil(case["most"] * case["rows"] / size)
    reached = (have + found)[(found > 0) & (found < cap)]
    assert len(reached) == 0 or reached.max() - reached.min() <= 1


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ({"losses": [3.0], "counts": [5], "rows": 7}, [7]),
        ({"losses": [0.0, 0.0], "counts": [5, 5], "rows": 4}, [2, 2]),
        ({"losses": [math.nan] * 3, "counts": [5] * 3, "rows": 6}, [2, 2, 2]),
        ({"losses": [1.0, 1.0], "counts": [0, 0], "rows": 4}, [2, 2]),
        ({"losses": [1.0] * 3, "counts": [5] * 3, "rows": 1}, [1, 0, 0]),
        ({"losses": [1.0] * 3, "counts": [5] * 3, "rows": 0}, [0, 0, 0]),
        ({"losses": [1.0] * 3, "counts": [5] * 3, "rows": 9, "room": [0, 0, 0]}, [0, 0, 0]),
        ({"losses": [1.0] * 3, "counts": [5] * 3, "rows": 9, "room": [0, 2, 3]}, [0, 2, 3]),
        ({"losses": [9.0, 1.0, 1.0], "counts": [MANY] * 3, "rows": 9, "room": [0, math.inf,
        math.inf]}, [0, 5, 4]),
        ({"losses": [-1.0, math.inf, 1.0], "counts": [MANY] * 3, "rows": 3}, [1, 1, 1]),
    ],
)  # fmt: skip
def test_degenerate_rounds(case: dict[str, Any], expected: list[int]) -> None:
    assert need_case(case).tolist() == expected


def test_a_class_of_more_loss_gets_more_rows_where_the_losses_are_evidence() -> None:
    found = rows_by_need([2.0, 1.0, 0.5], [1000] * 3, 30)
    assert found.tolist() == sorted(found, reverse=True)
    assert found[0] > found[2]


def test_classes_are_brought_to_equally_many_rows_as_far_as_the_cap_goes() -> None:
    assert rows_by_need([1.0] * 4, [5] * 4, 16, [1, 2, 8, 16], most=9).tolist() == [8, 7, 1, 0]
    assert rows_by_need([1.0] * 3, [5] * 3, 9, [1, 4, 20], most=9).tolist() == [6, 3, 0]
    assert rows_by_need([1.0] * 3, [5] * 3, 9, [1, 4, 20], most=1).tolist() == [3, 3, 3]


def test_a_hand_worked_allocation_to_classes() -> None:
    # Losses 8 and 1 on many rows, 10 rows each, b = 1/2: totals as (8 sqrt(10))^(2/3) to
    # sqrt(10)^(2/3) = 4 to 1, so of 20 + 30 rows 40 and 10. A cap of 1.6 times 15 leaves 24 and 6.
    losses, counts, rows, have = [8.0, 1.0], [MANY] * 2, 30, [10, 10]
    assert rows_by_need(losses, counts, rows, have, power=0.5, most=9).tolist() == [30, 0]
    assert rows_by_need(losses, counts, rows, have, power=0.5, most=1.6).tolist() == [24, 6]
    assert rows_by_need(losses, counts, rows, have, power=0.5, most=9, trust=0.2).tolist() == [
        18,
        12,
    ]


def test_one_hard_class_among_many_cannot_take_half_of_a_round() -> None:
    found = rows_by_need([9.0] + [0.1] * 149, [50] * 150, 150)
    assert found[0] == 3
    assert found.sum() == 150


def test_what_a_class_has_no_room_for_goes_to_the_others() -> None:
    assert rows_by_need(
        [9.0, 1.0, 1.0], [MANY] * 3, 30, room=[2, math.inf, math.inf], most=100
    ).tolist() == [
        2,
        14,
        14,
    ]
    assert even_rows(3, 30, room=[2, math.inf, math.inf]).tolist() == [2, 14, 14]


def test_five_validation_rows_a_class_are_no_evidence_of_a_difference_of_half() -> None:
    assert rows_by_need([1.0, 1.5, 0.5], [5] * 3, 30).tolist() == [10, 10, 10]


def test_losses_are_shrunk_to_the_mean_the_more_the_fewer_rows_they_stand_on() -> None:
    # A difference that noise explains is not believed.
    few, weight = shrink_losses([1.0, 1.5, 0.5], [1, 1, 1])
    assert few.tolist() == [1.0, 1.0, 1.0]
    assert weight == 0
    many, weight = shrink_losses([1.0, 1.5, 0.5], [10**6] * 3)
    assert many == pytest.approx([1.0, 1.5, 0.5], abs=1e-4)
    assert weight == pytest.approx(1, abs=1e-3)


def test_of_two_classes_the_one_with_more_rows_is_believed_more() -> None:
    found, _ = shrink_losses([4.0, 4.0, 0.1, 0.1], [50, 2, 50, 50])
    assert found[0] > found[1] > np.average([4.0, 4.0, 0.1, 0.1], weights=[50, 2, 50, 50])


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf, -0.5])
def test_a_class_without_a_usable_loss_has_the_mean_loss(loss: float) -> None:
    assert shrink_losses([3.0, loss, 1.0], [40, 40, 40])[0][1] == pytest.approx(2.0)
    assert shrink_losses([3.0, 7.0, 1.0], [40, 0, 40])[0][1] == pytest.approx(2.0)


def test_an_even_allocation_gives_the_remainder_to_those_that_have_fewest() -> None:
    assert even_rows(3, 7, [5, 1, 5]).tolist() == [2, 3, 2]
    assert rows_of_classes(["a", "b", "c"], even_rows(3, 2, [1, 0, 0])) == {"b": 1, "c": 1}


def test_remainders_that_are_equal_but_for_rounding_errors_are_equal() -> None:
    assert round_to_total(
        np.array([0.1 + 0.2, 0.3, 0.4]), 1, np.full(3, np.inf), np.array([0, 1, 2])
    ).tolist() == [
        0,
        0,
        1,
    ]
    assert round_to_total(
        np.array([0.1 + 0.2, 0.3]), 1, np.full(2, np.inf), np.array([0, 1])
    ).tolist() == [
        0,
        1,
    ]


# --- relations of triples


def settled(
    left: list[int], accepted: list[int], refused: list[float], yields: list[float]
) -> RelationCounts:
    """Return relations about which so much is known that nothing is shrunk."""
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
    found = questions_by_yield(
        RelationCounts.of(left, completions, accepted, asked, refused), questions, 5
    )
    for numbers in (found, proportional_questions(np.array(left), questions)):
        assert numbers.sum() == min(questions, sum(left))
        assert (numbers >= 0).all()
        assert (numbers <= np.array(left)).all()


def test_a_relation_of_more_errors_gets_more_questions() -> None:
    found = questions_by_yield(
        settled([1000] * 3, [10**6] * 3, [0.1, 0.5, 0.9], [0.5] * 3), 10**3 * 2, 10
    )
    assert found.tolist() == sorted(found)
    assert found[2] > found[0]


def test_a_hand_worked_allocation_to_relations() -> None:
    # Errors 8 to 1, 10 rows each, one new row for each completion, b = 1/2: totals as (8
    # sqrt(10))^(2/3) to sqrt(10)^(2/3), that is 4 to 1. A row of the other relation counts a tenth:
    # there are 11 and 11, and of 22 + 33 rows 44 and 11.
    many = RelationCounts.of([99, 99], [10, 10], [10, 10], [MANY] * 2, [0.8 * MANY, 0.1 * MANY])
    assert questions_by_yield(many, 33, 1, power=0.5, explore=0).tolist() == [33, 0]
    # 17 by need, and 16 of what is then left, 82 and 99.
    assert questions_by_yield(many, 33, 1, power=0.5, explore=0.5).tolist() == [24, 9]


def test_where_the_teacher_is_never_believed_no_question_is_spent_beyond_exploring() -> None:
    barren = RelationCounts.of([500, 500], [10_000, 10_000], [0, 5_000], [500] * 2, [250.0] * 2)
    assert questions_by_yield(barren, 100, 10, explore=0.2).tolist() == [11, 89]


def test_what_one_relation_has_no_room_for_goes_to_other_relations() -> None:
    found = questions_by_yield(
        settled([3, 500], [100, 100], [0.9, 0.1], [0.5, 0.5]), 50, 10, explore=0
    )
    assert found.tolist() == [3, 47]


def test_a_proportional_allocation_gives_every_question_that_is_left_the_same_chance() -> None:
    assert proportional_questions(np.array([30, 10, 0]), 8).tolist() == [6, 2, 0]


def test_before_anything_is_known_by_yield_is_proportional() -> None:
    nothing = RelationCounts.of([30, 10], [0, 0], [0, 0], [3, 1], [3.0, 1.0])
    assert questions_by_yield(nothing, 8, 10, explore=1.0).tolist() == [6, 2]


def test_shares_of_few_counts_are_shrunk_to_the_mean_of_all() -> None:
    found = shrink_means(np.array([0.0, 900.0, 100.0]), np.array([2, 1000, 1000]))
    assert 0.2 < found[0] < 0.5
    assert found[1] == pytest.approx(0.9, abs=0.01)


def test_shares_that_differ_by_chance_alone_are_equal() -> None:
    found = shrink_means(np.array([5.0, 6.0, 4.0]), np.array([10, 10, 10]))
    assert found == pytest.approx(np.full(3, 0.5))


def test_a_relation_without_counts_gets_the_mean() -> None:
    assert shrink_means(np.array([0.0, 30.0]), np.array([0, 60]))[0] == pytest.approx(0.5)


def test_whole_numbers_go_to_the_largest_remainders() -> None:
    assert round_to_total(np.array([1.2, 2.7, 0.1]), 4, np.array([9, 9, 9])).tolist() == [1, 3, 0]
