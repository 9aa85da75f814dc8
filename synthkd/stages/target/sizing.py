"""How many units the next round asks for: what is known of the yield, and what an excess costs.

New rows become rarer as equal ones recur. The expected number of further distinct rows is that of
Chao et al. 2014 (Ecological Monographs 84:45, equation 12, for sampling units): of T units that
gave S distinct rows, Q1 of them in one unit alone and Q2 in two, t further units give

    f0 (1 - (1 - Q1 / (T f0 + Q1))^t),    f0 = (T - 1)/T · Q1²/(2 Q2),

where f0 estimates the rows that no unit gave yet. Its start, Q1/T a unit, is Good and Turing's.
How far it can be trusted is taken from Q1, the number of rows that it rests on: the number of new
rows is negative binomial, a Poisson number whose rate is known as well as from Q1 events.

A round asks for as many units as it may, so that the excess, the units after the one that reaches
the target, is on average no more than a given share of all. Where little is known that is
cautious; near the end it is a little more than what lacks, so that the last rounds are few.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from synthkd.statistics.rate_intervals import poisson_interval, wilson_interval

Floats = np.ndarray[Any, np.dtype[np.float64]]
#: Units of a round at most, as a multiple of those that the estimate rests on: the extrapolation is
#: held to be good up to a doubling.
_GROWTH = 2
#: Units of a further round at most, if hardly any were asked for.
_FEW = 16
#: Places at which the chance to reach the target is computed.
_POINTS = 512
#: Rows up to which the negative binomial is summed; more are nearly normal.
_SUMMED = 64
#: Share of a target that the first round asks for, if answers hold several rows each.
_FIRST_SHARE = 20


@dataclass(frozen=True)
class ObservedYield:
    """What the units of a value gave so far.

    Attributes:
        units: Units that were asked for.
        accepted: Distinct accepted rows.
        once: Those of them that one unit alone gave.
        twice: Those that two units gave.
    """

    units: int
    accepted: int = 0
    once: int = 0
    twice: int = 0

    @property
    def support(self) -> float:
        """Events that the rate of new rows rests on."""
        return self.once + 0.5

    def new_rows(self, units: Floats) -> Floats:
        """Return the expected number of new rows in so many further units."""
        seen = self.support
        rate = seen / (self.units + 1)
        if self.once < 2 or self.units < 2:
            return rate * units
        shrink = (self.units - 1) / self.units
        if self.twice:
            unseen = shrink * self.once**2 / (2 * self.twice)
        else:
            unseen = shrink * self.once * (self.once - 1) / 2
        new: Floats = unseen * -np.expm1(units * math.log1p(-min(rate / unseen, 1 - 1e-12)))
        return new


def first_units(wanted: int, rows_of_unit: int | None) -> int:
    """Return the units of the first round, of which nothing is known.

    Args:
        wanted: Accepted rows that are wanted.
        rows_of_unit: Rows that a unit gives at most, so that a smaller round could not reach the
            target; None if unknown.
    """
    return math.ceil(wanted / (rows_of_unit or _FIRST_SHARE))


@lru_cache(maxsize=65_536)
def further_units(seen: ObservedYield, wanted: int, left: int, overshoot: float) -> int:
    """Return the units of a further round. Cached: of many values a number are alike.

    Args:
        seen: What the units so far gave.
        wanted: Accepted rows that are wanted, more than there are.
        left: Units that are left.
        overshoot: Share of all units that the excess may have on average.
    """
    limit = min(left, max(_GROWTH * seen.units, _FEW))
    least = min(left, max(1, math.floor(overshoot * seen.units)))
    if limit <= least:
        return limit
    points = np.unique(np.linspace(0, limit, min(limit, _POINTS) + 1).round())
    reached = chance_of(seen, wanted - seen.accepted, points)
    # The excess of t units is the sum of the chances to have reached the target after each of them.
    middles = (reached[1:] + reached[:-1]) / 2
    excess = np.concatenate([[0.0], np.cumsum(middles * np.diff(points))])
    allowed = points[excess <= overshoot * (seen.units + points)]
    return max(least, int(allowed[-1]))


def chance_of(seen: ObservedYield, rows: int, units: Floats) -> Floats:
    """Return the probability of so many new rows or more in each number of further units."""
    mean, shape = seen.new_rows(units), seen.support
    if rows > _SUMMED:
        spread = np.sqrt(mean + mean**2 / shape)
        z = (mean - rows + 0.5) / np.where(spread > 0, spread, 1.0)
        normal = np.array([0.5 * (1 + math.erf(value / math.sqrt(2))) for value in z])
        return np.where(mean > 0, normal, 0.0)
    counts = np.arange(rows)
    weights = [math.lgamma(shape + k) - math.lgamma(shape) - math.lgamma(k + 1) for k in counts]
    share = (mean / (mean + shape))[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(counts == 0, 0.0, counts * np.log(share))
    terms = np.exp(np.array(weights) + logs + shape * np.log1p(-share))
    chances: Floats = np.clip(1.0 - terms.sum(axis=1), 0.0, 1.0)
    return chances


def expected_units(seen: ObservedYield, wanted: int, left: int) -> int | None:
    """Return the further units that the target is expected to need; None if all would not do."""
    if seen.accepted >= wanted:
        return 0
    low, high = 0, left
    if seen.new_rows(np.array([float(high)]))[0] < wanted - seen.accepted:
        return None
    while low < high:
        middle = (low + high) // 2
        if seen.new_rows(np.array([float(middle)]))[0] >= wanted - seen.accepted:
            high = middle
        else:
            low = middle + 1
    return low


def yield_interval(rows: int, completions: int) -> tuple[float, float]:
    """Return the 95 % interval of rows per completion; a share unless there are more rows."""
    if not completions:
        return 0.0, 0.0
    interval = poisson_interval if rows > completions else wilson_interval
    return interval(rows, completions)
