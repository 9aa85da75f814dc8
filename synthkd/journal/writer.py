"""One thread that commits for all: what waits while a commit is under way goes into the next one.

    loop ──► depart / arrive / unknown ──► queue ──► one transaction ──► futures resolved in the loop

A caller goes on only when its part is on disk, so a slow disk slows the sending and nothing piles up.
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
from synthkd.journal.ledger import Caps
from synthkd.journal.store import Departed, Journal
from synthkd.requests import Answer, Request

#: Seconds from one commit to the next, where there is work all the time: fewer, fuller groups cost less.
_LINGER = 0.02
#: Seconds after which what was committed is moved from the log into the file.
_CHECKPOINT = 5.0
_Work = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Writer:
    """Asynchronous face of a journal's writes. Use as an asynchronous context manager, in one loop.

    The writer is also the account of a run: a backend tells it which requests are on the wire, and which attempts
    cost nothing or an unknown amount (see `synthkd.teachers.base.Account`). At its end, what was never sent is
    released, and what may be billed is charged.
    """

    def __init__(
        self, journal: Journal, run: str = "", caps: Caps | None = None, shared: bool = False
    ) -> None:
        self.journal, self.run, self.caps, self.shared = journal, run, caps, shared
        self._claim = journal.claim_of(run)
        #: request id -> samples that were departed and not answered.
        self._open: Counter[str] = Counter()
        #: Requests that were sent and are not answered.
        self.on_wire: set[str] = set()
        self._waiting: list[_Work] = []
        self._wake = threading.Event()
        self._closed = False
        self._checkpoint = time.monotonic() + _CHECKPOINT
        self._thread = threading.Thread(target=self._serve, name="journal", daemon=True)

    async def __aenter__(self) -> Writer:
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self._wake.set()
        await asyncio.to_thread(self._thread.join)
        for _ in range(3):
            # Callers that were cancelled left their results to callbacks.
            await asyncio.sleep(0)
        self._settle()
        if self._claim is not None and not self._claim.owner:
            # Opened for this writer alone; the run's own is given back by who took it.
            self._claim.end(remove=False)

    def _settle(self) -> None:
        """Release what was reserved and not sent, and charge what is still on the wire."""
        if self._open:
            # A journal that cannot be written keeps the reservations; the next run settles them by their marks.
            with suppress(StorageError), self.journal.transaction():
                self.journal.write_end(self.run, list(self._open), self.on_wire)
                self._open.clear()

    async def depart(self, requests: Sequence[Request], bounds: Sequence[tuple[float, int]] = ()) -> Departed:
        """As `Journal.depart`."""
        departed: Departed = await self._do(
            lambda: self.journal.write_departures(requests, self.run, bounds, self.caps, self.shared),
            self._opened,
        )
        return departed

    def _opened(self, departed: Departed) -> None:
        for request in departed.go:
            self._open[request.request_id] += len(request.sample_indexes)

    async def arrive(self, answers: Sequence[Answer]) -> None:
        """Commit a group of answers. When this returns they are on disk."""
        await self._do(
            lambda: self.journal.write_arrivals(answers, self.run), lambda _: self._answered(answers)
        )

    def _answered(self, answers: Sequence[Answer]) -> None:
        ended = []
        for answer in answers:
            left = self._open[answer.request_id] - 1
            if left > 0:
                self._open[answer.request_id] = left
            else:
                del self._open[answer.request_id]
                if answer.request_id in self.on_wire:
                    self.on_wire.discard(answer.request_id)
                    ended.append(answer.request_id)
        if self._claim is not None and ended:
            self._claim.cleared(ended)

    # The account of a run

    def sent(self, request: Request) -> None:
        """Mark a request as on the wire, so that a kill from now on leaves it charged."""
        self.on_wire.add(request.request_id)
        if self._claim is not None:
            self._claim.sent(request.request_id)

    def unbilled(self, request: Request) -> None:
        """Take the mark back: the attempt was refused without a bill, or never left this machine."""
        self.on_wire.discard(request.request_id)
        if self._claim is not None:
            self._claim.cleared((request.request_id,))

    async def unknown(self, request: Request) -> bool:
        """Charge an attempt of unknown cost; whether the caps leave room for another."""
        again: bool = await self._do(lambda: self.journal.write_lost(request, self.run, self.caps))
        # Charged, it must not be charged again by a kill before the next attempt.
        self.unbilled(request)
        return again

    async def _do(self, work: Callable[[], Any], then: Callable[[Any], None] | None = None) -> Any:
        """Have work committed; ``then`` is told its result, also if the caller is cancelled meanwhile."""
        if self._closed:
            raise JournalError("the journal was closed")
        future: asyncio.Future[Any] = self._loop.create_future()
        if then is not None:
            future.add_done_callback(lambda done: None if done.exception() else then(done.result()))
        self._waiting.append((work, future))
        self._wake.set()
        # Written even if the one who asked is cancelled meanwhile: the answer was paid for.
        return await asyncio.shield(future)

    def _serve(self) -> None:
        last = 0.0
        while True:
            # Closed while a group waited, it was woken once for both.
            if not self._closed:
                self._wake.wait()
            pause = last + _LINGER - time.monotonic()
            if pause > 0 and not self._closed:
                time.sleep(pause)
            self._wake.clear()
            group, self._waiting = self._waiting, []
            if group:
                self._commit(group)
                last = time.monotonic()
                if last >= self._checkpoint:
                    # A small journal must not live in its log alone, of which a copy of the file knows nothing.
                    self.journal.checkpoint()
                    self._checkpoint = time.monotonic() + _CHECKPOINT
            elif self._closed:
                return

    def _commit(self, group: list[_Work]) -> None:
        results, error = self._done([work for work, _ in group])
        outcomes: list[tuple[Any, Exception | None]] = [(result, None) for result in results]
        if error is not None:
            # One part that cannot be written must not take the others along, which were paid for.
            alone = len(group) > 1 and not isinstance(error, StorageError)
            tried = [self._done([work]) for work, _ in group] if alone else [([None], error)] * len(group)
            outcomes = [(done[0] if done else None, failed) for done, failed in tried]
        self._loop.call_soon_threadsafe(_resolve, [future for _, future in group], outcomes)

    def _done(self, works: list[Callable[[], Any]]) -> tuple[list[Any], Exception | None]:
        """Do work in one transaction; the results, or the error that rolled it back."""
        try:
            with self.journal.transaction():
                return [work() for work in works], None
        except Exception as found:  # noqa: BLE001 (raised again where the work was asked for)
            return [], found


def _resolve(futures: list[asyncio.Future[Any]], outcomes: list[tuple[Any, Exception | None]]) -> None:
    for future, (result, error) in zip(futures, outcomes, strict=True):
        if future.done():
            continue
        if error is not None:
            future.set_exception(error)
            # The caller may be gone; then nobody else will look.
            future.exception()
        else:
            future.set_result(result)
