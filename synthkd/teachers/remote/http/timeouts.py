"""One timer for all requests in flight.

A timer per request would cost more than the request's parsing. Requests are kept in slots by the
time of their deadline; a timer visits the slots that are due, and runs only while any is filled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Deadlines(Generic[T]):
    """Members with deadlines; late by one slot at most.

    Args:
        loop: The event loop.
        timeout: Seconds until a member is due. A slot is a twentieth of it, from 10 ms to 1 s.
        on_due: Called with a member that is due; the member is removed first.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, timeout: float, on_due: Callable[[T], None]
    ) -> None:
        self._loop, self._timeout, self._on_due = loop, timeout, on_due
        self._width = min(1.0, max(0.01, timeout / 20))
        self._slots: dict[int, set[T]] = {}
        self._timer: asyncio.TimerHandle | None = None
        #: The slot at whose time the timer runs.
        self._next_slot = 0

    def add(self, member: T, start: float) -> int:
        """Add a member; return the slot from which it is removed."""
        slot = int((start + self._timeout) / self._width) + 1
        members = self._slots.get(slot)
        if members is None:
            members = self._slots[slot] = set()
            if self._timer is None:
                self._start_timer()
        members.add(member)
        return slot

    def remove(self, member: T, slot: int) -> None:
        """Remove a member that is no longer waited for."""
        if members := self._slots.get(slot):
            members.discard(member)

    def close(self) -> None:
        """Forget all members."""
        self._slots.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _visit(self) -> None:
        self._timer = None
        # By the division alone, the timer's own slot may come out as not due.
        latest = max(self._next_slot, int(self._loop.time() / self._width))
        for slot in [slot for slot in self._slots if slot <= latest]:
            for member in self._slots.pop(slot):
                self._on_due(member)
        # An empty set is as large as it once was full.
        for slot in [slot for slot, members in self._slots.items() if not members]:
            del self._slots[slot]
        if self._slots and self._timer is None:
            self._start_timer()

    def _start_timer(self) -> None:
        # At the end of the current slot: a full slot later, a member would be late by two.
        self._next_slot = max(self._next_slot, int(self._loop.time() / self._width)) + 1
        self._timer = self._loop.call_at(self._next_slot * self._width, self._visit)
