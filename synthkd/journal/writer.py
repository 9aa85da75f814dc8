"""The asynchronous interface to the writes of a run, and the run's account.

    loop ──► reserve / store_answers / unknown ──► `Commits` ──► futures of the loop

A caller goes on only once its part is on disk, so a slow disk slows the sending and nothing piles
up.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol

from synthkd.errors import JournalError, StorageError
from synthkd.journal.commits import GroupCommitter, Outcome
from synthkd.journal.ledger import Bound, Caps
from synthkd.journal.store import Journal
from synthkd.journal.writes import (
    AnswersWrite,
    EndWrite,
    Reservation,
    ReservationWrite,
    UnknownCostWrite,
    Write,
)
from synthkd.requests import Answer, Request

_Future = asyncio.Future[Any]


class Commits(Protocol):
    """Commits the writes of a run, in this process (`LocalCommits`) or in another.

    Writes are committed in the order in which they are asked for, together with others. A write is
    never half done.
    """

    async def start(self) -> None:
        """Begin, in the running loop."""

    def submit(self, write: Write) -> _Future:
        """Commit a write; return the future of its result.

        The future is done when the write is on disk, with the result that the write's class
        describes. It raises `DiskFullError` or another `StorageError` if nothing can be written.
        """
        ...

    def hurry(self) -> None:
        """Commit soon what was submitted: the end of a run waits for it."""

    async def close(self) -> None:
        """End. No future is pending."""


class LocalCommits:
    """Commits in a thread of this process."""

    def __init__(self, journal: Journal, run: str, caps: Caps | None) -> None:
        self._committer = GroupCommitter[_Future](journal, run, caps, False, self._deliver)

    def set_caps(self, caps: Caps | None) -> None:
        """Change what the run may spend."""
        self._committer.caps = caps

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._committer.start()

    def submit(self, write: Write) -> _Future:
        future = self._loop.create_future()
        self._committer.add((future, write))
        return future

    def hurry(self) -> None:
        self._committer.hurry()

    async def close(self) -> None:
        await asyncio.to_thread(self._committer.close)

    def _deliver(self, outcomes: Sequence[tuple[_Future, Outcome]]) -> None:
        self._loop.call_soon_threadsafe(_resolve, outcomes)


class JournalWriter:
    """Asynchronous interface to a journal's writes.

    Use as an asynchronous context manager, in one loop.

    The writer is also the account of a run: a backend reports which requests are on the wire, and
    which attempts cost nothing or an unknown amount (see `synthkd.teachers.base.Account`). At the
    end, what was never sent is released, and what may be billed is charged.

    Args:
        journal: The journal.
        run: Name of the run.
        caps: What the run may spend.
        commits: Who commits; by default a thread of this process. Another process keeps to caps of
            its own.
    """

    def __init__(
        self,
        journal: Journal,
        run: str = "",
        caps: Caps | None = None,
        commits: Commits | None = None,
    ) -> None:
        self.journal, self.run = journal, run
        self._claim = journal.claim_of(run)
        self._commits = LocalCommits(journal, run, caps) if commits is None else commits
        #: Number of samples that are reserved and not answered, by request id.
        self._unanswered: Counter[str] = Counter()
        #: Requests that were sent and are not answered.
        self.on_wire: set[str] = set()
        self._pending: set[_Future] = set()
        self._closed = False

    async def __aenter__(self) -> JournalWriter:
        await self._commits.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed = True
        self._commits.hurry()
        try:
            while self._pending:
                await asyncio.wait(self._pending)
            await self._settle()
        finally:
            await self._commits.close()
        if self._claim is not None and not self._claim.owner:
            # Opened for this writer only; the process that took the run's claim releases it.
            self._claim.release(remove=False)

    async def _settle(self) -> None:
        """Charge what is still on the wire, and release what was reserved and not sent."""
        if self._unanswered:
            # A journal that cannot be written keeps the reservations; the next run settles them by
            # their marks.
            with suppress(StorageError):
                await self._commits.submit(EndWrite(list(self._unanswered), list(self.on_wire)))
                self._unanswered.clear()

    def set_caps(self, caps: Caps | None) -> None:
        """Change what the run may spend through this journal, which no other process writes."""
        assert isinstance(self._commits, LocalCommits)
        self._commits.set_caps(caps)

    async def reserve(
        self, requests: Sequence[Request], bounds: Sequence[Bound] = ()
    ) -> Reservation:
        """Record requests that are about to be sent, and reserve what they may cost.

        See `Journal.reserve`.
        """
        if not requests:
            return Reservation([], [], [])

        reservation = Reservation([], [], [])

        def count(result: tuple[Sequence[str], int]) -> None:
            nonlocal reservation
            reservation = Reservation.of(requests, *result)
            for request in reservation.granted:
                self._unanswered[request.request_id] += len(request.sample_indexes)

        await self._commit(ReservationWrite.of(requests, self.run, bounds), count)
        return reservation

    async def store_answers(self, answers: Sequence[Answer]) -> None:
        """Commit a group of answers. When this returns they are on disk."""
        if answers:
            await self._commit(AnswersWrite.of(answers), lambda _: self._count_answered(answers))

    def _count_answered(self, answers: Sequence[Answer]) -> None:
        ended = []
        for answer in answers:
            left = self._unanswered[answer.request_id] - 1
            if left > 0:
                self._unanswered[answer.request_id] = left
            else:
                del self._unanswered[answer.request_id]
                if answer.request_id in self.on_wire:
                    self.on_wire.discard(answer.request_id)
                    ended.append(answer.request_id)
        if self._claim is not None and ended:
            self._claim.clear_marks(ended)

    # The account of a run

    def sent(self, requests: Sequence[Request]) -> None:
        """Mark requests as on the wire, so that a kill from now on charges them."""
        request_ids = [request.request_id for request in requests]
        self.on_wire.update(request_ids)
        if self._claim is not None:
            self._claim.mark_sent(request_ids)

    def unbilled(self, request: Request) -> None:
        """Remove the mark of an attempt that was refused without a bill, or never sent."""
        self.on_wire.discard(request.request_id)
        if self._claim is not None:
            self._claim.clear_marks((request.request_id,))

    async def unknown(self, request: Request) -> bool:
        """Charge an attempt of unknown cost; return whether the caps leave room for another."""
        has_room: bool = await self._commit(
            UnknownCostWrite(request.request_id, request.sample_indexes)
        )
        # A kill before the next attempt must not charge it again.
        self.unbilled(request)
        return has_room

    async def _commit(self, write: Write, then: Callable[[Any], None] | None = None) -> Any:
        """Commit a write with the next group.

        ``then`` gets its result, even if the caller is cancelled meanwhile.
        """
        if self._closed:
            raise JournalError("the journal was closed")
        future = self._commits.submit(write)

        def settle(done: _Future) -> None:
            self._pending.discard(done)
            # Retrieved here: the caller may be gone.
            if not done.cancelled() and done.exception() is None and then is not None:
                then(done.result())

        self._pending.add(future)
        future.add_done_callback(settle)
        # Written even if the caller is cancelled meanwhile: the answer was paid for.
        return await asyncio.shield(future)


def _resolve(outcomes: Sequence[tuple[_Future, Outcome]]) -> None:
    for future, (result, error) in outcomes:
        if future.done():
            continue
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)
