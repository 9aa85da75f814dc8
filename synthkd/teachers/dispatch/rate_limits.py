"""Rate limits: requests and tokens per minute, never exceeded in any 60 seconds.

Two mechanisms delay a request. `EvenPace` spreads the limit evenly by the generic cell rate
algorithm (GCRA): ``due`` is the time at which the amount taken so far is earned, and a request may
go when that is at most a small tolerance ahead. `SlidingWindow` guarantees the limit: it knows the
amounts of the last minute, corrected by the counts of the server. A process that is killed and
restarted has no such memory; the pace leaves room for the tolerance that the new process adds.
"""

from __future__ import annotations

import math
from bisect import insort
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from synthkd.requests import Completion, Request

#: Seconds of a minute here: requests may reach the server a little closer together than they were
#: sent.
_MINUTE = 60.6
#: Seconds by which the limit may be used ahead: at thousands per second, timers are too coarse for
#: exact pacing.
_TOLERANCE = 1.2
#: Seconds whose amounts a window keeps as one.
_GRAIN = 0.25
#: Below this limit, requests are sent at even distances.
_FEW = 100
#: Values that a quantile needs, before it replaces the initial value.
_ENOUGH = 20


@dataclass
class EvenPace:
    """Spreads one limit, in units per minute."""

    limit: float
    due: float = -math.inf
    minute: float = _MINUTE

    @property
    def rate(self) -> float:
        """Units per second."""
        return self.limit / (self.minute + self.tolerance)

    @property
    def tolerance(self) -> float:
        return 0.0 if self.limit < _FEW else _TOLERANCE

    def delay(self, now: float) -> float:
        """Return the seconds until the next request may go."""
        return max(0.0, self.due - self.tolerance - now)

    def take(self, amount: float, now: float) -> None:
        self.due = max(self.due, now) + amount / self.rate

    def correct(self, amount: float) -> None:
        """Add the difference between the true amount and the one that was taken."""
        self.due += amount / self.rate


@dataclass
class SlidingWindow:
    """The amounts of the last minute, under one limit."""

    limit: float
    total: float = 0.0
    minute: float = _MINUTE
    #: Time at which an amount leaves the window -> amount.
    _amounts: dict[float, float] = field(default_factory=dict)

    def delay(self, now: float, amount: float) -> float:
        """Return the seconds until there is room.

        An amount above the limit waits for an empty window.
        """
        self._forget(now)
        excess = self.total + amount - self.limit
        if excess <= 0 or not self._amounts:
            return 0.0
        entries = iter(self._amounts.items())
        end = now
        while excess > 0 and (entry := next(entries, None)):
            end, excess = entry[0], excess - entry[1]
        return end - now

    def take(self, amount: float, now: float) -> float:
        """Add an amount; return the time at which it leaves the window, which `correct` needs."""
        end = (math.floor(now / _GRAIN) + 1) * _GRAIN + self.minute
        self._amounts[end] = self._amounts.get(end, 0.0) + amount
        self.total += amount
        return end

    def correct(self, amount: float, end: float) -> None:
        """Add a difference to an amount that is still in the window."""
        if end in self._amounts:
            self._amounts[end] += amount
            self.total += amount

    def _forget(self, now: float) -> None:
        while self._amounts and (end := next(iter(self._amounts))) <= now:
            self.total -= self._amounts.pop(end)
        if not self._amounts:
            # Sums of floats drift.
            self.total = 0.0


class MinuteLimit:
    """One limit per minute: spread evenly, and never exceeded.

    Args:
        limit: Units per minute.
        lag: Seconds by which an amount may be used after it was taken.
    """

    def __init__(self, limit: float, lag: float = 0.0) -> None:
        minute = _MINUTE + lag
        self.pace = EvenPace(limit, minute=minute)
        self.window = SlidingWindow(limit, minute=minute)

    def delay(self, now: float, amount: float) -> float:
        return max(self.pace.delay(now), self.window.delay(now, amount))

    def take(self, amount: float, now: float) -> float:
        self.pace.take(amount, now)
        return self.window.take(amount, now)

    def correct(self, amount: float, end: float) -> None:
        self.pace.correct(amount)
        self.window.correct(amount, end)


@dataclass(frozen=True, slots=True)
class TokenReservation:
    """Tokens that were taken for a request, and the time until which they count."""

    tokens: float = 0.0
    end: float = 0.0


NO_TOKENS = TokenReservation()


class RunningQuantile:
    """The 95th percentile of the last ``size`` values."""

    def __init__(self, initial: float, size: int = 256) -> None:
        self.initial, self.size = initial, size
        self._values: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, value: float) -> None:
        self._values.append(value)
        insort(self._sorted, value)
        if len(self._values) > self.size:
            self._sorted.remove(self._values.popleft())

    @property
    def value(self) -> float:
        """The percentile; ``initial`` until there are enough values."""
        count = len(self._sorted)
        return self._sorted[int(0.95 * (count - 1))] if count >= _ENOUGH else self.initial


@dataclass
class TokenEstimator:
    """Estimates the tokens of a request from the counts of earlier ones."""

    per_byte: RunningQuantile = field(default_factory=lambda: RunningQuantile(0.5))
    written: RunningQuantile | None = None

    def estimate(self, request: Request) -> float:
        """Return the tokens, read and written, that a request is expected to use."""
        if self.written is None:
            self.written = RunningQuantile(request.sampling.max_tokens)
        read = len(request.messages_json) * self.per_byte.value
        return read + self.written.value * len(request.sample_indexes)

    def update(self, request: Request, completions: list[Completion]) -> float | None:
        """Add the counts of a request; return its tokens, None if the server counts none."""
        written = [c.completion_tokens for c in completions if c.completion_tokens is not None]
        read = completions[0].prompt_tokens if completions else None
        if read is None or len(written) < len(completions):
            return None
        self.per_byte.add(read / max(len(request.messages_json), 1))
        if self.written is not None:
            for tokens in written:
                self.written.add(tokens)
        return read + sum(written)


class Limiter(Protocol):
    """Delays requests so that rate limits are kept; `RateLimiter` has the methods' meaning."""

    def delay(self, now: float, request: Request) -> float: ...

    def take(self, request: Request, now: float) -> TokenReservation: ...

    def settle(
        self, request: Request, reservation: TokenReservation, completions: list[Completion]
    ) -> None: ...


@dataclass
class RateLimits:
    """The limits of a run: ``requests`` and ``tokens`` per minute; None for no limit."""

    requests: float | None = None
    tokens: float | None = None

    def limiter(self) -> Limiter | None:
        """Return a limiter that keeps these limits; None if there are none."""
        return RateLimiter(self) if self.requests or self.tokens else None


class RateLimiter:
    """Keeps `RateLimits` over one run."""

    def __init__(self, limits: RateLimits) -> None:
        self._requests = MinuteLimit(limits.requests) if limits.requests else None
        self._tokens = MinuteLimit(limits.tokens) if limits.tokens else None
        self._estimator = TokenEstimator()

    def delay(self, now: float, request: Request) -> float:
        """Return the seconds until a request, the next one, may go."""
        requests = self._requests.delay(now, 1) if self._requests else 0.0
        tokens = self._tokens.delay(now, self._estimator.estimate(request)) if self._tokens else 0.0
        return max(requests, tokens)

    def take(self, request: Request, now: float) -> TokenReservation:
        """Count a request that is sent."""
        if self._requests:
            self._requests.take(1, now)
        if self._tokens is None:
            return NO_TOKENS
        tokens = self._estimator.estimate(request)
        return TokenReservation(tokens, self._tokens.take(tokens, now))

    def settle(
        self, request: Request, reservation: TokenReservation, completions: list[Completion]
    ) -> None:
        """Replace the estimate of a request by the tokens that the server counted."""
        if self._tokens is None:
            return
        tokens = self._estimator.update(request, completions)
        if tokens is not None:
            self._tokens.correct(tokens - reservation.tokens, reservation.end)
