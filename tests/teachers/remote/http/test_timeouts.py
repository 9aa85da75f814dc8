"""Tests of the one timer for all requests."""

from __future__ import annotations

import asyncio
import heapq
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.teachers.remote.http.timeouts import Deadlines


class Clock:
    """The time and the timers of an event loop, moved by hand."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(self, when, callback)
        heapq.heappush(self.timers, timer)
        return timer

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        return self.call_at(self.now + delay, callback)

    def move(self, until: float) -> None:
        """Run all timers until a time."""
        while self.timers and self.timers[0].when <= until:
            timer = heapq.heappop(self.timers)
            self.now = max(self.now, timer.when)
            timer.callback()
        self.now = max(self.now, until)


class Timer:
    def __init__(self, clock: Clock, when: float, callback: Callable[[], None]) -> None:
        self.clock, self.when, self.callback = clock, when, callback

    def __lt__(self, other: Timer) -> bool:
        return self.when < other.when

    def cancel(self) -> None:
        self.clock.timers.remove(self)
        heapq.heapify(self.clock.timers)


def made(clock: Any, timeout: float) -> tuple[Deadlines[int], dict[int, float]]:
    """Return deadlines on a clock, and the times at which their members were due."""
    due: dict[int, float] = {}

    def on_due(member: int) -> None:
        assert member not in due
        due[member] = clock.time()

    return Deadlines(clock, timeout, on_due), due


def width_of(timeout: float) -> float:
    return min(1.0, max(0.01, timeout / 20))


@given(
    timeout=st.sampled_from([0.05, 0.2, 1.0, 7.3, 120.0]),
    now=st.floats(0, 1e6),
    steps=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.9), st.booleans()), max_size=40),
)
def test_members_are_due_within_one_slot_of_their_deadline_unless_they_are_removed(
    timeout: float, now: float, steps: list[tuple[float, float, bool]]
) -> None:
    clock = Clock(now)
    deadlines, due = made(clock, timeout)
    start_of: dict[int, float] = {}
    waiting: dict[int, int] = {}
    for member, (pause, age, ends) in enumerate(steps):
        clock.move(clock.now + pause * timeout)
        if ends and waiting:
            earlier, slot = waiting.popitem()
            deadlines.remove(earlier, slot)
            if earlier not in due:
                del start_of[earlier]
        # A request starts before its connection is made.
        start_of[member] = clock.now - age * timeout
        waiting[member] = deadlines.add(member, start_of[member])
    clock.move(clock.now + 2 * timeout + 3)
    assert due.keys() == start_of.keys()
    for member, start in start_of.items():
        assert 0 <= due[member] - (start + timeout) <= width_of(timeout) + 1e-6


def test_a_member_that_is_added_after_its_deadline_is_due_within_one_slot() -> None:
    clock = Clock()
    deadlines, due = made(clock, 1.0)
    deadlines.add(7, clock.now - 30)
    clock.move(clock.now + width_of(1.0) + 1e-6)
    assert list(due) == [7]


def test_no_timer_runs_before_the_first_member_and_after_the_last_slot() -> None:
    clock = Clock()
    deadlines, due = made(clock, 1.0)
    assert clock.timers == []
    for member in range(5):
        slot = deadlines.add(member, clock.now)
        assert len(clock.timers) == 1
        deadlines.remove(member, slot)
    clock.move(clock.now + 1.0 + 2 * width_of(1.0))
    assert (clock.timers, due) == ([], {})
    deadlines.add(9, clock.now)
    clock.move(clock.now + 2)
    assert (clock.timers, list(due)) == ([], [9])


def test_closed_deadlines_have_no_members_and_no_timer() -> None:
    clock = Clock()
    deadlines, due = made(clock, 1.0)
    for member in range(5):
        deadlines.add(member, clock.now)
    deadlines.close()
    deadlines.close()
    clock.move(clock.now + 5)
    assert (clock.timers, due) == ([], {})


def test_a_member_may_be_added_and_removed_while_others_are_due() -> None:
    clock = Clock()
    again: list[int] = []

    def on_due(member: int) -> None:
        again.append(member)
        if member < 3:
            deadlines.remove(member, slot)
            deadlines.add(member + 1, clock.now)

    deadlines: Deadlines[int] = Deadlines(clock, 1.0, on_due)  # type: ignore[arg-type]
    slot = deadlines.add(0, clock.now)
    clock.move(clock.now + 10)
    assert again == [0, 1, 2, 3]


def test_many_finished_members_take_no_memory() -> None:
    clock = Clock()
    deadlines, due = made(clock, 120.0)
    tracemalloc.start()
    for member in range(50_000):
        clock.move(clock.now + 0.001)
        deadlines.remove(member, deadlines.add(member, clock.now))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A set for each slot, a few dozen of them.
    assert (taken < 200_000, due) == (True, {})


@pytest.mark.parametrize("timeout", [0.05, 0.2])
def test_members_are_due_in_time_on_a_real_loop(timeout: float) -> None:
    async def go() -> None:
        deadlines, due = made(asyncio.get_running_loop(), timeout)
        start = asyncio.get_running_loop().time()
        for member in range(100):
            deadlines.add(member, start)
        end = time.monotonic() + timeout + 2
        while len(due) < 100 and time.monotonic() < end:
            await asyncio.sleep(0.005)
        assert len(due) == 100
        assert min(due.values()) >= start + timeout

    asyncio.run(go())
