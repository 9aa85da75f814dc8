"""Intervals of shares and of rates that are estimated from counts."""

from __future__ import annotations

import math

#: 97.5 % point of the normal distribution.
_Z = 1.959964


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927); the whole range without trials."""
    if not trials:
        return 0.0, 1.0
    share, scale = successes / trials, 1 + _Z**2 / trials
    middle = share + _Z**2 / (2 * trials)
    half = _Z * math.sqrt(share * (1 - share) / trials + (_Z / (2 * trials)) ** 2)
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def poisson_interval(events: int, exposure: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate, by the square root of the number of events.

    Anscombe 1948: the root of a Poisson number and 3/8 is nearly normal, with a deviation of 1/2.
    """
    if not exposure:
        return 0.0, math.inf
    root = math.sqrt(events + 3 / 8)
    low, high = max(root - _Z / 2, 0.0) ** 2, (root + _Z / 2) ** 2
    return low / exposure, high / exposure
