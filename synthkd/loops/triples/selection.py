"""Which questions of the pool a round asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkd.kinds.base import Kind
from synthkd.loops.labelled.allocate import whole
from synthkd.loops.task import Row
from synthkd.loops.triples.questions import TripleQuestion, triple_question
from synthkd.students.base import Floats, Ints

#: How fast the error falls with rows.
POWER = 0.5
#: What a row of another relation is worth, as heads and words are shared: no relation begins from nothing.
SHARED = 0.1
#: Share of the questions that is drawn from all that are left.
EXPLORE = 0.2


@dataclass(frozen=True)
class RelationCounts:
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
    ) -> RelationCounts:
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


def own(
    known: RelationCounts, questions: int, samples: int, power: float = POWER, explore: float = EXPLORE
) -> Ints:
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


Left = list[list[TripleQuestion]]


class QuestionPool:
    """The pool, in the order in which it is drawn. ``samples``: completions of a question; ``given``: ids of the rows that
    the loop started from, which no completion brought."""

    def __init__(
        self, kind: Kind, pool: Sequence[TripleQuestion], samples: int, given: frozenset[str]
    ) -> None:
        self.kind, self.pool, self.samples, self.given = kind, pool, samples, given
        self.relations = tuple(sorted({one.relation for one in pool}))

    def uniform(self, asked: Sequence[Row], wanted: int) -> list[Row]:
        """The next of all questions that were not asked yet."""
        left = self._left(asked)
        return _first(left, uniform(_sizes(left), wanted))

    def own(
        self, asked: Sequence[Row], wanted: int, rows: Sequence[Row], seen: Mapping[str, Mapping[str, Any]]
    ) -> list[Row]:
        """The next questions of the relations where they bring most. ``rows``: all so far; ``seen``: figures of the student's
        answers, of each relation."""
        left = self._left(asked)
        return _first(left, own(self._known(left, asked, rows, seen), wanted, self.samples))

    def of_relation(self, rows: Sequence[Row]) -> Counter[str]:
        """How many of these rows each relation has."""
        return Counter(str(row[str(self.kind.class_column)]) for row in rows)

    def _left(self, asked: Sequence[Row]) -> Left:
        """The questions of each relation that were not asked yet."""
        before = {triple_question(self.kind, row, 0).key for row in asked}
        groups: dict[str, list[TripleQuestion]] = {relation: [] for relation in self.relations}
        for one in self.pool:
            if one.key not in before:
                groups[one.relation].append(one)
        return list(groups.values())

    def _known(
        self, left: Left, asked: Sequence[Row], rows: Sequence[Row], seen: Mapping[str, Mapping[str, Any]]
    ) -> RelationCounts:
        completions = self.of_relation(asked)
        accepted = self.of_relation([row for row in rows if row.get("id") not in self.given])
        counts = [int(seen.get(relation, {}).get("questions", 0)) for relation in self.relations]
        good = [float(seen.get(relation, {}).get("validity", 0.0)) for relation in self.relations]
        return RelationCounts.of(
            _sizes(left).tolist(),
            [completions[relation] * self.samples for relation in self.relations],
            [accepted[relation] for relation in self.relations],
            counts,
            [count * (1 - share) for count, share in zip(counts, good, strict=True)],
        )


def _sizes(left: Left) -> Any:
    return np.array([len(group) for group in left], dtype=np.int64)


def _first(left: Left, counts: Any) -> list[Row]:
    """The first questions of each relation, as rows of the inputs."""
    taken = [one for group, count in zip(left, counts, strict=True) for one in group[: int(count)]]
    return [dict(one.row) for one in sorted(taken, key=lambda one: (one.draw, one.key))]
