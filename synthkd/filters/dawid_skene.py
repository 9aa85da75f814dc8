"""The reliability of each teacher, from how teachers agree.

Dawid and Skene 1979, Applied Statistics 28:20-28, with one number for each teacher, since every
question has its own answers.

A teacher gives the true answer with probability p; an error falls on any other answer. Questions
with the same pattern of votes count as one, so memory holds the patterns and not the questions.

Samples of one teacher err together, so that a teacher that repeats itself would seem reliable: each
teacher has one vote in a question here, that of most of its samples. From two teachers nothing can
be told but how often they agree; three are needed, and with fewer all votes weigh alike.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from synthkd.filters.votes import Numbers, codes
from synthkd.statistics import expectation_maximisation

#: The votes of a question: for each answer, (teacher, votes) pairs. In no order that means
#: something, hence sorted.
Pattern = tuple[tuple[tuple[str, int], ...], ...]
_LEAST, _MOST = 0.01, 0.99
#: Teachers from which reliabilities can be told apart.
NEEDED = 3


def patterns(question: Any, answer: Any, completion: Any, teacher: list[str]) -> Counter[Pattern]:
    """Count the patterns of votes."""
    ask, say, who = codes(question), codes(answer), codes(completion)
    said = {
        (q, a, c): t
        for q, a, c, t in zip(ask.tolist(), say.tolist(), who.tolist(), teacher, strict=True)
        if a >= 0
    }
    counts: dict[int, dict[int, Counter[str]]] = {}
    for (q, a, _), name in said.items():
        counts.setdefault(q, {}).setdefault(a, Counter())[name] += 1
    return Counter(
        tuple(sorted(tuple(sorted(votes.items())) for votes in answers.values()))
        for answers in counts.values()
    )


@dataclass(frozen=True)
class Reliability:
    """Teacher -> how often its answer is the true one; and how many answers a question may have."""

    sure: dict[str, float] = field(default_factory=dict)
    answers: int = 2

    def weight(self, teacher: str) -> float:
        """Return the weight of a vote: the log-odds, by which the leader is the most likely answer.

        A teacher that is no better than chance weighs nothing; if no teacher is known, all weigh
        the same.
        """
        if not self.sure:
            return 1.0
        p = self.sure.get(teacher, 1 / self.answers)
        return max(0.0, math.log(p) - math.log((1 - p) / (self.answers - 1)))


def reliabilities(
    found: Mapping[Pattern, int], rounds: int = 500, tolerance: float = 1e-9
) -> Reliability:
    """Expectation maximisation, begun at the shares of votes.

    All teachers may be wrong: one answer more than the most that a question got can be true.
    """
    order = sorted(found)
    names = sorted({name for pattern in order for answer in pattern for name, _ in answer})
    if len(names) < NEEDED:
        return Reliability()
    answers = max(2, 1 + max(len(pattern) for pattern in order))
    # A row for each answer of each pattern, and one for all the answers that nobody gave.
    of = np.array([i for i, pattern in enumerate(order) for _ in (*pattern, None)], dtype=np.int64)
    votes = np.array(
        [line for pattern in order for line in _one_each(pattern, names)], dtype=np.float64
    )
    unsaid = np.array(
        [n for pattern in order for n in (*[1] * len(pattern), answers - len(pattern))],
        dtype=np.float64,
    )
    whole = np.zeros((len(order), len(names)))
    np.add.at(whole, of, votes)
    whole = whole[of]
    times = np.array([found[pattern] for pattern in order], dtype=np.float64)[of]
    given = (times[:, None] * votes).sum(axis=0)

    def maximise(true: Numbers) -> tuple[Numbers, Numbers]:
        sure = np.clip(((times * true)[:, None] * votes).sum(axis=0) / given, _LEAST, _MOST)
        return sure, votes @ np.log(sure) + (whole - votes) @ np.log(
            (1 - sure) / (answers - 1)
        ) + np.log(unsaid)

    sure = before = np.zeros(len(names))
    steps = expectation_maximisation(of, votes.sum(axis=1) / whole.sum(axis=1), maximise)
    for sure, _, _ in islice(steps, rounds):
        if np.abs(sure - before).max() < tolerance:
            break
        before = sure
    return Reliability(dict(zip(names, sure.tolist(), strict=True)), answers)


def _one_each(pattern: Pattern, names: list[str]) -> Numbers:
    """Return each teacher's one vote, shared among its tied samples (answers + 1, teachers).

    The last line is the answers that nobody gave.
    """
    counts = np.array(
        [[dict(answer).get(name, 0) for name in names] for answer in (*pattern, ())],
        dtype=np.float64,
    )
    most = (counts == counts.max(axis=0)) & (counts > 0)
    shared: Numbers = most / np.maximum(most.sum(axis=0), 1)
    return shared
