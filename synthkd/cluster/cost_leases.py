"""The caps of a run, lent to the shards that spend them.

A shard has a journal of its own, whose caps are what it was lent. It asks for more before it
reserves what its lease does not cover, and reports what it has spent. What a lost node did not
report counts as spent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from synthkd.errors import Interrupted
from synthkd.journal import Caps, Journal
from synthkd.journal.ledger import Bound, Spending
from synthkd.requests import Request

#: Groups of requests for which a shard borrows together: each loan is a commit of the lender.
_GROUPS = 4
#: Seconds between two looks whether other shards have left something.
_PAUSE = 0.2


class Lender(Protocol):
    """The part of the coordinator that a shard borrows from."""

    def borrow(
        self, shard: int, attempt: str, least: Bound, wanted: Bound
    ) -> tuple[float, int] | None:
        """Return all that the shard was lent so far; None if the caps leave less than ``least``."""
        ...

    def starve(
        self, shard: int, attempt: str, spent: Spending
    ) -> tuple[bool, tuple[float, int], str]:
        """Take back what is not spent.

        Returns:
            Whether another shard may still leave some, what the shard was lent now, and a
            description of what was spent.
        """
        ...


class LeasedAllowance:
    """Allowance of a shard's purchase, by leases.

    Args:
        lender: The coordinator.
        shard: Number of the shard.
        attempt: Name of this attempt at the shard.
        journal: The shard's journal.
        run: Name of the run.
        caps: The caps of the whole run; None for none.
        may_send: Waits until more may be sent, in another thread; False if the run is stopped.
    """

    def __init__(
        self,
        lender: Lender,
        shard: int,
        attempt: str,
        journal: Journal,
        run: str,
        caps: Caps | None,
        may_send: Callable[[], bool],
    ) -> None:
        self._lender, self._shard, self._attempt = lender, shard, attempt
        self._journal, self._run, self._caps, self._may_send = journal, run, caps, may_send
        self._lent: tuple[float, int] = (0.0, 0)
        self._spent_in_words = ""

    async def caps_for(self, requests: Sequence[Request], bounds: Sequence[Bound]) -> Caps | None:
        if not await asyncio.to_thread(self._may_send):
            raise Interrupted("stopped by the coordinator")
        if self._caps is None:
            return None
        needs = [
            (dollars * len(request.sample_indexes), tokens * len(request.sample_indexes))
            for request, (dollars, tokens) in zip(requests, bounds, strict=True)
        ]
        every = (sum(need[0] for need in needs), sum(need[1] for need in needs))
        least = self._missing(needs[0])
        if self._missing(every) != (0.0, 0):
            wanted = self._missing((every[0] * _GROUPS, every[1] * _GROUPS))
            lent = await asyncio.to_thread(
                self._lender.borrow, self._shard, self._attempt, least, wanted
            )
            self._lent = lent or self._lent
        return Caps(
            None if self._caps.dollars is None else self._lent[0],
            None if self._caps.tokens is None else self._lent[1],
        )

    def _missing(self, need: Bound) -> Bound:
        """Return the dollars and tokens of a need that the lease does not cover."""
        spent = self._journal.spending(self._run)
        assert self._caps is not None
        dollars = spent.dollars + spent.unknown_dollars + spent.in_flight_dollars + need[0]
        tokens = spent.tokens + spent.unknown_tokens + spent.in_flight_tokens + need[1]
        return (
            0.0 if self._caps.dollars is None else max(0.0, dollars - self._lent[0]),
            0 if self._caps.tokens is None else max(0, tokens - self._lent[1]),
        )

    async def wait_for_room(self) -> bool:
        spent = self._journal.spending(self._run)
        others, self._lent, self._spent_in_words = await asyncio.to_thread(
            self._lender.starve, self._shard, self._attempt, spent
        )
        if others:
            await asyncio.sleep(_PAUSE)
        return others

    def reached(self) -> str:
        return self._spent_in_words
