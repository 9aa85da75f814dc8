"""How many requests a server bears at once: found by trying.

    slow start ── doubled each round ──► steady ── + sqrt(limit) each round ──► …
        │                                  │
        └── told to slow down, or slower without doing more: x 0.7 (0.9), then steady

A round is as many successes as the limit. The limit grows only in rounds that used it.
"""

from __future__ import annotations

import math
from statistics import median

#: What is in flight at the start, where more is allowed.
START = 64
#: The share of the limit that must have been in use for it to grow.
_USED = 0.8
#: Latency beyond this multiple of the least is a queue at the server …
_SLOW = 2.0
#: … unless so much more gets done than at the limit before.
_MORE = 1.05
#: The least latency is forgotten slowly, as answers may have become longer for good.
_FORGET = 1.03
#: Seconds in which further refusals belong to the same overload.
_COOL = 1.0


class Limit:
    """The adaptive bound on what is in flight to one endpoint."""

    def __init__(self, most: int, adaptive: bool = True) -> None:
        self.most, self.adaptive = most, adaptive
        self.value: float = min(START, most) if adaptive else most
        self.slow_start = True
        self.in_flight = 0
        self._latencies: list[float] = []
        self._busiest = 0
        self._began: float | None = None
        self._least: float | None = None
        self._throughput = 0.0
        self._cool_until = 0.0

    @property
    def room(self) -> bool:
        """Whether one more may be sent."""
        return self.in_flight < int(self.value)

    @property
    def load(self) -> float:
        """In flight over the limit."""
        return self.in_flight / self.value

    def sent(self, now: float) -> None:
        self.in_flight += 1
        self._busiest = max(self._busiest, self.in_flight)
        if self._began is None:
            self._began = now

    def came(self) -> None:
        """A request came back, however it went."""
        self.in_flight -= 1

    def succeeded(self, now: float, seconds: float) -> None:
        if not self.adaptive:
            return
        self._latencies.append(seconds)
        if len(self._latencies) >= self.value:
            self._round(now)

    def overloaded(self, now: float) -> None:
        """The server says that it is asked too much."""
        if not self.adaptive or now < self._cool_until:
            return
        self._cool_until = now + _COOL
        self._shrink(0.7)
        self._start_round(now)

    def _round(self, now: float) -> None:
        latency = median(self._latencies)
        throughput = len(self._latencies) / max(now - (self._began or now), 1e-6)
        least = min(latency, (self._least or latency) * _FORGET)
        if self._least and latency > _SLOW * least and throughput < _MORE * self._throughput:
            self._shrink(0.9)
        elif self._busiest >= _USED * int(self.value):
            self._grow()
        self._least = least
        self._throughput = max(throughput, 0.9 * self._throughput)
        self._start_round(now)

    def _start_round(self, now: float) -> None:
        self._latencies.clear()
        self._busiest = self.in_flight
        self._began = now

    def _grow(self) -> None:
        step = self.value if self.slow_start else math.sqrt(self.value)
        self.value = min(self.most, self.value + step)

    def _shrink(self, factor: float) -> None:
        self.slow_start = False
        self.value = max(1.0, self.value * factor)
