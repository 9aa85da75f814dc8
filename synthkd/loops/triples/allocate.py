"""How many of a round's questions go to each relation.

`own` looks at three figures of a relation: the share V of the validation questions that it has, the student's error E there
(1 - the mean validity of its answers), and the yield Y, new accepted rows for each completion. The error is taken to fall with
the accepted rows as a power law, V E (h / (h + Y c))^b after c more completions where h rows are there (a row of another
relation counts a tenth), and the completions are given so that the sum of these errors is least. That is where a completion
takes away most: the student errs there often, the teacher is believed there often, and there is little yet. A part of the
questions is drawn from all that are left, so that no relation is given up for a few unlucky counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synthkd.loops.labelled.allocate import whole
from synthkd.students.base import Floats, Ints

#: How fast the error falls with rows.
POWER = 0.5
#: What a row of another relation is worth, as heads and words are shared: no relation begins from nothing.
SHARED = 0.1
#: Share of the questions that is drawn from all that are left.
EXPLORE = 0.2


@dataclass(frozen=True)
class Known:
    """What is known of R relations, all (R,). ``left``: questions that were not asked yet; ``completions``: those that came;
    ``accepted``: distinct rows of them; ``questions``: validation questions; ``errors``: the sum of
    the student's errors there, each from 0 to 1."""

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
    ) -> Known:
        """From plain lists."""
        a, b, c, d = (np.asarray(part, dtype=np.int64) for part in (left, completions, accepted, questions))
        return cls(a, b, c, d, np.asarray(errors, dtype=np.float64))


def shrunk(sums: Floats | Ints, counts: Ints, share: bool = True) -> Floats:
    """(R,) means sums / counts, each moved to the mean m of all by k / (count + k).

    Empirical Bayes by moments: the noise of n draws is m (1 - m) / n for a share, m / n for a number of rows; k is the noise
    of one draw over the variance of the means beyond their noise. A relation without counts gets the mean; so do all where
    they differ no more than by chance.
    """
    some = counts > 0
    if not some.any():
        return np.ones(len(counts))
    mean = float(sums[some].sum() / counts[some].sum())
    means = np.where(some, sums / np.maximum(counts, 1), mean)
    one = mean * (1 - mean) if share else mean
    beyond = float(np.average((means[some] - mean) ** 2, weights=counts[some]))
    beyond -= float(one * some.sum() / counts[some].sum())
    keep = np.zeros(len(counts))
    if beyond > 0:
        keep[some] = counts[some] / (counts[some] + one / beyond)
    result: Floats = mean + keep * (means - mean)
    return result


def own(known: Known, questions: int, samples: int, power: float = POWER, explore: float = EXPLORE) -> Ints:
    """(R,) questions for each relation: they sum to ``questions``, or to all that are left; no relation gets more than it has.

    ``samples``: completions that a question is asked for.
    """
    questions = min(questions, int(known.left.sum()))
    weight = known.questions / max(1, known.questions.sum())
    error = weight * shrunk(known.errors, known.questions)
    # A relation of which no validation question is there, or no mistake is left, is explored only.
    gain = shrunk(known.accepted, known.completions, share=False)
    free = round(explore * questions)
    there = np.maximum(known.accepted + SHARED * (known.accepted.sum() - known.accepted), 1.0)
    wanted = _least(there, error, gain * samples, known.left, questions - free, power)
    rest = _spread(known.left - wanted, questions - float(wanted.sum()))
    return whole(wanted + rest, questions, known.left)


def uniform(left: Ints, questions: int) -> Ints:
    """(R,) questions for each relation where every question that is left has the same chance."""
    questions = min(questions, int(left.sum()))
    return whole(_spread(left.astype(np.float64), questions), questions, left)


def _least(there: Floats, error: Floats, gain: Floats, left: Ints, questions: int, power: float) -> Floats:
    """(R,) questions c >= 0, c <= left, of given sum that make the sum of error (there / (there + gain c))^power least.

    Where they are between their bounds, the derivatives are equal: there + gain c = (level error gain there^power)^(1 / (1 +
    power)). The level is found by bisection.
    """
    useful = (error > 0) & (gain > 0)
    scale = np.where(useful, error * gain * there**power, 0.0)
    room = np.where(useful, left, 0).astype(np.float64)
    if room.sum() <= questions:
        return room

    def at(level: float) -> Floats:
        rows = (level * scale) ** (1 / (1 + power))
        found: Floats = np.clip((rows - there) / np.where(useful, gain, 1.0), 0.0, room)
        return found

    low, high = 0.0, 1.0
    while at(high).sum() < questions:
        low, high = high, 2 * high
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle).sum() < questions else (low, middle)
    return at(high)


def _spread(left: Floats, questions: float) -> Floats:
    """(R,) shares of so many questions, in proportion to what is left."""
    found: Floats = questions * left / max(1.0, float(left.sum()))
    return found
