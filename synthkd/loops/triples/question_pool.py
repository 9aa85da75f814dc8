"""The pool of questions, and the choice of the questions of a round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synthkd.kinds.base import Kind
from synthkd.loops.allocation import RelationCounts, proportional_questions, questions_by_yield
from synthkd.loops.task import Row
from synthkd.loops.triples.questions import TripleQuestion, triple_question
from synthkd.students.base import Ints

#: Questions of each relation.
Groups = list[list[TripleQuestion]]


class QuestionPool:
    """The questions that a loop may ask, in the order in which they are drawn."""

    def __init__(
        self, kind: Kind, questions: Sequence[TripleQuestion], samples: int, start: frozenset[str]
    ) -> None:
        """Group the questions by relation.

        Args:
            kind: The kind.
            questions: The questions in order.
            samples: Completions of a question.
            start: Ids of the rows that the loop started from, which no completion yielded.
        """
        self.kind, self.questions, self.samples, self.start = kind, questions, samples, start
        self.relations = tuple(sorted({one.relation for one in questions}))

    def proportional(self, earlier: Sequence[Row], count: int) -> list[Row]:
        """Return the next of all questions that were not asked yet.

        Args:
            earlier: Inputs of all earlier rounds.
            count: Number of questions.
        """
        left = self._left(earlier)
        return _first(left, proportional_questions(_sizes(left), count))

    def by_yield(
        self,
        earlier: Sequence[Row],
        count: int,
        rows: Sequence[Row],
        figures: Mapping[str, Mapping[str, Any]],
    ) -> list[Row]:
        """Return the next questions of the relations in which they lower the errors most.

        Args:
            earlier: Inputs of all earlier rounds.
            count: Number of questions.
            rows: All training rows.
            figures: Figures of the student's answers by relation.
        """
        left = self._left(earlier)
        counts = self._counts(left, earlier, rows, figures)
        return _first(left, questions_by_yield(counts, count, self.samples))

    def rows_by_relation(self, rows: Sequence[Row]) -> Counter[str]:
        """Return the number of rows of each relation."""
        return Counter(str(row[str(self.kind.class_column)]) for row in rows)

    def _left(self, earlier: Sequence[Row]) -> Groups:
        """Return the questions of each relation that were not asked yet."""
        keys = {triple_question(self.kind, row, 0).key for row in earlier}
        groups: dict[str, list[TripleQuestion]] = {relation: [] for relation in self.relations}
        for one in self.questions:
            if one.key not in keys:
                groups[one.relation].append(one)
        return list(groups.values())

    def _counts(
        self,
        left: Groups,
        earlier: Sequence[Row],
        rows: Sequence[Row],
        figures: Mapping[str, Mapping[str, Any]],
    ) -> RelationCounts:
        completions = self.rows_by_relation(earlier)
        accepted = self.rows_by_relation([row for row in rows if row.get("id") not in self.start])
        of_relations = [figures.get(relation, {}) for relation in self.relations]
        questions = [int(one.get("questions", 0)) for one in of_relations]
        validity = [float(one.get("validity", 0.0)) for one in of_relations]
        return RelationCounts.of(
            _sizes(left).tolist(),
            [completions[relation] * self.samples for relation in self.relations],
            [accepted[relation] for relation in self.relations],
            questions,
            [count * (1 - share) for count, share in zip(questions, validity, strict=True)],
        )


def _sizes(groups: Groups) -> Ints:
    return np.array([len(group) for group in groups], dtype=np.int64)


def _first(groups: Groups, counts: Ints) -> list[Row]:
    """Return the first questions of each relation as input rows."""
    chosen = [
        one for group, count in zip(groups, counts, strict=True) for one in group[: int(count)]
    ]
    return [dict(one.row) for one in sorted(chosen, key=lambda one: (one.draw, one.key))]
