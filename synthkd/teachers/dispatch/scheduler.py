"""Send requests concurrently within limits, and retry those that may succeed.

A request is read only when there is room for it, and counts until the reader has taken its answer:
memory is flat, and a reader that is slow to commit slows the sending.

    read ──► ready ──► in flight ──► answered ──► taken by the reader
               ▲           │
               │           │ an attempt failed, and another may succeed
          due  │           ▼
             waiting (a heap by time; takes no place) ──► failed, after the last attempt or deadline

Ready requests go to the endpoint with the lowest load. `ConcurrencyLimit` (how many requests the
endpoint can handle) and `RateLimiter` (requests and tokens per minute) delay them.
`CircuitBreaker`, or an error that concerns every request, ends the run.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

from synthkd.errors import RequestError, TeacherError, UnreachableError
from synthkd.requests import Answer, Completion, Request
from synthkd.teachers.base import Account
from synthkd.teachers.dispatch.circuit_breaker import CircuitBreaker
from synthkd.teachers.dispatch.concurrency import ConcurrencyLimit
from synthkd.teachers.dispatch.rate_limits import NO_TOKENS, TokenReservation
from synthkd.teachers.dispatch.retry import (
    DispatchPolicy,
    PartialAnswerError,
    TransientError,
    failures_for,
)

Send = Callable[[Request], Awaitable[list[Answer]]]
#: Requests in a row that use up their attempts without reaching a server that has answered before,
#: until it counts as gone. Attempts do not count: a restart of the server fails one attempt of each
#: request in flight.
MAX_UNREACHED = 20
#: Seconds that requests in flight have to end after a fatal error.
_DRAIN = 5.0
#: Seconds for which an endpoint that cannot be reached or only fails is paused: the first pause,
#: and the longest.
_PAUSE = (1.0, 60.0)
#: Failed attempts in a row at an endpoint, until it is paused. An endpoint that fails at once has
#: the lowest load, and would use up the attempts of every request.
_FAILING = 5


async def dispatch(
    requests: AsyncIterator[Request],
    send: Send | Sequence[Send],
    policy: DispatchPolicy,
    account: Account | None = None,
) -> AsyncGenerator[list[Answer], None]:
    """Send requests, and yield groups of answers as they arrive.

    Args:
        requests: The source; it is read as there is room.
        send: Sends one request; several functions are several endpoints of one model.
        policy: Limits and retries.
        account: Records which attempts may be billed.

    Raises:
        TeacherError: No further request can succeed. All answers from before are yielded first.
    """
    sends = [send] if callable(send) else list(send)
    run = _Scheduler(sends, policy, account)
    reading = asyncio.create_task(run.read(requests))
    try:
        while True:
            group, finished = await run.next_group()
            if group:
                yield group
            # The reader has committed these answers: their places are free again.
            run.release(finished)
            # More may have arrived while the reader had this group: it is yielded before the end.
            if not run.answers:
                if run.fatal is not None and not await run.drained_in_time():
                    raise run.fatal
                if run.drained and run.fatal is None:
                    return
    finally:
        run.close()
        ending = [reading, *run.attempts]
        for one in ending:
            one.cancel()
        await asyncio.gather(*ending, return_exceptions=True)


@dataclass
class _Endpoint:
    """One address: its concurrency limit, its failed attempts in a row, and its pauses."""

    send: Send
    limit: ConcurrencyLimit
    failures: int = 0
    pauses: int = 0
    paused_until: float = 0.0

    def pause(self, now: float) -> None:
        """Pause the endpoint.

        An attempt that fails during a pause was sent before, and does not extend the pause.
        """
        if self.paused_until <= now:
            shortest, longest = _PAUSE
            self.paused_until = now + min(longest, shortest * 2 ** min(self.pauses, 10))
            self.pauses += 1


@dataclass(slots=True, eq=False)
class _Job:
    """A request between the source and its last answer.

    ``start`` is the time of its first attempt.
    """

    request: Request
    attempt: int = 0
    start: float = 0.0
    reservation: TokenReservation = NO_TOKENS


class _Scheduler:
    """State of one `dispatch`."""

    def __init__(
        self, sends: Sequence[Send], policy: DispatchPolicy, account: Account | None
    ) -> None:
        self.policy, self.account = policy, account
        share = -(-policy.concurrency // len(sends))
        self.endpoints = [_Endpoint(one, ConcurrencyLimit(share, policy.adaptive)) for one in sends]
        self.limiter = policy.rates.limiter()
        self.breaker = CircuitBreaker(policy.patience, policy.failing_share)
        self.loop = asyncio.get_running_loop()
        self.ready: deque[_Job] = deque()
        self.waiting: list[tuple[float, int, _Job]] = []
        #: Attempts that have not ended, and charges of some that have.
        self.attempts: set[asyncio.Future[Any]] = set()
        self.answers: list[Answer] = []
        #: Requests whose last answer is among `answers`.
        self.finished = 0
        # Waiting retries take no place in flight, so requests that are read have their own bound.
        self.room = asyncio.Semaphore(policy.concurrency * 2)
        self.fatal: Exception | None = None
        #: Time until which requests in flight may end after a fatal error.
        self.drain_end = 0.0
        self.source_ended = False
        #: Requests in a row that were given up without reaching the server, and whether it was ever
        #: reached.
        self.unreached = 0
        self.has_reached = False
        self.wake = asyncio.Event()
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None
        self._pump_is_due = False

    # Answers, for the reader

    @property
    def drained(self) -> bool:
        return self.source_ended and not (
            self.attempts or self.ready or self.waiting or self.answers
        )

    async def next_group(self) -> tuple[list[Answer], int]:
        """Wait for answers; return all that have arrived and how many requests they complete."""
        while not self.answers and not self.drained and self.fatal is None:
            self.wake.clear()
            await self.wake.wait()
        group, self.answers = self.answers, []
        finished, self.finished = self.finished, 0
        return group, finished

    def release(self, requests: int) -> None:
        for _ in range(requests):
            self.room.release()

    async def drained_in_time(self) -> bool:
        """Wait for a request in flight after a fatal error; return False at the end or at timeout.

        Requests are waited for because one that is cancelled may be billed, and has to be charged.
        """
        self.drain_end = self.drain_end or self.loop.time() + _DRAIN
        left = self.drain_end - self.loop.time()
        if self.attempts and left > 0:
            await asyncio.wait(self.attempts, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            return True
        return bool(self.answers)

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()
        self.fatal = self.fatal or TeacherError("closed")

    # Requests, from the source

    async def read(self, requests: AsyncIterator[Request]) -> None:
        """Read requests as there is room."""
        try:
            while True:
                await self.room.acquire()
                # After a fatal error nothing more is sent.
                if self.fatal is not None or (request := await anext(requests, None)) is None:
                    return
                self.ready.append(_Job(request))
                self._pump_soon()
        except Exception as error:  # noqa: BLE001 (raised again by `dispatch`, in the reader's task)
            self.fatal = error
        finally:
            self.source_ended = True
            self.wake.set()

    def _pump_soon(self) -> None:
        """Send in the next turn of the loop, so that what comes in one turn is marked together."""
        if not self._pump_is_due:
            self._pump_is_due = True
            self.loop.call_soon(self.pump)

    def pump(self) -> None:
        """Send the requests that may go now, and schedule the next call."""
        self._pump_is_due = False
        if self.fatal is not None:
            return
        now = self.loop.time()
        while self.waiting and self.waiting[0][0] <= now:
            self.ready.appendleft(heapq.heappop(self.waiting)[2])
        wait = self.waiting[0][0] - now if self.waiting else None
        leaving: list[tuple[_Job, _Endpoint]] = []
        while self.ready:
            endpoint = self._endpoint(now)
            if endpoint is None:
                break
            if self.limiter and (delay := self.limiter.delay(now, self.ready[0].request)) > 0:
                wait = delay if wait is None else min(wait, delay)
                break
            leaving.append((self._take(self.ready.popleft(), endpoint, now), endpoint))
        if leaving:
            self._start(leaving, now)
        self._schedule(wait, now)

    def _endpoint(self, now: float) -> _Endpoint | None:
        """Return the endpoint with the lowest load that is not paused; None if there is no room."""
        if len(self.endpoints) == 1:
            return self.endpoints[0] if self.endpoints[0].limit.has_room else None
        if sum(e.limit.in_flight for e in self.endpoints) >= self.policy.concurrency:
            return None
        active = [e for e in self.endpoints if e.paused_until <= now] or [
            min(self.endpoints, key=lambda e: e.paused_until)
        ]
        best = min(active, key=lambda e: e.limit.load)
        return best if best.limit.has_room else None

    def _take(self, job: _Job, endpoint: _Endpoint, now: float) -> _Job:
        """Count a job as sent."""
        job.attempt += 1
        job.start = job.start or now
        job.reservation = self.limiter.take(job.request, now) if self.limiter else NO_TOKENS
        endpoint.limit.acquire(now)
        return job

    def _start(self, leaving: list[tuple[_Job, _Endpoint]], now: float) -> None:
        """Mark requests as sent, then send them."""
        self.breaker.record_send(now)
        try:
            if self.account:
                self.account.sent([job.request for job, _ in leaving])
        except Exception as error:  # noqa: BLE001 (a run that cannot record what it sends must not go on)
            for _, endpoint in leaving:
                endpoint.limit.release()
            self._end(error)
            return
        for job, endpoint in leaving:
            attempt: asyncio.Future[list[Answer]]
            try:
                attempt = asyncio.ensure_future(endpoint.send(job.request))
            except Exception as error:  # noqa: BLE001 (becomes an outcome as any other)
                attempt = self.loop.create_future()
                attempt.set_exception(error)
            self.attempts.add(attempt)
            attempt.add_done_callback(partial(self._attempt_done, job, endpoint, now))

    def _attempt_done(
        self,
        job: _Job,
        endpoint: _Endpoint,
        start: float,
        attempt: asyncio.Future[list[Answer]],
    ) -> None:
        self.attempts.discard(attempt)
        endpoint.limit.release()
        try:
            if not attempt.cancelled():
                self._handle(job, endpoint, start, attempt)
        except Exception as error:  # noqa: BLE001 (of the account: a run that cannot record what it sends must not go on)
            self._end(error)
        self._after_attempt()

    def _after_attempt(self) -> None:
        if not self.attempts:
            if not self.waiting:
                self.breaker.record_idle(self.loop.time())
            self.wake.set()
        if self.ready or self.waiting:
            self._pump_soon()

    def _schedule(self, wait: float | None, now: float) -> None:
        """Call `pump` again after ``wait`` seconds, and check the breaker in time."""
        if self._timer:
            if wait is None and not self._timer.cancelled() and self._timer.when() > now:
                return
            self._timer.cancel()
        patience = self.breaker.seconds_left(now)
        self._timer = self.loop.call_later(
            patience if wait is None else min(wait, patience), self._tick
        )

    def _tick(self) -> None:
        self._timer = None
        if self.attempts or self.ready or self.waiting:
            self.breaker.check(self.loop.time())
            self._check_breaker()
        self.pump()

    # One attempt

    def _handle(
        self,
        job: _Job,
        endpoint: _Endpoint,
        start: float,
        attempt: asyncio.Future[list[Answer]],
    ) -> None:
        """Turn the end of an attempt into answers, a retry or the end of the run."""
        error = attempt.exception()
        answers = attempt.result() if error is None else []
        now = self.loop.time()
        if (
            self.account
            and isinstance(error, TeacherError)
            and error.billed is False
            and not _has_answers(error)
        ):
            # Recorded at once: a kill from now on must not leave the attempt charged.
            self.account.unbilled(job.request)
        if error is None:
            endpoint.limit.record_success(now, now - start)
            endpoint.failures = endpoint.pauses = 0
            self._settle(job, answers)
            self._reach()
            self._finish(answers, now)
        elif isinstance(error, PartialAnswerError):
            endpoint.limit.record_success(now, now - start)
            self._continue(job, error.answers)
        elif isinstance(error, TransientError):
            self._retry(job, endpoint, error, now)
        elif isinstance(error, RequestError):
            self._settle(job, [])
            self._reach()
            tokens = None if error.billed is None else 0
            self._finish(
                failures_for(job.request, error.reason, error.detail, job.attempt, True, tokens),
                now,
            )
        elif isinstance(error, TeacherError):
            self._end(error)
        elif not isinstance(error, Exception):
            raise error
        else:
            # One unexpected answer is a failure of its request, not the end of the run.
            detail = f"{type(error).__name__}: {error}"
            self._finish(failures_for(job.request, "error", detail, job.attempt, False, None), now)

    def _settle(self, job: _Job, answers: list[Answer]) -> None:
        if self.limiter:
            completions = [answer for answer in answers if isinstance(answer, Completion)]
            self.limiter.settle(job.request, job.reservation, completions)

    def _reach(self) -> None:
        self.has_reached, self.unreached = True, 0

    def _finish(self, answers: list[Answer], now: float) -> None:
        """Pass on the last answers of a request."""
        failure = next((a for a in answers if not isinstance(a, Completion)), None)
        if failure is None:
            self.breaker.record_success(now)
        else:
            self.breaker.record_failure(failure.reason, failure.detail)
            self._check_breaker()
        self.finished += 1
        self._put(answers)

    def _put(self, answers: list[Answer]) -> None:
        self.answers += answers
        self.wake.set()

    def _check_breaker(self) -> None:
        if self.breaker.error:
            self._end(self.breaker.error)

    def _end(self, error: Exception) -> None:
        self.fatal = self.fatal or error
        self.wake.set()

    def _retry(self, job: _Job, endpoint: _Endpoint, error: TransientError, now: float) -> None:
        """Schedule the next attempt, or give up."""
        self.breaker.record_attempt_failure(error.reason, error.detail)
        if error.slow_down:
            endpoint.limit.record_overload(now)
        self._keep_answers(job, error)
        endpoint.failures += 1
        if error.reason == "unreachable" or endpoint.failures >= _FAILING:
            endpoint.pause(now)
        if error.reason == "unreachable" and any(
            other.paused_until <= now for other in self.endpoints
        ):
            # Another endpoint can be asked at once.
            job.attempt -= 1
            self.ready.appendleft(job)
            return
        wait = self.policy.delay(job.attempt, error.retry_after)
        if job.attempt >= self.policy.max_attempts:
            self._give_up(job, error, error.reason)
        elif self.policy.deadline is not None and now + wait - job.start > self.policy.deadline:
            self._give_up(job, error, "deadline")
        elif error.billed is None and self.account:
            charge = self.loop.create_task(self._charge(self.account, job, error, now + wait))
            self.attempts.add(charge)
            charge.add_done_callback(self._charge_done)
        else:
            self._wait(job, now + wait)

    def _wait(self, job: _Job, due: float) -> None:
        heapq.heappush(self.waiting, (due, next(self._numbers), job))

    async def _charge(self, account: Account, job: _Job, error: TransientError, due: float) -> None:
        """Charge an attempt of unknown cost before the next, if there is money for both."""
        if await account.unknown(job.request):
            self._wait(job, due)
        else:
            self._give_up(job, error, "budget")

    def _charge_done(self, charge: asyncio.Task[None]) -> None:
        self.attempts.discard(charge)
        if not charge.cancelled() and isinstance(error := charge.exception(), Exception):
            self._end(error)
        self._after_attempt()

    def _keep_answers(self, job: _Job, error: TransientError) -> None:
        """Pass on the answers that preceded an error, to store them before the retry."""
        if error.reason != "unreachable" or error.answers:
            self._reach()
        if error.answers:
            self._put_partial(job, error.answers)

    def _put_partial(self, job: _Job, answers: list[Answer]) -> None:
        """Pass on the answers to some samples of a request, and go on with the others."""
        self._put(answers)
        answered = {answer.sample_index for answer in answers}
        job.request = job.request.with_samples(
            tuple(i for i in job.request.sample_indexes if i not in answered)
        )

    def _continue(self, job: _Job, answers: list[Answer]) -> None:
        """Ask for the other samples: a new request for the rate limits, but not a new attempt."""
        self._settle(job, answers)
        self._reach()
        self._put_partial(job, answers)
        job.attempt -= 1
        self.ready.appendleft(job)

    def _give_up(self, job: _Job, error: TransientError, reason: str) -> None:
        now = self.loop.time()
        # If the account refused a further attempt, the last one is charged already.
        tokens = None if error.billed is None and reason != "budget" else 0
        self._finish(
            failures_for(job.request, reason, error.detail, job.attempt, False, tokens), now
        )
        # A server that never answered, or that no request reaches any more, ends the run.
        if error.reason == "unreachable":
            self.unreached += 1
            if self.unreached >= (MAX_UNREACHED if self.has_reached else 1):
                self._end(UnreachableError(error.detail))


def _has_answers(error: TeacherError) -> bool:
    """Return True if an error brings answers, which are billed and not committed yet."""
    return isinstance(error, TransientError | PartialAnswerError) and bool(error.answers)
