"""Requests and tokens a minute: never more in any 60 seconds than allowed, and nearly all of it used.

Each limit is paced by the generic cell rate algorithm: ``due`` is when the allowance that was taken so far is
earned; a request may go while ``due`` is less than a small tolerance ahead of now. Over any 60 s that lets through
at most rate x (60 + tolerance) and the last one taken, which the rate is set to keep below the limit. A process
that is killed and started again adds the tolerance once, no more.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from dataclasses import dataclass, field

from synthkd.requests import Completion, Request

#: Seconds by which the allowance may be used ahead: at thousands a second, timers are too coarse for pure pacing.
_TOLERANCE = 1.2
#: Kept free, for requests that reach the server a little closer together than they were sent.
_SLACK = 0.01
#: Below so many a minute, they are sent at even distances.
_FEW = 100


@dataclass
class Pace:
    """One limit, in units a minute."""

    limit: float
    due: float = 0.0
    largest: float = 1.0

    @property
    def tolerance(self) -> float:
        return 0.0 if self.limit < _FEW else _TOLERANCE

    @property
    def rate(self) -> float:
        """Units a second."""
        if self.limit < _FEW:
            return 0.97 * self.limit / 60
        largest = min(self.largest, self.limit / 2)
        return ((1 - _SLACK) * self.limit - largest) / (60 + self.tolerance)

    def wait(self, now: float) -> float:
        """Seconds until the next may go."""
        return max(0.0, self.due - self.tolerance - now)

    def take(self, amount: float, now: float) -> None:
        self.largest = max(self.largest, amount)
        self.due = max(self.due, now) + amount / self.rate

    def correct(self, amount: float) -> None:
        """What was taken was so much more (less, where negative) than was thought."""
        self.due += amount / self.rate


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
        self._requests = Pace(rates.requests) if rates.requests else None
        self._tokens = Pace(rates.tokens) if rates.tokens else None
        self._guess = TokenGuess()

    def wait(self, now: float) -> float:
        """Seconds until the next request may go."""
        return max((pace.wait(now) for pace in (self._requests, self._tokens) if pace), default=0.0)

    def take(self, request: Request, now: float) -> float:
        """A request goes. Returns the tokens that were taken for it."""
        if self._requests:
            self._requests.take(1, now)
        if self._tokens is None:
            return 0.0
        tokens = self._guess.guess(request)
        self._tokens.take(tokens, now)
        return tokens

    def settle(self, request: Request, taken: float, done: list[Completion]) -> None:
        """A request came back: put what it was in the place of what was guessed."""
        if self._tokens is None:
            return
        tokens = self._guess.learn(request, done)
        if tokens is not None:
            self._tokens.correct(tokens - taken)
