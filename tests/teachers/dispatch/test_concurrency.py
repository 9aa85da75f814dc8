"""Tests of the number of open requests, on a clock of the tests' own."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.teachers.dispatch.concurrency import INITIAL_LIMIT, ConcurrencyLimit


def play(
    limit: ConcurrencyLimit, now: float, seconds: float = 0.1, rounds: int = 1, used: float = 1.0
) -> float:
    """Play rounds with a share of the limit in flight, whose answers take some seconds.

    Returns the time at the end.
    """
    for _ in range(rounds):
        count = int(limit.value)
        width = max(1, math.ceil(used * count))
        left = math.ceil(limit.value)
        while left:
            step = min(left, width)
            for _ in range(step):
                limit.acquire(now)
            now += seconds
            for _ in range(step):
                limit.release()
                limit.record_success(now, seconds)
            left -= step
    return now


def steady(most: int = 10_000) -> tuple[ConcurrencyLimit, float]:
    """Return a controller that knows its server and left the slow start, and the time."""
    limit = ConcurrencyLimit(most)
    now = play(limit, 100.0)
    limit.record_overload(now)
    return limit, play(limit, now + 10, rounds=2)


# Up


def test_it_starts_below_what_is_allowed() -> None:
    assert ConcurrencyLimit(10_000).value == INITIAL_LIMIT
    assert ConcurrencyLimit(8).value == 8


def test_at_the_start_each_round_doubles_it() -> None:
    limit = ConcurrencyLimit(10_000)
    play(limit, 100.0, rounds=3)
    assert limit.value == INITIAL_LIMIT * 8


def test_after_the_first_overload_each_round_adds_the_square_root() -> None:
    limit, now = steady()
    before = limit.value
    play(limit, now)
    assert limit.value == pytest.approx(before + math.sqrt(before))


def test_it_never_grows_above_what_is_allowed() -> None:
    limit = ConcurrencyLimit(100)
    play(limit, 100.0, rounds=10)
    assert limit.value == 100


def test_rounds_that_left_room_unused_do_not_raise_it() -> None:
    limit = ConcurrencyLimit(10_000)
    play(limit, 100.0, rounds=5, used=0.5)
    assert limit.value == INITIAL_LIMIT


# Down


def test_an_overload_takes_a_share_of_it() -> None:
    limit = ConcurrencyLimit(100)
    limit.record_overload(100.0)
    assert limit.value == pytest.approx(0.7 * INITIAL_LIMIT)


def test_an_overload_ends_the_doubling() -> None:
    limit = ConcurrencyLimit(10_000)
    limit.record_overload(100.0)
    before = limit.value
    play(limit, 110.0)
    assert limit.value == pytest.approx(before + math.sqrt(before))


def test_many_refusals_of_one_overload_count_once() -> None:
    limit = ConcurrencyLimit(10_000)
    for place in range(50):
        limit.record_overload(100.0 + 0.01 * place)
    assert limit.value == pytest.approx(0.7 * INITIAL_LIMIT)


def test_an_overload_that_lasts_goes_on_lowering_it() -> None:
    limit = ConcurrencyLimit(10_000)
    limit.record_overload(100.0)
    limit.record_overload(102.0)
    assert limit.value == pytest.approx(0.7 * 0.7 * INITIAL_LIMIT)


def test_it_never_falls_below_one() -> None:
    limit = ConcurrencyLimit(10_000)
    for place in range(100):
        limit.record_overload(100.0 + 2 * place)
    assert limit.value == 1
    assert limit.has_room


def test_slower_answers_without_more_of_them_lower_it() -> None:
    limit, now = steady()
    before = limit.value
    play(limit, now, seconds=0.5)
    assert limit.value == pytest.approx(0.9 * before)


def test_slower_answers_at_the_start_end_the_doubling() -> None:
    limit = ConcurrencyLimit(10_000)
    now = play(limit, 100.0)
    play(limit, now, seconds=0.5)
    assert not limit.slow_start
    assert limit.value < 2 * INITIAL_LIMIT


def test_slower_answers_of_which_more_come_do_not_lower_it() -> None:
    # A batch that is twice as large takes longer, and is worth it.
    limit = ConcurrencyLimit(10_000)
    now = play(limit, 100.0, seconds=0.1)
    slower = 0.1
    for _ in range(3):
        # The limit doubles, the time grows by less.
        slower *= 1.8
        now = play(limit, now, seconds=slower)
    assert limit.value == INITIAL_LIMIT * 16


def test_answers_that_have_become_longer_for_good_are_borne_in_the_end() -> None:
    limit, now = steady()
    now = play(limit, now, seconds=0.4, rounds=60)
    low = limit.value
    play(limit, now, seconds=0.4, rounds=5)
    assert limit.value > low


def test_doubling_ends_near_what_a_server_bears() -> None:
    # The server works on 200 at a time: more than that only wait.
    limit, now, bears = ConcurrencyLimit(10_000), 100.0, 200
    seen = []
    for _ in range(25):
        now = play(limit, now, seconds=0.1 * max(1.0, limit.value / bears))
        seen.append(limit.value)
    assert 0.9 * bears <= min(seen[5:])
    assert max(seen[5:]) <= 5 * bears


# What is in flight


def test_there_is_room_until_the_limit_is_in_flight() -> None:
    limit = ConcurrencyLimit(2)
    limit.acquire(100.0)
    assert limit.has_room
    limit.acquire(100.0)
    assert not limit.has_room
    limit.release()
    assert limit.has_room


def test_the_load_is_what_is_in_flight_over_the_limit() -> None:
    limit = ConcurrencyLimit(4)
    limit.acquire(100.0)
    assert limit.load == 0.25


def test_one_that_is_not_adaptive_stays_as_it_is() -> None:
    limit = ConcurrencyLimit(500, adaptive=False)
    now = play(limit, 100.0)
    limit.record_overload(now)
    now = play(limit, now + 10, seconds=9.0, rounds=2)
    assert limit.value == 500
    for _ in range(500):
        assert limit.has_room
        limit.acquire(now)
    assert not limit.has_room


steps = st.lists(
    st.one_of(
        st.just(None),
        st.tuples(st.floats(0.001, 10), st.integers(1, 3), st.floats(0.1, 1)),
    ),
    max_size=30,
)


@pytest.mark.slow
@given(most=st.integers(1, 300), happens=steps)
def test_whatever_happens_it_stays_between_one_and_what_is_allowed(
    most: int, happens: list[tuple[float, int, float] | None]
) -> None:
    limit, now = ConcurrencyLimit(most), 100.0
    for step in happens:
        if step is None:
            limit.record_overload(now)
            now += 0.6
        else:
            seconds, rounds, used = step
            now = play(limit, now, seconds, rounds, used)
        assert 1 <= limit.value <= most
        assert limit.in_flight == 0
