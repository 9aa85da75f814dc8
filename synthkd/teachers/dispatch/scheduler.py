"""Send requests side by side, within a bound, and try again what may succeed.

A request is pulled only when there is room for it, and keeps counting until its answer was taken by the
reader: memory is flat, and a reader that is slow to commit slows the sending.

    pulled ──► ready ──► in flight ──► answered ──► taken by the reader
                 ▲           │
                 │           │ a try failed in passing
            due  │           ▼
               waiting (a heap by time; holds no place) ──► failed, when its tries or its deadline are used up

Ready requests go to the endpoint with the most room. What holds them back: `adaptive.Limit` (how many the
endpoint bears), `rates.Pacer` (requests and tokens a minute). What ends it all: `breaker.Breaker`, or an error
with which nothing can go on.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import count

from synthkd.errors import RequestError, TeacherError, UnreachableError
from synthkd.requests import Answer, Completion, Request
from synthkd.teachers.base import Account
from synthkd.teachers.dispatch.circuit_breaker import Breaker
from synthkd.teachers.dispatch.concurrency import Limit
from synthkd.teachers.dispatch.rate_limits import NOTHING, Taken
from synthkd.teachers.dispatch.retry import Policy, TransientError, UnfinishedError, failures

Send = Callable[[Request], Awaitable[list[Answer]]]
#: Requests in a row that use up their tries without reaching a server that answered before, until it counts as
#: gone. Tries do not count: one restart of the server fails a try of each request in flight.
GONE_AFTER = 20
#: Seconds that requests in flight are given, once the end was decided.
_DRAIN = 5.0
#: Seconds that an endpoint rests which cannot be reached or only fails, while there are others: doubling, to the
#: second.
_REST = (1.0, 60.0)
#: Tries in a row that failed at an endpoint, until it rests. One that fails at once has the most room of all, and
#: would use up the tries of every request.
_FAILING = 5


async def dispatch(
    requests: AsyncIterator[Request],
    send: Send | Sequence[Send],
    policy: Policy,
    account: Account | None = None,
) -> AsyncGenerator[list[Answer], None]:
    """Yield groups of answers as they come. A `TeacherError` of ``send`` ends it, after what came is yielded.

    Several ``send`` are several endpoints of one model.
    """
    sends = [send] if callable(send) else list(send)
    run = _Scheduler(sends, policy, account)
    pull = asyncio.create_task(run.pull(requests))
    try:
        while True:
            group, requests_done = await run.next_group()
            if group:
                yield group
            # Only now has the reader committed these: their places are free again.
            run.release(requests_done)
            # More may have come while the reader had this group: it is yielded before the end.
            if not run.answers:
                if run.fatal is not None and not await run.drained_in_time():
                    raise run.fatal
                if run.drained and run.fatal is None:
                    return
    finally:
        run.close()
        for task in (pull, *run.tasks):
            task.cancel()
        await asyncio.gather(pull, *run.tasks, return_exceptions=True)


@dataclass
class _Endpoint:
    """One address, with what it bears and how it has been."""

    send: Send
    limit: Limit
    failed: int = 0
    rests: int = 0
    rests_until: float = 0.0

    def rest(self, now: float) -> None:
        """Not asked for a while. What fails while it rests was sent before, and does not make that longer."""
        if self.rests_until <= now:
            shortest, longest = _REST
            self.rests_until = now + min(longest, shortest * 2 ** min(self.rests, 10))
            self.rests += 1


@dataclass
class _Item:
    """A request on its way."""

    request: Request
    attempt: int = 0
    begun: float = 0.0
    taken: Taken = NOTHING


class _Scheduler:
    """State of one `dispatch`."""

    def __init__(self, sends: Sequence[Send], policy: Policy, account: Account | None) -> None:
        self.policy, self.account = policy, account
        most = -(-policy.concurrency // len(sends))
        self.endpoints = [_Endpoint(one, Limit(most, policy.adaptive)) for one in sends]
        self.pacer = policy.rates.pacer()
        self.breaker = Breaker(policy.patience, policy.failing_share)
        self.loop = asyncio.get_running_loop()
        self.ready: deque[_Item] = deque()
        self.waiting: list[tuple[float, int, _Item]] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.answers: list[Answer] = []
        self.answered = 0
        # Waiting retries hold no place, so what is pulled is bounded on its own.
        self.room = asyncio.Semaphore(policy.concurrency * 2)
        self.fatal: Exception | None = None
        #: Until when what is in flight is waited for, once the end was decided.
        self.drained_by = 0.0
        self.ended = False
        self.unreached = 0
        self.reached = False
        self.wake = asyncio.Event()
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None

    # The reader's side

    @property
    def drained(self) -> bool:
        return self.ended and not (self.tasks or self.ready or self.waiting or self.answers)

    async def next_group(self) -> tuple[list[Answer], int]:
        """Everything that has come, once something has, and of how many requests."""
        while not self.answers and not self.drained and self.fatal is None:
            self.wake.clear()
            await self.wake.wait()
        group, self.answers = self.answers, []
        done, self.answered = self.answered, 0
        return group, done

    def release(self, requests: int) -> None:
        for _ in range(requests):
            self.room.release()

    async def drained_in_time(self) -> bool:
        """After the end was decided: whether something in flight came, or may still come.

        All of it is waited for: what is cut off may be billed, and has to be charged.
        """
        self.drained_by = self.drained_by or self.loop.time() + _DRAIN
        left = self.drained_by - self.loop.time()
        if self.tasks and left > 0:
            await asyncio.wait(self.tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            return True
        return bool(self.answers)

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()
        self.fatal = self.fatal or TeacherError("closed")

    # The way in

    async def pull(self, requests: AsyncIterator[Request]) -> None:
        """Take requests, as there is room."""
        try:
            while True:
                await self.room.acquire()
                # Nothing more is sent once the end was decided.
                if self.fatal is not None or (request := await anext(requests, None)) is None:
                    return
                self.ready.append(_Item(request))
                self.pump()
        except Exception as error:  # noqa: BLE001 (raised again by `dispatch`, in the reader's task)
            self.fatal = error
        finally:
            self.ended = True
            self.wake.set()

    def pump(self) -> None:
        """Send what may be sent now, and come back when more may."""
        if self.fatal is not None:
            return
        now = self.loop.time()
        while self.waiting and self.waiting[0][0] <= now:
            self.ready.appendleft(heapq.heappop(self.waiting)[2])
        wait = self.waiting[0][0] - now if self.waiting else None
        while self.ready:
            endpoint = self._endpoint(now)
            if endpoint is None:
                break
            if self.pacer and (pause := self.pacer.wait(now, self.ready[0].request)) > 0:
                wait = pause if wait is None else min(wait, pause)
                break
            self._start(self.ready.popleft(), endpoint, now)
        self._come_back(wait, now)

    def _endpoint(self, now: float) -> _Endpoint | None:
        """The endpoint with the most room, of those that do not rest."""
        if len(self.endpoints) == 1:
            return self.endpoints[0] if self.endpoints[0].limit.room else None
        if sum(e.limit.in_flight for e in self.endpoints) >= self.policy.concurrency:
            return None
        awake = [e for e in self.endpoints if e.rests_until <= now] or [
            min(self.endpoints, key=lambda e: e.rests_until)
        ]
        best = min(awake, key=lambda e: e.limit.load)
        return best if best.limit.room else None

    def _start(self, item: _Item, endpoint: _Endpoint, now: float) -> None:
        item.attempt += 1
        item.begun = item.begun or now
        item.taken = self.pacer.take(item.request, now) if self.pacer else NOTHING
        endpoint.limit.sent(now)
        self.breaker.sent(now)
        task = self.loop.create_task(self._try(item, endpoint, now))
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            # Of the account: what cannot be recorded as sent or charged must not go on in silence.
            self._end(error)
        if not (self.tasks or self.waiting):
            self.breaker.idle(self.loop.time())
        self.pump()
        if not self.tasks:
            self.wake.set()

    def _come_back(self, wait: float | None, now: float) -> None:
        """Pump again after ``wait`` seconds, and look at the breaker in time."""
        if self._timer:
            if wait is None and not self._timer.cancelled() and self._timer.when() > now:
                return
            self._timer.cancel()
        patience = self.breaker.due(now)
        self._timer = self.loop.call_later(patience if wait is None else min(wait, patience), self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self.tasks or self.ready or self.waiting:
            self.breaker.check(self.loop.time())
            self._look_at_breaker()
        self.pump()

    # One try

    async def _try(self, item: _Item, endpoint: _Endpoint, start: float) -> None:
        error: Exception | None = None
        answers: list[Answer] = []
        if self.account:
            self.account.sent(item.request)
        try:
            answers = await endpoint.send(item.request)
        except Exception as found:  # noqa: BLE001 (each is given its outcome below)
            error = found
        finally:
            endpoint.limit.came()
        now = self.loop.time()
        if self.account and isinstance(error, TeacherError) and error.billed is False and not _brought(error):
            # Said at once: a kill from now on must not leave it charged.
            self.account.unbilled(item.request)
        if error is None:
            endpoint.limit.succeeded(now, now - start)
            endpoint.failed = endpoint.rests = 0
            self._settle(item, answers)
            self._reach()
            self._finish(answers, now)
        elif isinstance(error, UnfinishedError):
            endpoint.limit.succeeded(now, now - start)
            self._go_on(item, error.answers)
        elif isinstance(error, TransientError):
            await self._again(item, endpoint, error, now)
        elif isinstance(error, RequestError):
            self._settle(item, [])
            self._reach()
            tokens = None if error.billed is None else 0
            self._finish(failures(item.request, error.reason, error.detail, item.attempt, True, tokens), now)
        elif isinstance(error, TeacherError):
            self._end(error)
        else:
            # One odd answer is an outcome, not the end of the run.
            detail = f"{type(error).__name__}: {error}"
            self._finish(failures(item.request, "error", detail, item.attempt, False, None), now)

    def _settle(self, item: _Item, answers: list[Answer]) -> None:
        if self.pacer:
            self.pacer.settle(item.request, item.taken, [a for a in answers if isinstance(a, Completion)])

    def _reach(self) -> None:
        self.reached, self.unreached = True, 0

    def _finish(self, answers: list[Answer], now: float) -> None:
        """The last answers of a request."""
        failed = next((a for a in answers if not isinstance(a, Completion)), None)
        if failed is None:
            self.breaker.success(now)
        else:
            self.breaker.failure(failed.reason, failed.detail)
            self._look_at_breaker()
        self.answered += 1
        self._put(answers)

    def _put(self, answers: list[Answer]) -> None:
        self.answers += answers
        self.wake.set()

    def _look_at_breaker(self) -> None:
        if self.breaker.opened:
            self._end(self.breaker.opened)

    def _end(self, error: Exception) -> None:
        self.fatal = self.fatal or error
        self.wake.set()

    async def _again(self, item: _Item, endpoint: _Endpoint, error: TransientError, now: float) -> None:
        """A try failed in passing: wait for the next, or give up."""
        self.breaker.trouble(error.reason, error.detail)
        if error.slow_down:
            endpoint.limit.overloaded(now)
        self._keep(item, error)
        endpoint.failed += 1
        if error.reason == "unreachable" or endpoint.failed >= _FAILING:
            endpoint.rest(now)
        if error.reason == "unreachable" and any(other.rests_until <= now for other in self.endpoints):
            # Another can be asked at once.
            item.attempt -= 1
            self.ready.appendleft(item)
            return
        wait = self.policy.wait(item.attempt, error.retry_after)
        if item.attempt >= self.policy.max_attempts:
            self._give_up(item, error, error.reason)
        elif self.policy.deadline is not None and now + wait - item.begun > self.policy.deadline:
            self._give_up(item, error, "deadline")
        elif error.billed is None and self.account and not await self.account.unknown(item.request):
            self._give_up(item, error, "budget")
        else:
            heapq.heappush(self.waiting, (now + wait, next(self._numbers), item))

    def _keep(self, item: _Item, error: TransientError) -> None:
        """Hand on what came before the error, so that it is on disk while the rest waits."""
        if error.reason != "unreachable" or error.answers:
            self._reach()
        if error.answers:
            self._hand_on(item, error.answers)

    def _hand_on(self, item: _Item, answers: list[Answer]) -> None:
        """Some samples of a request are there; it goes on with the others."""
        self._put(answers)
        have = {answer.sample_index for answer in answers}
        item.request = item.request.only(tuple(i for i in item.request.sample_indexes if i not in have))

    def _go_on(self, item: _Item, answers: list[Answer]) -> None:
        """Ask for the rest: a request of its own for the limits a minute, and no further try."""
        self._settle(item, answers)
        self._reach()
        self._hand_on(item, answers)
        item.attempt -= 1
        self.ready.appendleft(item)

    def _give_up(self, item: _Item, error: TransientError, reason: str) -> None:
        now = self.loop.time()
        # Where the stage was asked for a further try, the one before is counted already.
        tokens = None if error.billed is None and reason != "budget" else 0
        self._finish(failures(item.request, reason, error.detail, item.attempt, False, tokens), now)
        # A server that never answered, or that nobody reaches any more, ends the run.
        if error.reason == "unreachable":
            self.unreached += 1
            if self.unreached >= (GONE_AFTER if self.reached else 1):
                self._end(UnreachableError(error.detail))


def _brought(error: TeacherError) -> bool:
    """Whether samples came before the error, which are billed and not committed yet."""
    return isinstance(error, TransientError | UnfinishedError) and bool(error.answers)
