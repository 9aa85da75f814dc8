"""Which questions of the pool a round asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synthkd.kinds.base import Kind
from synthkd.loops.task import Row
from synthkd.loops.triples import allocate
from synthkd.loops.triples.questions import Question, question

Left = list[list[Question]]


class Asking:
    """The pool, in the order in which it is drawn. ``samples``: completions of a question; ``given``: ids of the rows that
    the loop started from, which no completion brought."""

    def __init__(self, kind: Kind, pool: Sequence[Question], samples: int, given: frozenset[str]) -> None:
        self.kind, self.pool, self.samples, self.given = kind, pool, samples, given
        self.relations = tuple(sorted({one.relation for one in pool}))

    def uniform(self, asked: Sequence[Row], wanted: int) -> list[Row]:
        """The next of all questions that were not asked yet."""
        left = self._left(asked)
        return _first(left, allocate.uniform(_sizes(left), wanted))

    def own(
        self, asked: Sequence[Row], wanted: int, rows: Sequence[Row], seen: Mapping[str, Mapping[str, Any]]
    ) -> list[Row]:
        """The next questions of the relations where they bring most. ``rows``: all so far; ``seen``: figures of the student's
        answers, of each relation."""
        left = self._left(asked)
        return _first(left, allocate.own(self._known(left, asked, rows, seen), wanted, self.samples))

    def of_relation(self, rows: Sequence[Row]) -> Counter[str]:
        """How many of these rows each relation has."""
        return Counter(str(row[str(self.kind.class_column)]) for row in rows)

    def _left(self, asked: Sequence[Row]) -> Left:
        """The questions of each relation that were not asked yet."""
        before = {question(self.kind, row, 0).key for row in asked}
        groups: dict[str, list[Question]] = {relation: [] for relation in self.relations}
        for one in self.pool:
            if one.key not in before:
                groups[one.relation].append(one)
        return list(groups.values())

    def _known(
        self, left: Left, asked: Sequence[Row], rows: Sequence[Row], seen: Mapping[str, Mapping[str, Any]]
    ) -> allocate.Known:
        completions = self.of_relation(asked)
        accepted = self.of_relation([row for row in rows if row.get("id") not in self.given])
        counts = [int(seen.get(relation, {}).get("questions", 0)) for relation in self.relations]
        good = [float(seen.get(relation, {}).get("validity", 0.0)) for relation in self.relations]
        return allocate.Known.of(
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
