"""Buy completions through a journal: the one way to ask a teacher, for generation and for judges.

requests ──► sent (committed, their cost reserved) ──► teacher ──► received (committed) ──► counted

A request is on disk before it is sent, and its answer before anything reads it. What a run may
spend is kept over all its processes and resumptions. Requests that another run has in flight are
left to that run, and asked for at the end if it does not get their answers.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from synthkd.journal import Caps, Journal, JournalWriter
from synthkd.journal.ledger import Bound
from synthkd.journal.writer import Commits
from synthkd.requests import Answer, Completion, Request
from synthkd.teachers.base import Teacher
from synthkd.teachers.spending import SpendingBounds

#: Seconds between looks at what other processes have bought, or left of the caps.
_OTHERS = 0.2
#: Requests that are committed together.
_GROUP = 64


def missing_samples(
    journal: Journal, requests: Iterable[Request], failed_too: bool = True
) -> list[Request]:
    """Return each request once, with the samples that the journal lacks and that may still come.

    Args:
        journal: Where completions and failures are.
        requests: What is wanted.
        failed_too: Include samples that failed for a reason that may pass.
    """
    distinct = {request.request_id: request for request in requests}
    completed, failed = journal.cached_indexes(list(distinct)), journal.failures(list(distinct))
    missing = []
    for request_id, request in distinct.items():
        final = {
            index
            for index, failure in failed.get(request_id, {}).items()
            if failure.permanent or not failed_too
        }
        done = completed.get(request_id, set()) | final
        if indexes := tuple(index for index in request.sample_indexes if index not in done):
            missing.append(request.with_samples(indexes))
    return missing


class Allowance(Protocol):
    """Spending that one of several journals of a run is allowed, as others decide."""

    async def caps_for(self, requests: Sequence[Request], bounds: Sequence[Bound]) -> Caps | None:
        """Return the caps of this journal, raised for these requests if there is room for them.

        May wait until more may be sent.
        """
        ...

    async def wait_for_room(self) -> bool:
        """Wait a moment if other journals may still leave some of the run's caps; else False."""
        ...

    def reached(self) -> str:
        """Describe the cap that stopped the run, and what was spent."""
        ...


class Purchase:
    """Buys completions for a run. Subclasses watch and steer it by its ``on_…`` methods.

    Args:
        teacher: Who is asked.
        journal: Where requests and answers are committed.
        run: The name under which spending is counted.
        bounds: What the run may spend.
        show: Takes what a user should know meanwhile.
        allowance: What this journal may spend, if the run has several; instead of the caps in
            ``bounds``.
        commits: Who commits, if other processes of the same run buy at the same time; None if this
            process commits for itself.

    Attributes:
        in_flight: Samples that are sent and not received, by request.
        received_early: Samples that came before they were asked for, by request: those of an
            earlier
            run.
        stopped: Why no more is bought, if a cap is reached.
    """

    def __init__(
        self,
        teacher: Teacher,
        journal: Journal,
        run: str,
        bounds: SpendingBounds,
        show: Callable[[str], None] | None = None,
        allowance: Allowance | None = None,
        commits: Commits | None = None,
    ) -> None:
        self.teacher, self.journal, self.run, self.bounds = teacher, journal, run, bounds
        self.allowance = allowance
        self.in_flight: Counter[str] = Counter()
        self.received_early: Counter[str] = Counter()
        self.stopped = ""
        self._show, self._commits = show, commits
        self._others: dict[str, Request] = {}
        self._received = asyncio.Event()
        self._writer: JournalWriter | None = None

    # What subclasses replace.

    def is_ending(self) -> bool:
        """Return True if nothing more is to be sent."""
        return False

    def on_pending(self, samples: int) -> None:
        """Count samples that are about to be bought; fewer than 0 for those that are not."""

    def on_sent(self, request: Request) -> None:
        """Count a request that is sent."""

    def on_left(self, request: Request) -> None:
        """Count a request that is left to another process."""

    def on_received(self, answers: list[Answer]) -> None:
        """Count answers, which are committed."""

    def still_missing(self, requests: Sequence[Request]) -> list[Request]:
        """Return what another run did not get of the requests that were left to it."""
        return missing_samples(self.journal, requests)

    async def pause(self, seconds: float) -> None:
        """Wait; a subclass may end the wait early."""
        await asyncio.sleep(seconds)

    # The purchase.

    @property
    def on_wire(self) -> Collection[str]:
        """Ids of requests that were sent and are not answered."""
        return () if self._writer is None else self._writer.on_wire

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open the journal's writer for the teacher, and close the teacher at the end."""
        async with JournalWriter(self.journal, self.run, self.bounds.caps, self._commits) as writer:
            self._writer = writer
            self.teacher.attach(self.journal, self.run)
            self.teacher.account = writer
            try:
                yield
            finally:
                await self.teacher.close()

    async def buy(self, batches: AsyncIterator[list[Request]]) -> None:
        """Ask for all requests, as far as the caps allow. `opened` is open."""
        stream = self.teacher.stream(self._ahead(batches))
        try:
            async for answers in stream:
                # On disk before anything counts or reads them.
                await self._open_writer.store_answers(answers)
                self.bounds.learn(answers)
                self._settle(answers)
                self.on_received(answers)
                self._received.set()
        finally:
            # Left early, by an error of the journal say, the backend's tasks end here.
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()

    def _say(self, message: str) -> None:
        if self._show is not None:
            self._show(message)

    @property
    def _open_writer(self) -> JournalWriter:
        assert self._writer is not None
        return self._writer

    def _settle(self, answers: list[Answer]) -> None:
        in_flight = self.in_flight
        for answer in answers:
            left = in_flight[answer.request_id] - 1
            if left > 0:
                in_flight[answer.request_id] = left
            else:
                del in_flight[answer.request_id]
                if left < 0 and isinstance(answer, Completion):
                    self.received_early[answer.request_id] += 1

    async def _ahead(self, batches: AsyncIterator[list[Request]]) -> AsyncIterator[Request]:
        """Yield requests, one group ahead: commit the next while the teacher takes this one."""
        groups: asyncio.Queue[list[Request] | Exception | None] = asyncio.Queue(1)

        async def fill() -> None:
            try:
                async for group in self._committed(batches):
                    await groups.put(group)
                await groups.put(None)
            except Exception as error:  # noqa: BLE001 (raised again where the requests are read)
                await groups.put(error)

        filling = asyncio.create_task(fill())
        try:
            while (group := await groups.get()) is not None:
                if isinstance(group, Exception):
                    raise group
                for request in group:
                    if self.is_ending():
                        return
                    self.on_sent(request)
                    yield request
        finally:
            filling.cancel()
            await asyncio.gather(filling, return_exceptions=True)

    async def _committed(
        self, batches: AsyncIterator[list[Request]]
    ) -> AsyncIterator[list[Request]]:
        """Yield groups that are committed as about to be sent, then what other runs did not get."""
        async for batch in batches:
            async for group in self._within_caps(batch):
                yield group
            if self.stopped or self.is_ending():
                return
        is_announced = False
        while self._others and not (self.is_ending() or self.stopped):
            waited_for, self._others = list(self._others.values()), {}
            async for group in self._within_caps(self.still_missing(waited_for)):
                yield group
            if self._others:
                if not is_announced:
                    self._say(
                        f"waiting for {len(self._others):,} requests that another run has in flight"
                    )
                is_announced = True
                await self.pause(_OTHERS)

    async def _within_caps(self, requests: list[Request]) -> AsyncIterator[list[Request]]:
        """Yield the requests as the caps leave room for them."""
        self.in_flight.update(
            {request.request_id: len(request.sample_indexes) for request in requests}
        )
        self.on_pending(sum(len(request.sample_indexes) for request in requests))
        while requests:
            if self.is_ending():
                return
            self._received.clear()
            bounds = self.bounds.of_each(requests)
            if self.allowance is not None:
                self._open_writer.set_caps(await self.allowance.caps_for(requests, bounds))
            reservation = await self._open_writer.reserve(requests, bounds)
            for request in reservation.taken:
                self._leave(request)
            if reservation.granted:
                self.bounds.remember(reservation.granted)
                yield reservation.granted
            requests = reservation.refused
            if requests and not reservation.granted and not await self._has_room(requests):
                return

    def _leave(self, request: Request) -> None:
        """Leave a request to another process, which has it in flight or has just bought it."""
        del self.in_flight[request.request_id]
        self.on_pending(-len(request.sample_indexes))
        self.on_left(request)
        if self._commits is None:
            # Another run may stop before it gets them; another process of this run is not outlived.
            self._others[request.request_id] = request

    async def _has_room(self, refused: list[Request]) -> bool:
        """Wait until an answer releases its reservation; False if a cap is final."""
        for request in refused:
            del self.in_flight[request.request_id]
        waits_for_own = bool(self.in_flight)
        self.in_flight.update(
            {request.request_id: len(request.sample_indexes) for request in refused}
        )
        if waits_for_own:
            await self._received.wait()
            return True
        if self.allowance is not None:
            if await self.allowance.wait_for_room():
                return True
            self.stopped = self.allowance.reached()
            self._say(self.stopped)
            return False
        if self.journal.spending(self.run).in_flight_tokens:
            # Other processes of this run have something in flight.
            await asyncio.sleep(_OTHERS)
            return True
        self.stopped = self.bounds.reached(self.journal, self.run)
        self._say(self.stopped)
        return False


async def buy_missing(
    teacher: Teacher,
    journal: Journal,
    run: str,
    bounds: SpendingBounds,
    requests: Sequence[Request],
    on_message: Callable[[str], None] | None = None,
) -> None:
    """Buy a list of requests, as far as the caps allow.

    Args:
        teacher: Who is asked.
        journal: Where requests and answers are committed.
        run: The name under which spending is counted.
        bounds: What the run may spend.
        requests: What is missing.
        on_message: Takes what a user should know meanwhile.
    """
    purchase = Purchase(teacher, journal, run, bounds, show=on_message)

    async def groups() -> AsyncIterator[list[Request]]:
        for start in range(0, len(requests), _GROUP):
            yield list(requests[start : start + _GROUP])

    async with purchase.opened():
        await purchase.buy(groups())
