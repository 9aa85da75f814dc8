"""Allocate a round's rows to classes, as pure functions of counts and figures.

`uniform` gives every class equally many rows. `own` evens out the classes: its rows bring them to equally many training rows,
which is the same where they start alike. From there it leans towards classes of high validation loss as far as the losses are
evidence: the weight of rows by need is the share of the losses' variance that the noise of so few validation rows does not
explain, 0 for most sets with five rows a class. By need, a class's loss is taken to fall with its rows as a power law,
L (h / n)^b for n rows where h are there now, and the rows are given so that the sum of these losses is least: n is in
proportion to (L h^b)^(1 / (1 + b)), and no class loses rows.

Both keep to a room for each class (`supply` finds it), so that what one class cannot deliver goes to the others, and `own`
gives no class more than ``most`` times the rows of a uniform allocation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from synthkd.students.base import Floats, Ints

#: How fast a loss falls with rows.
POWER = 1.0
#: Largest weight of the losses.
TRUST = 1.0
#: Rows of one class at most, in multiples of its rows in a uniform allocation.
MOST = 3.0
#: Variance of the losses of a class's rows, in squares of the mean loss: most are near 0, a few are large. Measured on parts of
#: BANKING77's training rows (5.6 to 6.5); a smaller one believes noise, and costs accuracy there.
SPREAD = 6.0
#: A loss above counts as this.
_HIGHEST = 1e6
_HALVINGS = 100


def evidence(losses: Sequence[float] | Floats, counts: Sequence[int] | Ints) -> tuple[Floats, float]:
    """Shrink losses to their mean by empirical Bayes, and say how much of their variance is no noise.

    The losses of single rows have the variance v = `SPREAD` m^2 (m the mean loss), so the means of n rows have the noise v / n.
    A class of n rows keeps n / (n + k) of its distance to the mean, with k = v / (variance of the means - mean noise).

    Args:
        losses: (C,) mean losses in nats; one that is no finite number or is below 0 counts as unknown.
        counts: (C,) validation rows of each.

    Returns:
        (C,) losses, unknown ones at the mean; and the share from 0 to 1 of the variance beyond its noise.
    """
    given, rows = np.asarray(losses, dtype=float), np.asarray(counts, dtype=float)
    known = np.isfinite(given) & (given >= 0) & (rows > 0)
    if not known.any():
        return np.ones(len(given)), 0.0
    given = np.minimum(given, _HIGHEST)
    mean = float(np.average(given[known], weights=rows[known]))
    noise, variance = SPREAD * mean**2, float(given[known].var())
    beyond = variance - noise * float(np.mean(1 / rows[known]))
    if not beyond > 0:
        return np.full(len(given), mean), 0.0
    keep = np.zeros(len(given))
    keep[known] = rows[known] / (rows[known] + noise / beyond)
    shrunk: Floats = mean + keep * (np.where(known, given, mean) - mean)
    return shrunk, beyond / variance


def own(
    losses: Sequence[float] | Floats,
    counts: Sequence[int] | Ints,
    rows: int,
    have: Sequence[int] | Ints | None = None,
    *,
    room: Sequence[float] | Floats | None = None,
    held: Sequence[bool] | None = None,
    most: float = MOST,
    trust: float = TRUST,
    power: float = POWER,
) -> Ints:
    """Allocate rows so that the classes get even, and by need as far as the losses are evidence.

    Args:
        losses: (C,) mean validation losses, in nats.
        counts: (C,) validation rows.
        rows: rows of the round.
        have: (C,) training rows that are there (default: equally many).
        room: (C,) rows that each class can take (default: any number).
        held: (C,) classes that get no more than in a uniform allocation.
        most: rows of a class at most, in multiples of the largest number of a uniform allocation.
        trust: largest weight of the losses, from 0 (none) to 1.

    Returns:
        (C,) rows; they sum to ``rows``, or to all the room there is.
    """
    free = _room(len(losses), room)
    rows = int(min(rows, free.sum()))
    need, weight = evidence(losses, counts)
    there = np.ones(len(need)) if have is None else np.asarray(have, dtype=float)
    equal = _filled(np.zeros(len(need)), np.ones(len(need)), rows, free)
    cap = np.minimum(free, np.ceil(most * equal.max(initial=0.0)))
    if held is not None:
        cap = np.where(held, np.minimum(cap, np.ceil(equal)), cap)
    even = _filled(there, np.ones(len(need)), rows, cap)
    there = np.maximum(there, 1.0)
    share = (np.maximum(need, 1e-9) * there**power) ** (1 / (1 + power))
    wanted = even + trust * weight * (_filled(there, share, rows, cap) - even)
    return whole(wanted, rows, cap, need)


def uniform(
    classes: int,
    rows: int,
    have: Sequence[int] | Ints | None = None,
    room: Sequence[float] | Floats | None = None,
) -> Ints:
    """Allocate equally many rows to each class; the rest goes to those that have fewest, then to the first.

    Returns:
        (C,) rows; they sum to ``rows``, or to all the ``room`` there is.
    """
    free = _room(classes, room)
    rows = int(min(rows, free.sum()))
    wanted = _filled(np.zeros(classes), np.ones(classes), rows, free)
    return whole(wanted, rows, free, np.zeros(classes) if have is None else -np.asarray(have, dtype=float))


def whole(wanted: Floats, rows: int, room: Floats | Ints, need: Floats | Ints | None = None) -> Ints:
    """Round to whole numbers of a given sum by largest remainder.

    Of equal remainders the class of more ``need`` comes first, then the first. No class gets more than its ``room``; the sum
    is ``rows``, or all the room there is.
    """
    found = np.minimum(np.floor(np.asarray(wanted, dtype=float) + 1e-9), room)
    keys = np.arange(len(found)), np.zeros(len(found)) if need is None else -np.asarray(need)
    # Sums of floats that should be equal are equal after rounding.
    order = np.lexsort((*keys, -np.round(wanted - found, 9)))
    missing = int(min(float(rows), float(np.sum(room)))) - int(found.sum())
    while missing > 0:
        for place in order[found[order] < np.asarray(room)[order]][:missing]:
            found[place] += 1
            missing -= 1
    result: Ints = found.astype(np.int64)
    return result


def _room(classes: int, room: Sequence[float] | Floats | None) -> Floats:
    if room is None:
        return np.full(classes, math.inf)
    result: Floats = np.maximum(np.floor(np.asarray(room, dtype=float)), 0.0)
    return result


def _filled(there: Floats, share: Floats, rows: int, room: Floats) -> Floats:
    """Rows that bring the classes to numbers in proportion to ``share``, as far as their room goes.

    A class that has more already gets none. The sum is ``rows``, or all the room there is. The level is found by bisection.
    """

    def at(level: float) -> Floats:
        found: Floats = np.clip(level * share - there, 0.0, room)
        return found

    if not rows or room.sum() <= rows:
        return np.zeros(len(there)) if not rows else room.copy()
    low, high = 0.0, 1.0
    while at(high).sum() < rows:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle).sum() < rows else (low, middle)
    return at(high)


def by_label(classes: Sequence[str], numbers: Ints) -> dict[str, int]:
    """Classes that get rows, with their numbers."""
    return {label: number for label, number in zip(classes, numbers.tolist(), strict=True) if number}
