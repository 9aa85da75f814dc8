"""Share of right answers by question, and differences with intervals over heads and seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.students.everyday_split import Question
from synthkd.text.normal_forms import normal_phrase

Row = Mapping[str, Any]
Floats = np.ndarray[Any, np.dtype[np.float64]]
DRAWS = 2000


@dataclass(frozen=True)
class Right:
    """Share of right samples of each question, and the number of different right tails among them.

    A sample that a rule rejects or that is malformed is not right; a repeat of a right one is.
    """

    share: dict[Question, float]
    different: dict[Question, int]

    def of(self, questions: Sequence[Question]) -> tuple[float, float]:
        """Mean share and mean number of different right tails over these questions."""
        return (
            float(np.mean([self.share[one] for one in questions])),
            float(np.mean([self.different[one] for one in questions])),
        )


def right(
    rows: Iterable[Row], questions: Iterable[Question], n: int, valid: Callable[[Row], bool]
) -> Right:
    """Count from all rows of a run, rejected ones too, with ``n`` samples of each question."""
    tails: dict[Question, list[str]] = {one: [] for one in questions}
    for row in rows:
        one = (row["head"], row["relation"])
        if row["rejected_by"] in (None, "duplicate") and one in tails and valid(row):
            tails[one].append(normal_phrase(row["tail"]))
    return Right(
        {one: len(answers) / n for one, answers in tails.items()},
        {one: len(set(answers)) for one, answers in tails.items()},
    )


def by_head(right: Right, other: Right, questions: Sequence[Question]) -> dict[str, list[float]]:
    """Return differences of shares, of the questions of each head."""
    results: dict[str, list[float]] = {}
    for one in questions:
        results.setdefault(one[0], []).append(right.share[one] - other.share[one])
    return results


def interval(seeds: Sequence[Mapping[str, Sequence[float]]]) -> tuple[float, float, float]:
    """Mean over the questions of all seeds with its 95 % interval.

    Seeds are drawn again, and of each its heads, with all their questions.
    """
    rng = np.random.default_rng(0)
    sums = [np.array([sum(results) for results in one.values()]) for one in seeds]
    sizes = [np.array([len(results) for results in one.values()], float) for one in seeds]
    means = np.empty(DRAWS)
    for draw in range(DRAWS):
        total = count = 0.0
        for place in rng.integers(0, len(seeds), len(seeds)):
            heads = rng.integers(0, len(sums[place]), len(sums[place]))
            total += sums[place][heads].sum()
            count += sizes[place][heads].sum()
        means[draw] = total / count
    value = sum(map(np.sum, sums)) / sum(map(np.sum, sizes))
    low, high = np.quantile(means, [0.025, 0.975])
    return round(float(value), 4), round(float(low), 4), round(float(high), 4)
