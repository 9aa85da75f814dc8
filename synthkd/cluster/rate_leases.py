"""Requests and tokens per minute, lent to shards.

The lender keeps the limits of the run as one machine does (`MinuteLimit`), but counts an amount as
taken for the time that its lease may be used in, too: requests may go up to `LIFE` seconds after
the lease was asked for. What a shard did not use comes back with its next message; what a lost node
had counts as used.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from synthkd.requests import Completion, Request
from synthkd.teachers.dispatch.rate_limits import (
    Limiter,
    MinuteLimit,
    RateLimits,
    TokenEstimator,
    TokenReservation,
)

#: Seconds after it was asked for in which a lease may be used.
LIFE = 1.0
#: Seconds of the limit that are lent together at most.
_CHUNK = 0.25
#: Seconds between looks for a new lease, at least and at most.
_SHORTEST, _LONGEST = 0.005, 0.25


class Returned(NamedTuple):
    """Amounts of a lease that were not used, or more tokens than lent (below 0)."""

    requests: float
    tokens: float
    requests_end: float
    tokens_end: float


class RateLease(NamedTuple):
    """Amounts that may be used, or the seconds to wait for the next lease."""

    requests: float
    tokens: float
    wait: float = 0.0
    requests_end: float = 0.0
    tokens_end: float = 0.0


class RateLender:
    """Lends the rates of a run.

    Args:
        requests: Requests per minute; None for no limit.
        tokens: Tokens per minute; None for no limit.
    """

    def __init__(self, requests: float | None, tokens: float | None) -> None:
        self._requests = MinuteLimit(requests, LIFE) if requests else None
        self._tokens = MinuteLimit(tokens, LIFE) if tokens else None
        self._request_chunk = max(1.0, (requests or 0.0) / 60 * _CHUNK // 1)
        self._token_chunk = (tokens or 0.0) / 60 * _CHUNK

    def lend(self, now: float, tokens: float, returned: list[Returned]) -> RateLease:
        """Lend a part of the limits.

        Args:
            now: The lender's time, in seconds.
            tokens: Tokens of the next request, at least these are lent.
            returned: Parts of earlier leases.
        """
        for one in returned:
            self._take_back(one, now)
        tokens = max(tokens, self._token_chunk)
        # An amount above the limit waits for an empty window, as on one machine.
        wait = max(
            self._requests.delay(now, self._request_chunk) if self._requests else 0.0,
            self._tokens.delay(now, tokens) if self._tokens else 0.0,
        )
        if wait > 0:
            return RateLease(0.0, 0.0, wait)
        return RateLease(
            self._request_chunk,
            tokens,
            0.0,
            self._requests.take(self._request_chunk, now) if self._requests else 0.0,
            self._tokens.take(tokens, now) if self._tokens else 0.0,
        )

    def _take_back(self, one: Returned, now: float) -> None:
        if self._requests and one.requests:
            self._requests.correct(-one.requests, one.requests_end)
        if self._tokens and one.tokens > 0:
            self._tokens.correct(-one.tokens, one.tokens_end)
        elif self._tokens and one.tokens < 0:
            self._tokens.take(-one.tokens, now)


@dataclass
class _Open:
    """A lease that may be used until ``expires``."""

    expires: float
    requests: float
    tokens: float
    requests_end: float
    tokens_end: float


#: Asks the lender: tokens of the next request, and what is returned.
Ask = Callable[[float, list[Returned]], RateLease]


@dataclass
class LeasedRates(RateLimits):
    """Rate limits that are kept by leases.

    Attributes:
        ask: Asks the lender, in a thread of its own.
    """

    ask: Ask = field(default=lambda tokens, returned: RateLease(1.0, tokens), repr=False)

    def limiter(self) -> Limiter | None:
        return LeasedLimiter(self, self.ask) if self.requests or self.tokens else None


class LeasedLimiter:
    """Delays requests until a lease covers them."""

    def __init__(self, limits: RateLimits, ask: Ask) -> None:
        self._limits, self._ask = limits, ask
        self._estimator = TokenEstimator()
        self._open: list[_Open] = []
        self._returned: list[Returned] = []
        self._wanted: float | None = None
        self._not_before = 0.0
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._wake = threading.Event()
        threading.Thread(target=self._borrow, name="rate leases", daemon=True).start()

    def delay(self, now: float, request: Request) -> float:
        """Return the seconds until a look whether the next request may go."""
        if self._error is not None:
            raise self._error
        tokens = self._tokens_of(request)
        with self._lock:
            self._expire()
            if self._covers(tokens):
                return 0.0
            self._wanted = tokens
            wait = self._not_before - time.monotonic()
        self._wake.set()
        return min(max(wait, _SHORTEST), _LONGEST)

    def _tokens_of(self, request: Request) -> float:
        return self._estimator.estimate(request) if self._limits.tokens else 0.0

    def _covers(self, tokens: float) -> bool:
        return bool(self._open) and (
            (not self._limits.requests or sum(one.requests for one in self._open) >= 1)
            and sum(one.tokens for one in self._open) >= tokens
        )

    def take(self, request: Request, now: float) -> TokenReservation:
        """Count a request that is sent."""
        tokens = left = self._tokens_of(request)
        needed, end = (1.0 if self._limits.requests else 0.0), 0.0
        with self._lock:
            for one in self._open:
                used = min(needed, one.requests)
                one.requests, needed = one.requests - used, needed - used
                used = min(left, one.tokens)
                one.tokens, left, end = one.tokens - used, left - used, one.tokens_end
                if needed <= 0 and left <= 0:
                    break
        return TokenReservation(tokens, end)

    def settle(
        self, request: Request, reservation: TokenReservation, completions: list[Completion]
    ) -> None:
        """Replace the estimate of a request by the tokens that the server counted."""
        if not self._limits.tokens:
            return
        tokens = self._estimator.update(request, completions)
        if tokens is not None:
            with self._lock:
                self._returned.append(
                    Returned(0.0, reservation.tokens - tokens, 0.0, reservation.end)
                )

    def _expire(self) -> None:
        now = time.monotonic()
        while self._open and self._open[0].expires <= now:
            old = self._open.pop(0)
            self._returned.append(
                Returned(old.requests, old.tokens, old.requests_end, old.tokens_end)
            )

    def _borrow(self) -> None:
        """Ask for leases while a request waits for one."""
        while True:
            self._wake.wait()
            self._wake.clear()
            with self._lock:
                wanted, self._wanted = self._wanted, None
                returned, self._returned = self._returned, []
            if wanted is None:
                with self._lock:
                    self._returned = returned + self._returned
                continue
            pause = self._not_before - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            asked = time.monotonic()
            try:
                lease = self._ask(wanted, returned)
            except BaseException as error:  # noqa: BLE001 (raised again where requests are sent)
                self._error = error
                return
            with self._lock:
                if lease.wait > 0:
                    self._not_before = asked + min(lease.wait, _LONGEST)
                else:
                    self._open.append(
                        _Open(
                            asked + LIFE,
                            lease.requests,
                            lease.tokens,
                            lease.requests_end,
                            lease.tokens_end,
                        )
                    )
