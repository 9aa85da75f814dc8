"""One thread that commits for all callers: what comes during a commit is the next group.

    loop ──► reserve / store_answers / unknown ──► queue ──► one transaction ──► futures of the loop

A caller goes on only once its part is on disk, so a slow disk slows the sending and nothing piles
up.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

from synthkd.errors import JournalError, StorageError
from synthkd.journal.ledger import Bound, Caps
from synthkd.journal.store import Journal, Reservation
from synthkd.requests import Answer, Request

#: A pause between commits is so many times as long as the last commit took, within bounds in
#: seconds. Fewer, larger groups cost less: a page of the index is written once for all its rows.
#: At low rates a group is small and its pause short; requests in flight never wait long.
_PAUSE, _SHORTEST_PAUSE, _LONGEST_PAUSE = 8.0, 0.005, 0.04
#: Seconds after which committed rows are moved from the log into the file.
_CHECKPOINT = 5.0
_Work = tuple[Callable[[], Any], "asyncio.Future[Any]"]


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
        shared: Whether other processes of the run write at the same time.
    """

    def __init__(
        self, journal: Journal, run: str = "", caps: Caps | None = None, shared: bool = False
    ) -> None:
        self.journal, self.run, self.caps, self.shared = journal, run, caps, shared
        self._claim = journal.claim_of(run)
        #: Number of samples that are reserved and not answered, by request id.
        self._unanswered: Counter[str] = Counter()
        #: Requests that were sent and are not answered.
        self.on_wire: set[str] = set()
        self._queue: list[_Work] = []
        self._wake = threading.Event()
        self._closed = False
        self._checkpoint = time.monotonic() + _CHECKPOINT
        self._thread = threading.Thread(target=self._serve, name="journal", daemon=True)

    async def __aenter__(self) -> JournalWriter:
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed = True
        self._wake.set()
        await asyncio.to_thread(self._thread.join)
        for _ in range(3):
            # Callbacks of cancelled callers take their results.
            await asyncio.sleep(0)
        self._settle()
        if self._claim is not None and not self._claim.owner:
            # Opened for this writer only; the process that took the run's claim releases it.
            self._claim.release(remove=False)

    def _settle(self) -> None:
        """Charge what is still on the wire, and release what was reserved and not sent."""
        if self._unanswered:
            # A journal that cannot be written keeps the reservations; the next run settles them by
            # their marks.
            with suppress(StorageError), self.journal.transaction():
                self.journal.write_end(self.run, list(self._unanswered), self.on_wire)
                self._unanswered.clear()

    async def reserve(
        self, requests: Sequence[Request], bounds: Sequence[Bound] = ()
    ) -> Reservation:
        """Record requests that are about to be sent, and reserve what they may cost.

        See `Journal.reserve`.
        """
        reservation: Reservation = await self._commit_work(
            lambda: self.journal.write_reservations(
                requests, self.run, bounds, self.caps, self.shared
            ),
            self._count_reserved,
        )
        return reservation

    def _count_reserved(self, reservation: Reservation) -> None:
        for request in reservation.granted:
            self._unanswered[request.request_id] += len(request.sample_indexes)

    async def store_answers(self, answers: Sequence[Answer]) -> None:
        """Commit a group of answers. When this returns they are on disk."""
        await self._commit_work(
            lambda: self.journal.write_answers(answers, self.run),
            lambda _: self._count_answered(answers),
        )

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
        has_room: bool = await self._commit_work(
            lambda: self.journal.write_unknown_cost(request, self.run, self.caps)
        )
        # A kill before the next attempt must not charge it again.
        self.unbilled(request)
        return has_room

    async def _commit_work(
        self, work: Callable[[], Any], then: Callable[[Any], None] | None = None
    ) -> Any:
        """Commit work with the next group.

        ``then`` gets its result, even if the caller is cancelled meanwhile.
        """
        if self._closed:
            raise JournalError("the journal was closed")
        future: asyncio.Future[Any] = self._loop.create_future()
        if then is not None:
            future.add_done_callback(lambda done: None if done.exception() else then(done.result()))
        self._queue.append((work, future))
        self._wake.set()
        # Written even if the caller is cancelled meanwhile: the answer was paid for.
        return await asyncio.shield(future)

    def _serve(self) -> None:
        due = 0.0
        while True:
            # A writer that is closed while a group waits is woken only once for both.
            if not self._closed:
                self._wake.wait()
            pause = due - time.monotonic()
            if pause > 0 and not self._closed:
                time.sleep(pause)
            self._wake.clear()
            group, self._queue = self._queue, []
            if group:
                start = time.monotonic()
                self._commit_group(group)
                last = time.monotonic()
                due = last + min(max(_PAUSE * (last - start), _SHORTEST_PAUSE), _LONGEST_PAUSE)
                if last >= self._checkpoint:
                    # A small journal must not stay in its log alone, which a copy of the file
                    # lacks.
                    self.journal.checkpoint()
                    self._checkpoint = time.monotonic() + _CHECKPOINT
            elif self._closed:
                return

    def _commit_group(self, group: list[_Work]) -> None:
        results, error = self._execute([work for work, _ in group])
        outcomes: list[tuple[Any, Exception | None]] = [(result, None) for result in results]
        if error is not None:
            # Work that cannot be written must not fail the rest of the group, which was paid for.
            one_by_one = len(group) > 1 and not isinstance(error, StorageError)
            retried = (
                [self._execute([work]) for work, _ in group]
                if one_by_one
                else [([None], error)] * len(group)
            )
            outcomes = [(results[0] if results else None, failure) for results, failure in retried]
        self._loop.call_soon_threadsafe(_resolve, [future for _, future in group], outcomes)

    def _execute(self, works: list[Callable[[], Any]]) -> tuple[list[Any], Exception | None]:
        """Execute work in one transaction.

        Return the results, or the error that rolled it back.
        """
        try:
            with self.journal.transaction():
                return [work() for work in works], None
        except Exception as error:  # noqa: BLE001 (raised again in the caller of the work)
            return [], error


def _resolve(
    futures: list[asyncio.Future[Any]], outcomes: list[tuple[Any, Exception | None]]
) -> None:
    for future, (result, error) in zip(futures, outcomes, strict=True):
        if future.done():
            continue
        if error is not None:
            future.set_exception(error)
            # Retrieved here: the caller may be gone.
            future.exception()
        else:
            future.set_result(result)
