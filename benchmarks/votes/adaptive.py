"""Adaptive sampling on recorded samples: number of samples and kept answers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.votes.accuracy import interval
from benchmarks.votes.rows import Question
from synthkd.filters.stopping import Stopping, asked_of, leader

RULES: list[tuple[str, Stopping]] = [
    ("exact", Stopping(None)),
    *((f"beta {c}", Stopping(c, "beta")) for c in (0.8, 0.9, 0.95, 0.99, 0.999)),
    *((f"dirichlet {c}", Stopping(c)) for c in (0.9, 0.95, 0.98, 0.99)),
]


def curve(
    questions: Sequence[Question], first: int = 3, step: int = 2, orders: int = 20
) -> dict[str, Any]:
    """Measure samples and kept answers of each rule.

    Shares of the samples that are asked for and of questions whose answer stays (a shared lead is
    an answer of its own: none), and the accuracy lost. Samples are drawn in ``orders`` random
    orders, since they are exchangeable.
    """
    return {name: _one(questions, stopping, first, step, orders) for name, stopping in RULES}


def _one(
    questions: Sequence[Question], stopping: Stopping, first: int, step: int, orders: int
) -> dict[str, Any]:
    kept, samples, right, whole = (np.zeros(len(questions)) for _ in range(4))
    changed = 0
    for i, question in enumerate(questions):
        rng = random.Random(i)
        truth = {vote.answer: vote.right for vote in question.votes}
        for _ in range(orders):
            votes = [vote.answer for vote in question.votes]
            rng.shuffle(votes)
            length = asked_of(votes, stopping, first, step)
            early, late = leader(votes[:length]), leader(votes)
            kept[i] += (early == late) / orders
            changed += late is not None and early != late
            samples[i] += length / len(votes) / orders
            right[i] += truth.get(early, False) / orders
            whole[i] += truth.get(late, False) / orders
    return {
        "kept": round(float(kept.mean()), 4),
        "kept_interval": interval(kept),
        "samples_share": round(float(samples.mean()), 4),
        "samples_share_interval": interval(samples),
        "accuracy_early": round(float(right.mean()), 4),
        "accuracy_all": round(float(whole.mean()), 4),
    }
