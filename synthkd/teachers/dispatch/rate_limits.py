"""Requests and tokens a minute: never more in any 60 seconds than allowed, and nearly all of it used.

Two things hold a request back. `Pace` spreads the allowance evenly, by the generic cell rate algorithm: ``due`` is
when what was taken so far is earned, and a request may go while that is less than a small tolerance ahead of now.
`Window` keeps the promise: it knows what went in the last minute, by the newest knowledge of how much that was. A
process that is killed and started again has no such memory: the pace leaves room for the tolerance that it adds.
"""

from __future__ import annotations

import math
from bisect import insort
from collections import deque
from dataclasses import dataclass, field

from synthkd.requests import Completion, Request

#: Seconds that count as a minute: requests may reach the server a little closer together than they were sent.
_MINUTE = 60.6
#: Seconds by which the allowance may be used ahead: at thousands a second, timers are too coarse for pure pacing.
_TOLERANCE = 1.2
#: Seconds in which what is taken is remembered as one.
_GRAIN = 0.25
#: Below so many a minute, they are sent at even distances.
_FEW = 100


@dataclass
class Pace:
    """Spreads one limit, in units a minute."""

    limit: float
    due: float = -math.inf

    @property
    def rate(self) -> float:
        """Units a second."""
        return self.limit / (_MINUTE + self.tolerance)

    @property
    def tolerance(self) -> float:
        return 0.0 if self.limit < _FEW else _TOLERANCE

    def wait(self, now: float) -> float:
        """Seconds until the next may go."""
        return max(0.0, self.due - self.tolerance - now)

    def take(self, amount: float, now: float) -> None:
        self.due = max(self.due, now) + amount / self.rate

    def correct(self, amount: float) -> None:
        """What was taken was so much more (less, where negative) than was thought."""
        self.due += amount / self.rate


@dataclass
class Window:
    """What went in the last minute, under one limit."""

    limit: float
    total: float = 0.0
    #: By the time at which they are forgotten.
    _taken: dict[float, float] = field(default_factory=dict)

    def wait(self, now: float, amount: float) -> float:
        """Seconds until there is room for so much; more than the limit goes alone."""
        self._forget(now)
        over = self.total + amount - self.limit
        if over <= 0 or not self._taken:
            return 0.0
        ends = iter(self._taken.items())
        end = now
        while over > 0 and (entry := next(ends, None)):
            end, over = entry[0], over - entry[1]
        return end - now

    def take(self, amount: float, now: float) -> float:
        """Returns what `correct` wants to know: when this is forgotten."""
        end = (math.floor(now / _GRAIN) + 1) * _GRAIN + _MINUTE
        self._taken[end] = self._taken.get(end, 0.0) + amount
        self.total += amount
        return end

    def correct(self, amount: float, end: float) -> None:
        if end in self._taken:
            self._taken[end] += amount
            self.total += amount

    def _forget(self, now: float) -> None:
        while self._taken and (end := next(iter(self._taken))) <= now:
            self.total -= self._taken.pop(end)
        if not self._taken:
            # Sums of floats drift.
            self.total = 0.0


class Allowance:
    """One limit: spread evenly, and never passed."""

    def __init__(self, limit: float) -> None:
        self.pace, self.window = Pace(limit), Window(limit)

    def wait(self, now: float, amount: float) -> float:
        return max(self.pace.wait(now), self.window.wait(now, amount))

    def take(self, amount: float, now: float) -> float:
        self.pace.take(amount, now)
        return self.window.take(amount, now)

    def correct(self, amount: float, end: float) -> None:
        self.pace.correct(amount)
        self.window.correct(amount, end)


@dataclass(frozen=True, slots=True)
class Taken:
    """Tokens that were taken for a request, and until when they count."""

    tokens: float = 0.0
    end: float = 0.0


NOTHING = Taken()


class Quantile:
    """The 95th percentile of the last values."""

    def __init__(self, start: float, size: int = 256) -> None:
        self.start, self.size = start, size
        self._values: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, value: float) -> None:
        self._values.append(value)
        insort(self._sorted, value)
        if len(self._values) > self.size:
            self._sorted.remove(self._values.popleft())

    @property
    def value(self) -> float:
        """``start`` until there are enough values to tell."""
        return self._sorted[int(0.95 * (len(self._sorted) - 1))] if len(self._sorted) >= 20 else self.start


@dataclass
class TokenGuess:
    """How many tokens a request will come to: what its like came to before."""

    per_byte: Quantile = field(default_factory=lambda: Quantile(0.5))
    written: Quantile | None = None

    def guess(self, request: Request) -> float:
        """Tokens read and written."""
        if self.written is None:
            self.written = Quantile(request.sampling.max_tokens)
        read = len(request.messages_json) * self.per_byte.value
        return read + self.written.value * len(request.sample_indexes)

    def learn(self, request: Request, done: list[Completion]) -> float | None:
        """Tokens that a request did come to; None where the server does not count them."""
        counted = [c.completion_tokens for c in done if c.completion_tokens is not None]
        read = done[0].prompt_tokens if done else None
        if read is None or len(counted) < len(done):
            return None
        self.per_byte.add(read / max(len(request.messages_json), 1))
        if self.written is not None:
            for tokens in counted:
                self.written.add(tokens)
        return read + sum(counted)


@dataclass
class Rates:
    """The limits of a run: ``requests`` and ``tokens`` a minute, None for no limit."""

    requests: float | None = None
    tokens: float | None = None

    def pacer(self) -> Pacer | None:
        """The state that keeps these limits; None where there are none."""
        return Pacer(self) if self.requests or self.tokens else None


class Pacer:
    """Keeps the limits of `Rates` over one run."""

    def __init__(self, rates: Rates) -> None:
        self._requests = Allowance(rates.requests) if rates.requests else None
        self._tokens = Allowance(rates.tokens) if rates.tokens else None
        self._guess = TokenGuess()

    def wait(self, now: float, request: Request) -> float:
        """Seconds until a request, the next one, may go."""
        requests = self._requests.wait(now, 1) if self._requests else 0.0
        return max(requests, self._tokens.wait(now, self._guess.guess(request)) if self._tokens else 0.0)

    def take(self, request: Request, now: float) -> Taken:
        """A request goes."""
        if self._requests:
            self._requests.take(1, now)
        if self._tokens is None:
            return NOTHING
        tokens = self._guess.guess(request)
        return Taken(tokens, self._tokens.take(tokens, now))

    def settle(self, request: Request, taken: Taken, done: list[Completion]) -> None:
        """A request came back: put what it was in the place of what was guessed."""
        if self._tokens is None:
            return
        tokens = self._guess.learn(request, done)
        if tokens is not None:
            self._tokens.correct(tokens - taken.tokens, taken.end)
