"""Texts that are like no real row, or like none of their class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from synthkd.filters.base import Reasons
from synthkd.filters.real_rows import Numbers, SimilarityRule

#: So many of the most similar rows are averaged: of all classes, and of the own class.
_OF_ALL, _OF_CLASS = 3, 2


class OffTopic(SimilarityRule):
    """Reject texts that are too far from the real rows of all classes, or from those of their own.

    Both distances are held against those of the real rows, each of which is left out in turn;
    `real_rows_lost` is the share of them that the two thresholds together reject.
    """

    name: ClassVar[str] = "off_topic"

    def set_threshold(self) -> None:
        among = self.real.among.copy()
        among[self.real.groups[:, None] == self.real.groups[None, :]] = -np.inf
        self._of_rows = self._scores(among, self.real.of)
        places = [np.sort(one[np.isfinite(one)]) for one in self._of_rows]
        # Each row's rank from below, on whichever side it is lower.
        ranks = [
            np.where(np.isfinite(one), np.searchsorted(of, one) / max(len(of), 1), np.inf)
            for of, one in zip(places, self._of_rows, strict=True)
        ]
        lowest = np.sort(np.minimum(*ranks))
        level = lowest[self.allowed(len(lowest))]
        self.thresholds = [_threshold(of, level) for of in places]

    def judge(self, texts: Sequence[str], labels: Sequence[str]) -> Reasons:
        numbers = self.real.number(labels)
        scores = self._scores(self.real.similarity(texts), numbers)
        known = self.real.known(texts, numbers)
        for own, of_rows in zip(scores, self._of_rows, strict=True):
            own[known >= 0] = of_rows[known[known >= 0]]
        of_all, of_class = (one.tolist() for one in scores)
        return [self._reason(*row) for row in zip(of_all, of_class, labels, strict=True)]

    def _reason(self, of_all: float, of_class: float, label: str) -> str | None:
        if of_all <= self.thresholds[0]:
            return f"unlike all real rows ({of_all:.3f}, at most {self.thresholds[0]:.3f})"
        if of_class <= self.thresholds[1]:
            threshold = self.thresholds[1]
            return f"unlike the real rows of {label!r} ({of_class:.3f}, at most {threshold:.3f})"
        return None

    def _scores(self, similarity: Numbers, numbers: Numbers) -> tuple[Numbers, Numbers]:
        """Return the similarity to all rows and to those of the class; inf where nothing is known.

        Args:
            similarity: To each row (m, n); -inf for rows that do not count.
            numbers: The number of each text's class; -1 for an unknown one.
        """
        of_class = np.full(len(numbers), np.inf)
        for number in np.unique(numbers[numbers >= 0]).tolist():
            texts, rows = np.flatnonzero(numbers == number), self.real.of == number
            of_class[texts] = _mean_of_top(
                similarity[np.ix_(texts, np.flatnonzero(rows))], _OF_CLASS
            )
        return _mean_of_top(similarity, _OF_ALL), of_class


def _mean_of_top(similarity: Numbers, count: int) -> Numbers:
    """Return the mean of the highest values of each row; inf for a row without a finite one."""
    top = np.sort(similarity, axis=1)[:, -count:]
    finite = np.isfinite(top)
    total = np.where(finite, top, 0).sum(axis=1)
    return np.where(finite.any(axis=1), total / np.maximum(finite.sum(axis=1), 1), np.inf)


def _threshold(values: Numbers, level: float) -> float:
    """Return the highest of the values whose rank from below is under a level; -inf for none."""
    below = int(np.ceil(level * len(values) - 1e-9)) if np.isfinite(level) else len(values)
    return float(values[below - 1]) if below else -np.inf
