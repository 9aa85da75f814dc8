"""Adapt the number of requests in flight to what a server can handle.

    slow start ── doubled per round ──► steady ── + sqrt(limit) per round ──► …
        │                                 │
        └── overloaded: x 0.7, or slower without more throughput: x 0.9; then steady

A round is as many successes as the limit. The limit grows only in rounds that used it.
"""

from __future__ import annotations

import math
from statistics import median

#: Requests in flight at the start, if more are allowed.
INITIAL_LIMIT = 64
#: The share of the limit that must have been in use for it to grow.
_USED = 0.8
#: A latency beyond this multiple of the lowest shows a queue at the server …
_SLOW = 2.0
#: … unless the throughput is this multiple of the one before.
_MORE = 1.05
#: The lowest latency rises by this factor per round, since answers may have become longer for good.
_FORGET = 1.03
#: Seconds in which further refusals count as the same overload.
_COOLDOWN = 1.0


class ConcurrencyLimit:
    """The limit on requests in flight to one endpoint.

    Args:
        maximum: The highest limit.
        adaptive: Search for the limit; otherwise it stays at the maximum.

    Attributes:
        value: The current limit; its integer part counts.
        in_flight: Requests that are sent and not answered.
        slow_start: No overload was seen yet, so the limit doubles per round.
    """

    def __init__(self, maximum: int, adaptive: bool = True) -> None:
        self.maximum, self.adaptive = maximum, adaptive
        self.value: float = min(INITIAL_LIMIT, maximum) if adaptive else maximum
        self.slow_start = True
        self.in_flight = 0
        self._latencies: list[float] = []
        self._peak = 0
        self._round_start: float | None = None
        self._lowest_latency: float | None = None
        self._throughput = 0.0
        self._cooldown_end = 0.0

    @property
    def has_room(self) -> bool:
        """True if one more request may be sent."""
        return self.in_flight < int(self.value)

    @property
    def load(self) -> float:
        """Requests in flight divided by the limit."""
        return self.in_flight / self.value

    def acquire(self, now: float) -> None:
        """Count a request that is sent."""
        self.in_flight += 1
        self._peak = max(self._peak, self.in_flight)
        if self._round_start is None:
            self._round_start = now

    def release(self) -> None:
        """Count a request that has ended, with success or without."""
        self.in_flight -= 1

    def record_success(self, now: float, seconds: float) -> None:
        """Take in the latency of a success; a full round adapts the limit."""
        if not self.adaptive:
            return
        self._latencies.append(seconds)
        if len(self._latencies) >= self.value:
            self._end_round(now)

    def record_overload(self, now: float) -> None:
        """Lower the limit: the server asks to slow down."""
        if not self.adaptive or now < self._cooldown_end:
            return
        self._cooldown_end = now + _COOLDOWN
        self._shrink(0.7)
        self._start_round(now)

    def _end_round(self, now: float) -> None:
        latency = median(self._latencies)
        throughput = len(self._latencies) / max(now - (self._round_start or now), 1e-6)
        lowest = min(latency, (self._lowest_latency or latency) * _FORGET)
        slower = bool(self._lowest_latency) and latency > _SLOW * lowest
        if slower and throughput < _MORE * self._throughput:
            self._shrink(0.9)
        elif self._peak >= _USED * int(self.value):
            self._grow()
        self._lowest_latency = lowest
        self._throughput = max(throughput, 0.9 * self._throughput)
        self._start_round(now)

    def _start_round(self, now: float) -> None:
        self._latencies.clear()
        self._peak = self.in_flight
        self._round_start = now

    def _grow(self) -> None:
        step = self.value if self.slow_start else math.sqrt(self.value)
        self.value = min(self.maximum, self.value + step)

    def _shrink(self, factor: float) -> None:
        self.slow_start = False
        self.value = max(1.0, self.value * factor)
