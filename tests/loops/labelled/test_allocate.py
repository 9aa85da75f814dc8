"""Rows to classes: uniform, and by need as far as the losses are evidence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkd.loops.labelled.allocate import by_label, evidence, own, uniform, whole

MANY = 10**9
#: Losses as a broken student may give them.
LOSSES = st.one_of(st.floats(0, 20), st.sampled_from([math.nan, math.inf, -1.0, 0.0, 1e300]))


@st.composite
def rounds(draw: st.DrawFn, losses: st.SearchStrategy[float] = LOSSES) -> dict[str, Any]:
    """Arguments of `own` for 1 to 9 classes."""
    size = draw(st.integers(1, 9))

    def each(strategy: st.SearchStrategy[Any]) -> Any:
        return draw(st.lists(strategy, min_size=size, max_size=size))

    return {
        "losses": each(losses),
        "counts": each(st.one_of(st.integers(0, 30), st.just(MANY))),
        "rows": draw(st.integers(0, 200)),
        "have": each(st.one_of(st.integers(0, 60), st.just(10**6))),
        "room": each(st.one_of(st.integers(0, 40), st.just(math.inf))),
        "held": each(st.booleans()),
        "most": draw(st.floats(1, 9)),
        "trust": draw(st.floats(0, 1)),
    }


def own_of(case: dict[str, Any]) -> Any:
    return own(**case)


def uniform_of(case: dict[str, Any]) -> Any:
    return uniform(len(case["losses"]), case["rows"], case["have"], case["room"])


@pytest.mark.slow
@pytest.mark.parametrize("allocate", [own_of, uniform_of])
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
def test_no_class_gets_more_than_the_cap_in_multiples_of_a_uniform_allocation(case: dict[str, Any]) -> None:
    assert own_of(case).max(initial=0) <= math.ceil(case["most"] * max(1, uniform_of(case).max(initial=0)))


@pytest.mark.slow
@given(case=rounds())
@settings(max_examples=60)
def test_a_held_class_gets_no_more_than_in_a_uniform_allocation(case: dict[str, Any]) -> None:
    found, equal = own_of(case), uniform_of(case).max(initial=0)
    assert all(rows <= equal for rows, held in zip(found, case["held"], strict=True) if held)


@pytest.mark.slow
@given(case=rounds(st.floats(0, 20)))
@settings(max_examples=60)
def test_of_classes_alike_but_for_their_loss_the_one_of_more_loss_gets_no_fewer(case: dict[str, Any]) -> None:
    size = len(case["losses"])
    for counts in (5, 12, MANY):
        alike = {"have": [7] * size, "room": None, "held": None, "counts": [counts] * size}
        found = own_of({**case, **alike})[np.argsort(case["losses"], kind="stable")]
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
        alike = {**case, "have": [7] * size, "held": None, **change}
        assert (np.abs(own_of(alike) - uniform_of(alike)) <= 1).all()


@pytest.mark.slow
@given(case=rounds())
@settings(max_examples=40)
def test_without_evidence_a_class_that_has_more_gets_no_more_and_no_class_is_brought_beyond_the_others(
    case: dict[str, Any],
) -> None:
    size = len(case["losses"])
    alike = {**case, "losses": [1.0] * size, "room": None, "held": None}
    found, have = own_of(alike), np.array(case["have"])
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
        ({"losses": [9.0, 1.0, 1.0], "counts": [MANY] * 3, "rows": 9, "room": [0, math.inf, math.inf]}, [0, 5, 4]),
        ({"losses": [-1.0, math.inf, 1.0], "counts": [MANY] * 3, "rows": 3}, [1, 1, 1]),
    ],
)  # fmt: skip
def test_degenerate_rounds(case: dict[str, Any], expected: list[int]) -> None:
    assert own_of(case).tolist() == expected


def test_a_class_of_more_loss_gets_more_rows_where_the_losses_are_evidence() -> None:
    found = own([2.0, 1.0, 0.5], [1000] * 3, 30)
    assert found.tolist() == sorted(found, reverse=True)
    assert found[0] > found[2]


def test_classes_are_brought_to_equally_many_rows_as_far_as_the_cap_goes() -> None:
    assert own([1.0] * 4, [5] * 4, 16, [1, 2, 8, 16], most=9).tolist() == [8, 7, 1, 0]
    assert own([1.0] * 3, [5] * 3, 9, [1, 4, 20], most=9).tolist() == [6, 3, 0]
    assert own([1.0] * 3, [5] * 3, 9, [1, 4, 20], most=1).tolist() == [3, 3, 3]


def test_a_hand_worked_allocation() -> None:
    # Losses 8 and 1 on many rows, 10 rows each, b = 1/2: totals as (8 sqrt(10))^(2/3) to sqrt(10)^(2/3) = 4 to 1,
    # so of 20 + 30 rows 40 and 10. A cap of 1.6 times 15 leaves 24 and 6.
    losses, counts, rows, have = [8.0, 1.0], [MANY] * 2, 30, [10, 10]
    assert own(losses, counts, rows, have, power=0.5, most=9).tolist() == [30, 0]
    assert own(losses, counts, rows, have, power=0.5, most=1.6).tolist() == [24, 6]
    assert own(losses, counts, rows, have, power=0.5, most=9, trust=0.2).tolist() == [18, 12]


def test_one_hard_class_among_many_cannot_take_half_of_a_round() -> None:
    found = own([9.0] + [0.1] * 149, [50] * 150, 150)
    assert found[0] == 3
    assert found.sum() == 150


def test_what_a_class_has_no_room_for_goes_to_the_others() -> None:
    assert own([9.0, 1.0, 1.0], [MANY] * 3, 30, room=[2, math.inf, math.inf], most=100).tolist() == [
        2,
        14,
        14,
    ]
    assert uniform(3, 30, room=[2, math.inf, math.inf]).tolist() == [2, 14, 14]


def test_five_validation_rows_a_class_are_no_evidence_of_a_difference_of_half() -> None:
    assert own([1.0, 1.5, 0.5], [5] * 3, 30).tolist() == [10, 10, 10]


def test_losses_are_shrunk_to_the_mean_the_more_the_fewer_rows_they_stand_on() -> None:
    # A difference that noise explains is not believed.
    few, weight = evidence([1.0, 1.5, 0.5], [1, 1, 1])
    assert few.tolist() == [1.0, 1.0, 1.0]
    assert weight == 0
    many, weight = evidence([1.0, 1.5, 0.5], [10**6] * 3)
    assert many == pytest.approx([1.0, 1.5, 0.5], abs=1e-4)
    assert weight == pytest.approx(1, abs=1e-3)


def test_of_two_classes_the_one_with_more_rows_is_believed_more() -> None:
    found, _ = evidence([4.0, 4.0, 0.1, 0.1], [50, 2, 50, 50])
    assert found[0] > found[1] > np.average([4.0, 4.0, 0.1, 0.1], weights=[50, 2, 50, 50])


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf, -0.5])
def test_a_class_without_a_usable_loss_has_the_mean_loss(loss: float) -> None:
    assert evidence([3.0, loss, 1.0], [40, 40, 40])[0][1] == pytest.approx(2.0)
    assert evidence([3.0, 7.0, 1.0], [40, 0, 40])[0][1] == pytest.approx(2.0)


def test_uniform_gives_what_is_left_over_to_those_that_have_fewest() -> None:
    assert uniform(3, 7, [5, 1, 5]).tolist() == [2, 3, 2]
    assert by_label(["a", "b", "c"], uniform(3, 2, [1, 0, 0])) == {"b": 1, "c": 1}


def test_remainders_that_are_equal_but_for_rounding_errors_are_equal() -> None:
    assert whole(np.array([0.1 + 0.2, 0.3, 0.4]), 1, np.full(3, np.inf), np.array([0, 1, 2])).tolist() == [
        0,
        0,
        1,
    ]
    assert whole(np.array([0.1 + 0.2, 0.3]), 1, np.full(2, np.inf), np.array([0, 1])).tolist() == [0, 1]
