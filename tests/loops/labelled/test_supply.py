"""Classes that bring fewer rows than they are asked for, and classes whose loss does not fall."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkd.loops.labelled.supply import classes_to_retry, estimate_supply, unresponsive_classes

CLASSES = ["a", "b", "c"]


def room(*rounds: tuple[int, int], others: tuple[int, int] = (10, 10)) -> int | None:
    """Return the room of `a` after rounds of (requested, accepted) rows.

    ``others``: the same of the other classes, each round.
    """
    asked = [{"a": wanted, "b": others[0], "c": others[0]} for wanted, _ in rounds]
    came = [{"a": got, "b": others[1], "c": others[1]} for _, got in rounds]
    return estimate_supply(asked, came, CLASSES).room.get("a")


def test_a_class_that_brings_nothing_twice_has_no_room() -> None:
    assert room((5, 0), (5, 0)) == 0
    assert room((1, 0), (1, 0)) == 0


def test_one_empty_round_is_no_proof() -> None:
    # One answer that cannot be read loses all rows of a class.
    assert room((20, 0)) is None


def test_a_class_that_brings_few_has_room_for_twice_as_many() -> None:
    assert room((10, 4), (10, 3)) == 6


def test_a_class_that_brings_its_rows_again_is_not_limited_any_more() -> None:
    assert room((5, 0), (5, 0), (1, 1)) is None


def test_a_teacher_of_which_most_rows_are_rejected_is_not_out_of_supply() -> None:
    assert room((1, 0), (1, 0), others=(10, 4)) is None
    assert room((10, 3), (10, 3), others=(10, 4)) is None
    assert room((10, 0), (10, 0), others=(10, 4)) == 0


def test_where_nothing_comes_at_all_no_class_is_singled_out() -> None:
    assert estimate_supply([dict.fromkeys(CLASSES, 9)] * 4, [{}] * 4, CLASSES).room == {}


def test_many_classes_without_supply_do_not_hide_each_other() -> None:
    classes = [f"{place}" for place in range(10)]
    came = [{"0": 4, "1": 4}] * 4
    assert set(estimate_supply([dict.fromkeys(classes, 4)] * 4, came, classes).ended) == set(
        classes[2:]
    )


@pytest.mark.parametrize(
    "rounds", [[], [({}, {})], [({"": 12}, {"a": 5})], [({"": 12}, {"a": 5})] * 6]
)
def test_rounds_that_asked_for_no_class_say_nothing(rounds: list[Any]) -> None:
    assert estimate_supply([a for a, _ in rounds], [c for _, c in rounds], CLASSES).room == {}


def test_classes_without_supply_are_tried_again_after_some_rounds() -> None:
    rest = [{"b": 3}]
    assert [classes_to_retry([{"a": 2}, *rest * count], ["a"]) for count in range(5)] == [
        [],
        [],
        [],
        ["a"],
        ["a"],
    ]


def test_room_is_infinite_but_for_classes_that_fall_short() -> None:
    found = estimate_supply([{"a": 5, "b": 10, "c": 10}] * 2, [{"b": 10, "c": 10}] * 2, CLASSES)
    assert found.limits(CLASSES) == [0, math.inf, math.inf]
    assert found.limits(CLASSES, ["a"]) == [1, math.inf, math.inf]


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(CLASSES), st.integers(0, 50)),
            st.dictionaries(st.sampled_from(CLASSES), st.integers(0, 90)),
        ),
        max_size=8,
    )
)
@settings(max_examples=60)
def test_only_classes_that_fell_short_in_their_last_two_rounds_are_limited(
    rounds: list[Any],
) -> None:
    found = estimate_supply([a for a, _ in rounds], [c for _, c in rounds], CLASSES)
    for label, rows in found.room.items():
        own = [(a[label], c.get(label, 0)) for a, c in rounds if a.get(label)]
        assert all(got < wanted for wanted, got in own[-2:])
        assert rows == 2 * own[-1][1]


LOSSES: list[dict[str, float | None]] = [
    {"a": 2.0, "b": 2.0},
    {"a": 2.0, "b": 1.5},
    {"a": 2.1, "b": 1.0},
]


def test_a_class_whose_loss_does_not_fall_with_more_rows_than_an_equal_share_is_found() -> None:
    assert unresponsive_classes(
        LOSSES, [{}, {"a": 9, "b": 1}, {"a": 9, "b": 1}], ["a", "b"], 2
    ) == ["a"]


def test_a_class_that_got_no_more_than_an_equal_share_is_not_blamed() -> None:
    assert (
        unresponsive_classes(LOSSES, [{}, {"a": 5, "b": 5}, {"a": 5, "b": 5}], ["a", "b"], 2) == []
    )


def test_a_class_that_was_held_to_an_equal_share_so_long_may_have_more_again() -> None:
    losses = [*LOSSES, *[{"a": 2.1, "b": 0.9}] * 2]
    asked = [{}, *[{"a": 9, "b": 1}] * 2, *[{"a": 5, "b": 5}] * 2]
    assert unresponsive_classes(losses, asked, ["a", "b"], 2) == []


@pytest.mark.parametrize("loss", [None, math.nan, math.inf])
def test_a_class_without_a_loss_is_not_blamed(loss: float | None) -> None:
    asked = [{}, {"a": 9, "b": 1}, {"a": 9, "b": 1}]
    assert unresponsive_classes([{"a": loss, "b": 1.0}, *LOSSES[1:]], asked, ["a", "b"], 2) == []
    assert unresponsive_classes([*LOSSES[:2], {"a": loss, "b": 1.0}], asked, ["a", "b"], 2) == []


def test_too_few_rounds_tell_nothing() -> None:
    assert (
        unresponsive_classes(LOSSES, [{}, {"a": 9, "b": 1}, {"a": 9, "b": 1}], ["a", "b"], 3) == []
    )
