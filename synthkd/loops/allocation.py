"""Allocation of a round's rows to classes, and of its questions to relations.

Classes of labelled text (`even_rows`, `rows_by_need`)
    `rows_by_need` brings the classes to equally many training rows. From there the function favours
    classes of high validation loss as far as the losses are evidence: the weight of need is the
    share of the losses' variance that the noise of few validation rows does not explain, which is 0
    for most sets of five rows a class. The loss of a class with h rows is modelled as a power law,
    L (h / n)^b for n rows, and the sum of the losses is minimised: n is proportional to
    (L h^b)^(1 / (1 + b)). No class loses rows, and no class gets more than ``most`` times the rows
    of an even allocation.

Relations of triples (`proportional_questions`, `questions_by_yield`)
    `questions_by_yield` minimises the sum of the relations' errors, each modelled as a power law of
    the accepted rows that the relation's questions yield. A share of the questions is drawn from
    all.

No group gets more than its room: an excess goes to the other groups.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from synthkd.students.base import Floats, Ints

_HALVINGS = 100


def round_to_total(
    amounts: Floats, total: int, room: Floats | Ints, need: Floats | Ints | None = None
) -> Ints:
    """Round to integers of a given sum by largest remainder.

    Args:
        amounts: (C,) real numbers of the given sum.
        total: The sum; if it exceeds the sum of the room, all the room is used.
        room: (C,) maximum of each group.
        need: (C,) decides between equal remainders; then the first group comes first.
    """
    numbers = np.minimum(np.floor(np.asarray(amounts, dtype=float) + 1e-9), room)
    ties = np.zeros(len(numbers)) if need is None else -np.asarray(need)
    # Rounded, so that remainders that differ by rounding errors alone are equal.
    order = np.lexsort((np.arange(len(numbers)), ties, -np.round(amounts - numbers, 9)))
    missing = int(min(float(total), float(np.sum(room)))) - int(numbers.sum())
    while missing > 0:
        for place in order[numbers[order] < np.asarray(room)[order]][:missing]:
            numbers[place] += 1
            missing -= 1
    result: Ints = numbers.astype(np.int64)
    return result


def _solve_level(amounts: Callable[[float], Floats], total: float) -> Floats:
    """Return the amounts at the level at which they sum to ``total``, found by bisection."""
    low, high = 0.0, 1.0
    while amounts(high).sum() < total:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if amounts(middle).sum() < total else (low, middle)
    return amounts(high)


# --- classes of labelled text ---------------------------------------------------------------------

#: Exponent of the power law of a class's loss.
LOSS_POWER = 1.0
#: Largest weight of the losses.
TRUST = 1.0
#: Maximum rows of a class, as a multiple of its rows in an even allocation.
MOST = 3.0
#: Variance of the losses of a class's rows, as a multiple of the squared mean loss: most losses are
#: near 0, few are large. Measured on parts of BANKING77's training rows (5.6 to 6.5); a smaller
#: value takes noise for evidence, and costs accuracy there.
SPREAD = 6.0
#: Larger losses count as this.
_HIGHEST = 1e6


def shrink_losses(
    losses: Sequence[float] | Floats, counts: Sequence[int] | Ints
) -> tuple[Floats, float]:
    """Shrink mean losses to their mean by empirical Bayes, and estimate how far they are evidence.

    Losses of single rows have the variance v = `SPREAD` m^2 (m the mean loss), so means of n rows
    have the noise v / n. A class of n rows keeps n / (n + k) of its distance to the mean, with k =
    v / (variance of the means - mean noise).

    Args:
        losses: (C,) mean losses in nats; one that is not finite or is negative counts as unknown.
        counts: (C,) validation rows.

    Returns:
        (C,) losses, unknown ones at the mean; and the share of the variance beyond noise, 0 to 1.
    """
    values, rows = np.asarray(losses, dtype=float), np.asarray(counts, dtype=float)
    valid = np.isfinite(values) & (values >= 0) & (rows > 0)
    if not valid.any():
        return np.ones(len(values)), 0.0
    values = np.minimum(values, _HIGHEST)
    mean = float(np.average(values[valid], weights=rows[valid]))
    noise, variance = SPREAD * mean**2, float(values[valid].var())
    beyond = variance - noise * float(np.mean(1 / rows[valid]))
    if not beyond > 0:
        return np.full(len(values), mean), 0.0
    weight = np.zeros(len(values))
    weight[valid] = rows[valid] / (rows[valid] + noise / beyond)
    shrunk: Floats = mean + weight * (np.where(valid, values, mean) - mean)
    return shrunk, beyond / variance


def rows_by_need(
    losses: Sequence[float] | Floats,
    counts: Sequence[int] | Ints,
    rows: int,
    have: Sequence[int] | Ints | None = None,
    *,
    room: Sequence[float] | Floats | None = None,
    capped: Sequence[bool] | None = None,
    most: float = MOST,
    trust: float = TRUST,
    power: float = LOSS_POWER,
) -> Ints:
    """Allocate rows that even out the classes, and by need as far as the losses are evidence.

    Args:
        losses: (C,) mean validation losses in nats.
        counts: (C,) validation rows.
        rows: Rows of the round.
        have: (C,) training rows so far; default: equally many.
        room: (C,) maximum rows of each class; default: unlimited.
        capped: (C,) classes that get no more rows than in an even allocation.
        most: Maximum rows of a class, as a multiple of the largest number of an even allocation.
        trust: Largest weight of the losses, from 0 (none) to 1.
        power: Exponent of the power law of a class's loss.

    Returns:
        (C,) rows; they sum to ``rows``, or to all the room.
    """
    free = _room(len(losses), room)
    rows = int(min(rows, free.sum()))
    need, weight = shrink_losses(losses, counts)
    start = np.ones(len(need)) if have is None else np.asarray(have, dtype=float)
    equal = _fill(np.zeros(len(need)), np.ones(len(need)), rows, free)
    cap = np.minimum(free, np.ceil(most * equal.max(initial=0.0)))
    if capped is not None:
        cap = np.where(capped, np.minimum(cap, np.ceil(equal)), cap)
    even = _fill(start, np.ones(len(need)), rows, cap)
    start = np.maximum(start, 1.0)
    share = (np.maximum(need, 1e-9) * start**power) ** (1 / (1 + power))
    amounts = even + trust * weight * (_fill(start, share, rows, cap) - even)
    return round_to_total(amounts, rows, cap, need)


def even_rows(
    classes: int,
    rows: int,
    have: Sequence[int] | Ints | None = None,
    room: Sequence[float] | Floats | None = None,
) -> Ints:
    """Allocate equally many rows to each class; the remainder goes to those that have fewest.

    Returns:
        (C,) rows; they sum to ``rows``, or to all the ``room``.
    """
    free = _room(classes, room)
    rows = int(min(rows, free.sum()))
    amounts = _fill(np.zeros(classes), np.ones(classes), rows, free)
    need = np.zeros(classes) if have is None else -np.asarray(have, dtype=float)
    return round_to_total(amounts, rows, free, need)


def rows_of_classes(classes: Sequence[str], numbers: Ints) -> dict[str, int]:
    """Return the classes that get rows, with their numbers."""
    pairs = zip(classes, numbers.tolist(), strict=True)
    return {label: number for label, number in pairs if number}


def _room(classes: int, room: Sequence[float] | Floats | None) -> Floats:
    if room is None:
        return np.full(classes, math.inf)
    result: Floats = np.maximum(np.floor(np.asarray(room, dtype=float)), 0.0)
    return result


def _fill(start: Floats, share: Floats, rows: int, room: Floats) -> Floats:
    """Return rows that bring the classes from ``start`` to numbers proportional to ``share``.

    A class that exceeds its number already gets none, and none gets more than its room. The sum is
    ``rows``, or all the room.
    """
    if not rows:
        return np.zeros(len(start))
    if room.sum() <= rows:
        return room.copy()
    return _solve_level(lambda level: np.clip(level * share - start, 0.0, room), rows)


# --- relations of triples -------------------------------------------------------------------------

#: Exponent of the power law of a relation's error.
ERROR_POWER = 0.5
#: Value of a row of another relation, as heads and words are shared.
SHARED = 0.1
#: Share of the questions that is drawn from all that are left.
EXPLORE = 0.2


@dataclass(frozen=True)
class RelationCounts:
    """Counts of R relations, all (R,).

    Attributes:
        left: Questions that were not asked yet.
        completions: Completions so far.
        accepted: Distinct accepted rows of these.
        questions: Validation questions.
        errors: Sum of the student's errors on these, each from 0 to 1.
    """

    left: Ints
    completions: Ints
    accepted: Ints
    questions: Ints
    errors: Floats

    @classmethod
    def of(
        cls,
        left: Sequence[int],
        completions: Sequence[int],
        accepted: Sequence[int],
        questions: Sequence[int],
        errors: Sequence[float],
    ) -> RelationCounts:
        """Make arrays of lists."""
        counts = (left, completions, accepted, questions)
        a, b, c, d = (np.asarray(values, dtype=np.int64) for values in counts)
        return cls(a, b, c, d, np.asarray(errors, dtype=np.float64))


def shrink_means(sums: Floats | Ints, counts: Ints, share: bool = True) -> Floats:
    """Return (R,) means sums / counts, each shrunk to the overall mean m by k / (count + k).

    Empirical Bayes by moments: the noise of n draws is m (1 - m) / n for a share and m / n for a
    number of rows; k is the noise of one draw over the variance of the means beyond noise. A
    relation without counts gets the mean; so do all if they differ by chance alone.

    Args:
        sums: (R,) sums.
        counts: (R,) numbers of draws.
        share: Whether each draw is from 0 to 1, instead of a number of rows.
    """
    some = counts > 0
    if not some.any():
        return np.ones(len(counts))
    mean = float(sums[some].sum() / counts[some].sum())
    means = np.where(some, sums / np.maximum(counts, 1), mean)
    noise = mean * (1 - mean) if share else mean
    beyond = float(np.average((means[some] - mean) ** 2, weights=counts[some]))
    beyond -= float(noise * some.sum() / counts[some].sum())
    weight = np.zeros(len(counts))
    if beyond > 0:
        weight[some] = counts[some] / (counts[some] + noise / beyond)
    result: Floats = mean + weight * (means - mean)
    return result


def questions_by_yield(
    counts: RelationCounts,
    questions: int,
    samples: int,
    power: float = ERROR_POWER,
    explore: float = EXPLORE,
) -> Ints:
    """Allocate questions to the relations in which they lower the student's errors most.

    Args:
        counts: What is known of each relation.
        questions: Questions of the round.
        samples: Completions of each question.
        power: Exponent of the power law of a relation's error.
        explore: Share of the questions that is drawn from all that are left.

    Returns:
        (R,) questions; they sum to ``questions``, or to all that are left.
    """
    questions = min(questions, int(counts.left.sum()))
    weight = counts.questions / max(1, counts.questions.sum())
    # A relation without validation questions, or without errors, is explored only.
    error = weight * shrink_means(counts.errors, counts.questions)
    gain = shrink_means(counts.accepted, counts.completions, share=False)
    others = counts.accepted.sum() - counts.accepted
    start = np.maximum(counts.accepted + SHARED * others, 1.0)
    aimed = questions - round(explore * questions)
    amounts = _least_error(start, error, gain * samples, counts.left, aimed, power)
    rest = _spread(counts.left - amounts, questions - float(amounts.sum()))
    return round_to_total(amounts + rest, questions, counts.left)


def proportional_questions(left: Ints, questions: int) -> Ints:
    """Return (R,) questions for each relation; each remaining question has the same chance."""
    questions = min(questions, int(left.sum()))
    return round_to_total(_spread(left.astype(np.float64), questions), questions, left)


def _least_error(
    start: Floats, error: Floats, gain: Floats, left: Ints, questions: int, power: float
) -> Floats:
    """Return (R,) questions c, 0 <= c <= left, that minimise the sum of error after the round.

    The error of a relation is error (start / (start + gain c))^power. Between the bounds the
    derivatives are equal: start + gain c = (level error gain start^power)^(1 / (1 + power)).
    """
    useful = (error > 0) & (gain > 0)
    scale = np.where(useful, error * gain * start**power, 0.0)
    room = np.where(useful, left, 0).astype(np.float64)
    if room.sum() <= questions:
        return room

    def amounts(level: float) -> Floats:
        rows = (level * scale) ** (1 / (1 + power))
        result: Floats = np.clip((rows - start) / np.where(useful, gain, 1.0), 0.0, room)
        return result

    return _solve_level(amounts, questions)


def _spread(left: Floats, questions: float) -> Floats:
    """Return (R,) shares of the questions, proportional to what is left."""
    shares: Floats = questions * left / max(1.0, float(left.sum()))
    return shares
