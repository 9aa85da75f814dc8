"""Send requests side by side, within a bound, and try again what may succeed.

A request is pulled only when there is a place for it, and keeps counting until its answer was taken by the
reader: memory is flat, and a reader that is slow to commit slows the sending.

    pulled ──► in flight ──► answered
                 │   ▲
       transient │   │ waited (holds no place)
                 ▼   │
               waiting ──► failed, when its tries are used up
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from synthkd.errors import RequestError, TeacherError, UnreachableError
from synthkd.requests import Answer, Failure, Request

Send = Callable[[Request], Awaitable[list[Answer]]]
#: Requests in a row that use up their tries without reaching a server that answered before, until it counts as
#: gone. Tries do not count: one restart of the server fails a try of each request in flight.
GONE_AFTER = 20


class TransientError(TeacherError):
    """One try failed in a way that another may not. ``retry_after`` is in seconds.

    ``answers`` came before it failed: they are kept, and the next try asks for the rest only.
    """

    def __init__(
        self, reason: str, detail: str, retry_after: float | None = None, answers: Sequence[Answer] = ()
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.retry_after = reason, detail, retry_after
        self.answers = list(answers)


@dataclass(frozen=True)
class Policy:
    """How much is in flight, how often a request is tried, and how long is waited in between (seconds)."""

    concurrency: int = 16
    max_attempts: int = 6
    base: float = 0.5
    longest: float = 60.0

    def wait(self, attempt: int, retry_after: float | None) -> float:
        """Full jitter up to a doubling bound, but never less than the server asked for."""
        bound = min(self.longest, self.base * 2 ** (attempt - 1))
        return max(random.uniform(0, bound), retry_after or 0.0)  # noqa: S311


def retry_after(value: str | None) -> float | None:
    """Seconds in a Retry-After header, which holds seconds or a date; None where it holds neither."""
    if not value:
        return None
    with suppress(ValueError):
        seconds = float(value)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    with suppress(ValueError, TypeError, OverflowError):
        at = parsedate_to_datetime(value)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0.0, (at - datetime.now(UTC)).total_seconds())
    return None


async def dispatch(
    requests: AsyncIterator[Request], send: Send, policy: Policy
) -> AsyncGenerator[list[Answer], None]:
    """Yield groups of answers as they come. A `TeacherError` of ``send`` ends it, after what came is yielded."""
    run = _Dispatch(send, policy)
    pull = asyncio.create_task(run.pull(requests))
    try:
        while True:
            group, requests_done = await run.next_group()
            if group:
                yield group
            # Only now has the reader committed these: their places are free again.
            for _ in range(requests_done):
                run.pulled.release()
            # More may have come while the reader had this group: it is yielded before the end.
            if run.fatal is not None and run.answers.empty():
                raise run.fatal
            if run.drained:
                return
    finally:
        for task in (pull, *run.tasks):
            task.cancel()
        await asyncio.gather(pull, *run.tasks, return_exceptions=True)


class _Dispatch:
    """State of one `dispatch`."""

    def __init__(self, send: Send, policy: Policy) -> None:
        self.send, self.policy = send, policy
        self.places = asyncio.Semaphore(policy.concurrency)
        # Waiting retries hold no place, so what is pulled is bounded on its own.
        self.pulled = asyncio.Semaphore(policy.concurrency * 2)
        self.tasks: set[asyncio.Task[None]] = set()
        #: Answers, and whether they are the last of their request.
        self.answers: asyncio.Queue[tuple[list[Answer], bool]] = asyncio.Queue()
        self.fatal: Exception | None = None
        self.ended = False
        self.unreached = 0
        self.reached = False
        self.wake = asyncio.Event()

    @property
    def drained(self) -> bool:
        return self.ended and not self.tasks and self.answers.empty()

    async def pull(self, requests: AsyncIterator[Request]) -> None:
        """Start a task for each request, as there is room."""
        try:
            while True:
                await self.pulled.acquire()
                # Nothing more is sent once the end was decided.
                if self.fatal is not None or (request := await anext(requests, None)) is None:
                    return
                task = asyncio.create_task(self.handle(request))
                self.tasks.add(task)
                task.add_done_callback(self._done)
        except Exception as error:  # noqa: BLE001 (raised again by `dispatch`, in the reader's task)
            self.fatal = error
        finally:
            self.ended = True
            self.wake.set()

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self.wake.set()

    async def next_group(self) -> tuple[list[Answer], int]:
        """Everything that has come, once something has, and of how many requests."""
        while self.answers.empty() and not self.drained and self.fatal is None:
            self.wake.clear()
            await self.wake.wait()
        group: list[Answer] = []
        count = 0
        while not self.answers.empty():
            answers, last = self.answers.get_nowait()
            group.extend(answers)
            count += last
        return group, count

    async def handle(self, request: Request) -> None:
        """One request to its end: answers, failures, or the end of the run."""
        try:
            self.put(await self.attempt(request), last=True)
        except TeacherError as error:
            self.fatal = self.fatal or error
        except Exception as error:  # noqa: BLE001 (one odd answer is a fate, not the end of the run)
            self.put(failures(request, "error", f"{type(error).__name__}: {error}", 1, False), last=True)
        self.wake.set()

    def put(self, answers: list[Answer], last: bool) -> None:
        self.answers.put_nowait((answers, last))
        self.wake.set()

    async def attempt(self, request: Request) -> list[Answer]:
        """Try until it succeeds, is refused for good, or has used up its tries."""
        for attempt in range(1, self.policy.max_attempts + 1):
            try:
                async with self.places:
                    answers = await self.send(request)
            except RequestError as error:
                self.reached, self.unreached = True, 0
                return failures(request, error.reason, error.detail, attempt, True)
            except TransientError as error:
                last = error
                request = self._keep(request, error)
            else:
                self.reached, self.unreached = True, 0
                return answers
            if attempt < self.policy.max_attempts:
                await asyncio.sleep(self.policy.wait(attempt, last.retry_after))
        self._give_up(last)
        return failures(request, last.reason, last.detail, self.policy.max_attempts, False)

    def _keep(self, request: Request, error: TransientError) -> Request:
        """Hand on what came before the error, so that it is on disk while the rest waits; the rest."""
        if error.reason != "unreachable" or error.answers:
            self.reached, self.unreached = True, 0
        if not error.answers:
            return request
        self.put(error.answers, last=False)
        have = {answer.sample_index for answer in error.answers}
        return replace(request, sample_indexes=tuple(i for i in request.sample_indexes if i not in have))

    def _give_up(self, error: TransientError) -> None:
        """A server that never answered, or that nobody reaches any more, ends the run."""
        if error.reason != "unreachable":
            return
        self.unreached += 1
        if self.unreached >= (GONE_AFTER if self.reached else 1):
            self.fatal = self.fatal or UnreachableError(error.detail)


def failures(request: Request, reason: str, detail: str, attempts: int, permanent: bool) -> list[Answer]:
    """The same failure for each sample of a request."""
    return [
        Failure(request.request_id, index, reason, detail[:500], attempts, permanent)
        for index in request.sample_indexes
    ]
