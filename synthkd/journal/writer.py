"""One thread that commits for all: what waits while a commit is under way goes into the next one.

    loop ──► depart / arrive / lose ──► queue ──► one transaction ──► futures resolved in the loop

A caller goes on only when its part is on disk, so a slow disk slows the sending and nothing piles up.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from synthkd.errors import JournalError
from synthkd.journal.ledger import Caps
from synthkd.journal.store import Departed, Journal
from synthkd.requests import Answer, Request

#: Seconds from one commit to the next, where there is work all the time: fewer, fuller groups cost less.
_LINGER = 0.02
_Work = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Writer:
    """Asynchronous face of a journal's writes. Use as an asynchronous context manager, in one loop."""

    def __init__(
        self, journal: Journal, run: str = "", caps: Caps | None = None, shared: bool = False
    ) -> None:
        self.journal, self.run, self.caps, self.shared = journal, run, caps, shared
        self._waiting: list[_Work] = []
        self._wake = threading.Event()
        self._closed = False
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

    async def depart(self, requests: Sequence[Request], bounds: Sequence[tuple[float, int]] = ()) -> Departed:
        """As `Journal.depart`."""
        departed: Departed = await self._do(
            lambda: self.journal.write_departures(requests, self.run, bounds, self.caps, self.shared)
        )
        return departed

    async def arrive(self, answers: Sequence[Answer]) -> None:
        """Commit a group of answers. When this returns they are on disk."""
        await self._do(lambda: self.journal.write_arrivals(answers, self.run))

    async def lose(self, request: Request) -> bool:
        """A try whose bill nobody saw counts as paid; whether the caps leave room for another."""
        again: bool = await self._do(lambda: self.journal.write_lost(request, self.run, self.caps))
        return again

    async def _do(self, work: Callable[[], Any]) -> Any:
        if self._closed:
            raise JournalError("the journal was closed")
        future: asyncio.Future[Any] = self._loop.create_future()
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
            elif self._closed:
                return

    def _commit(self, group: list[_Work]) -> None:
        results: list[Any] = []
        error: Exception | None = None
        try:
            with self.journal.transaction():
                results = [work() for work, _ in group]
        except Exception as found:  # noqa: BLE001 (raised again where the work was asked for)
            error = found
        self._loop.call_soon_threadsafe(_resolve, [future for _, future in group], results, error)


def _resolve(futures: list[asyncio.Future[Any]], results: list[Any], error: Exception | None) -> None:
    for place, future in enumerate(futures):
        if future.done():
            continue
        if error is not None:
            future.set_exception(error)
            # The caller may be gone; then nobody else will look.
            future.exception()
        else:
            future.set_result(results[place])
