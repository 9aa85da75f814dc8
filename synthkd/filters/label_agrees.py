"""Texts whose label a classifier of the real rows does not find among the likely ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from synthkd.filters.base import Reasons
from synthkd.filters.real_rows import Numbers, SimilarityRule

#: Penalty of the ridge classifier, for similarities from 0 to 1. Chosen on half of BANKING77's
#: classes, five training rows of each: from 0.3 to 3 the accuracy differs by a hundredth.
_RIDGE = 1.0


class LabelAgrees(SimilarityRule):
    """Reject texts whose label is not among the first k of a classifier of the real rows.

    Each real row is classified by a model without it and its near-duplicates, and k is the
    smallest number for which at most `real_rows_lost` of them lose their label.
    """

    name: ClassVar[str] = "label_agrees"

    class Options(SimilarityRule.Options):
        k: int | None = Field(
            None, ge=1, description="Likely labels. Default: by `real_rows_lost`."
        )

    options: Options

    def set_threshold(self) -> None:
        real, count = self.real, len(self.real.of)
        wanted = np.eye(len(real.labels))[real.of]
        inverse = np.linalg.inv(real.among + _RIDGE * np.eye(count))
        self._weights = inverse @ wanted
        # What a model without a group of rows says of them, in closed form.
        self._left_out = np.empty_like(wanted)
        for group in np.unique(real.groups).tolist():
            rows = np.flatnonzero(real.groups == group)
            self._left_out[rows] = wanted[rows] - np.linalg.solve(
                inverse[np.ix_(rows, rows)], self._weights[rows]
            )
        # A class of one group has no row left.
        judged = np.array([len(set(real.groups[real.of == number])) > 1 for number in real.of])
        ranks = np.sort(_ranks(self._left_out[judged], real.of[judged]))
        by_rows = int(ranks[len(ranks) - 1 - self.allowed(len(ranks))]) + 1 if len(ranks) else None
        self.k = self.options.k or by_rows or len(real.labels)

    def judge(self, texts: Sequence[str], labels: Sequence[str]) -> Reasons:
        real, numbers = self.real, self.real.number(labels)
        scores = real.similarity(texts) @ self._weights
        known = real.known(texts, numbers)
        scores[known >= 0] = self._left_out[known[known >= 0]]
        ranks = _ranks(scores, np.maximum(numbers, 0))
        first = scores.argmax(axis=1)
        return [
            None
            if number < 0 or rank < self.k
            else f"given {label}, which is likely label {rank + 1}; the first is"
            f" {real.labels[best]}, {self.k} count"
            for number, rank, label, best in zip(
                numbers.tolist(), ranks.tolist(), labels, first.tolist(), strict=True
            )
        ]


def _ranks(scores: Numbers, numbers: Numbers) -> Numbers:
    """Return how many labels have a higher score than the given one."""
    own = scores[np.arange(len(scores)), numbers]
    ranks: Numbers = (scores > own[:, None]).sum(axis=1)
    return ranks
