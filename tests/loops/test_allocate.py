"""Rows to classes by need."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.loops.allocate import by_label, own, shrunk, uniform


@given(st.lists(st.floats(0, 9), min_size=2, max_size=9), st.integers(0, 200), st.data())
def test_every_row_is_given_and_none_twice(losses: list[float], rows: int, data: st.DataObject) -> None:
    size = len(losses)
    counts = data.draw(st.lists(st.integers(0, 30), min_size=size, max_size=size))
    have = data.draw(st.lists(st.integers(0, 60), min_size=size, max_size=size))
    found = own(losses, counts, rows, have)
    assert found.sum() == rows
    assert (found >= 0).all()
    assert uniform(size, rows, have).sum() == rows


def test_a_class_of_more_loss_gets_more_rows() -> None:
    assert own([2.0, 1.0, 0.5], [1000] * 3, 30).tolist() == sorted(
        own([2.0, 1.0, 0.5], [1000] * 3, 30), reverse=True
    )


def test_a_hand_worked_allocation() -> None:
    # Losses 8 and 1 on many rows, 10 rows each, b = 1/2: totals as (8 sqrt(10))^(2/3) to sqrt(10)^(2/3) = 4 to 1,
    # so of 20 + 30 rows 40 and 10.
    assert own([8.0, 1.0], [10**9] * 2, 30, [10, 10], power=0.5, even=0).tolist() == [30, 0]


def test_a_class_that_has_more_than_its_share_gets_none() -> None:
    assert own([1.0, 1.0], [10**9] * 2, 10, [400, 1]).tolist() == [0, 10]


def test_losses_of_few_rows_are_shrunk_to_the_mean() -> None:
    # A difference that noise explains is not believed.
    assert shrunk([1.0, 1.5, 0.5], [1, 1, 1]).tolist() == [1.0, 1.0, 1.0]
    many = shrunk([1.0, 1.5, 0.5], [10**6] * 3)
    assert many == pytest.approx([1.0, 1.5, 0.5], abs=1e-4)


def test_of_two_classes_the_one_with_more_rows_is_believed_more() -> None:
    found = shrunk([4.0, 4.0, 0.1, 0.1], [50, 2, 50, 50])
    mean = np.average([4.0, 4.0, 0.1, 0.1], weights=[50, 2, 50, 50])
    assert found[0] > found[1] > mean


def test_a_class_without_a_validation_row_has_the_mean_loss() -> None:
    found = shrunk([3.0, float("nan"), 1.0], [40, 0, 40])
    assert found[1] == pytest.approx(2.0)


def test_uniform_gives_what_is_left_over_to_those_that_have_fewest() -> None:
    assert uniform(3, 7, [5, 1, 5]).tolist() == [2, 3, 2]
    assert by_label(["a", "b", "c"], uniform(3, 2, [1, 0, 0])) == {"b": 1, "c": 1}
