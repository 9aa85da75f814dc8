"""Accuracy of single samples, of the majority and of weighted votes, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.votes.rows import Question, Vote
from synthkd.filters.dawid_skene import patterns, reliabilities
from synthkd.filters.votes import tally

RESAMPLES = 2000
Weigh = Callable[[Question, Vote], float]


def scores(questions: Sequence[Question], weigh: Weigh | None = None) -> np.ndarray[Any, Any]:
    """Return the accuracy of each question: mean sample, majority, expected majority.

    A tie is wrong in the second and drawn in the third. A question without any answer counts as
    wrong.
    """
    rows = [(i, vote) for i, question in enumerate(questions) for vote in question.votes]
    weights = None if weigh is None else [weigh(questions[i], vote) for i, vote in rows]
    counted = tally(
        [i for i, _ in rows],
        [vote.answer for _, vote in rows],
        [str(k) for k in range(len(rows))],
        weights,
    )
    out = np.zeros((len(questions), 3))
    leaders: list[dict[str | None, bool]] = [{} for _ in questions]
    for place, (i, vote) in enumerate(rows):
        out[i, 0] += vote.right / len(questions[i].votes)
        if counted.leads[place] and counted.agreement[place] > 0:
            leaders[i][vote.answer] = vote.right
    for i, leading in enumerate(leaders):
        if leading:
            out[i, 1] = float(len(leading) == 1 and next(iter(leading.values())))
            out[i, 2] = sum(leading.values()) / len(leading)
    return out


def by_reliability(
    questions: Sequence[Question], voter: Callable[[Vote], str]
) -> tuple[Weigh, dict[str, float]]:
    """Return weights from the agreement of voters (Dawid-Skene), without gold.

    ``voter`` may divide a teacher by its checks.
    """
    rows = [(i, vote) for i, question in enumerate(questions) for vote in question.votes]
    results = patterns(
        [i for i, _ in rows],
        [vote.answer for _, vote in rows],
        [str(k) for k in range(len(rows))],
        [voter(vote) for _, vote in rows],
    )
    sure = reliabilities(results)

    def weigh(_: Question, vote: Vote) -> float:
        return 0.0 if vote.answer is None else sure.weight(voter(vote))

    return weigh, sure.sure


def interval(values: np.ndarray[Any, Any], seed: int = 0) -> list[float]:
    """Return the 95 % bootstrap interval of the mean over questions."""
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(values), (RESAMPLES, len(values)))
    return [round(float(q), 4) for q in np.quantile(values[draws].mean(axis=1), [0.025, 0.975])]


def figure(values: np.ndarray[Any, Any]) -> dict[str, Any]:
    return {"value": round(float(values.mean()), 4), "interval": interval(values)}
