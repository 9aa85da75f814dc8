"""Stop asking as soon as the vote of a question is decided.

Two rules, both pure functions of the votes so far.

- *exact*: the leader has more votes than the next could still get; the majority's answer is never
  another.
- *likely*: the leader is the teacher's most likely answer with a given probability, given the votes
  (Adaptive-Consistency, Aggarwal et al. 2023, arXiv 2305.11860). ``beta`` looks at the first two
  answers, ``dirichlet`` at all, and at one that nobody gave yet.

The exact rule ends a question in any case: what cannot change the answer is not asked.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

#: Nodes of the integral; exact to many digits for some hundred votes.
_NODES = 96


@dataclass(frozen=True, slots=True)
class Stopping:
    """``confidence`` None leaves the exact rule alone.

    ``min_votes`` are asked of a winner: while more samples may still bring a leader there, it is
    not decided; where they no longer can, nothing can win.
    """

    confidence: float | None = 0.95
    rule: Literal["beta", "dirichlet"] = "dirichlet"
    min_votes: int = 1

    def decided(self, counts: Iterable[int], left: int) -> bool:
        """Return True if the votes for each answer decide, with so many samples not asked yet."""
        order = sorted(counts, reverse=True)
        first = order[0] if order else 0
        second = order[1] if len(order) > 1 else 0
        if left <= 0 or first + left < self.min_votes:
            return True
        if first < self.min_votes:
            return False
        if first > second + left:
            return True
        if self.confidence is None or first == second:
            return False
        chance = beta(first, second) if self.rule == "beta" else dirichlet(tuple(order))
        return chance > self.confidence


def beta(first: int, second: int) -> float:
    """Return P(p > 1/2) for p ~ Beta(first + 1, second + 1): the leader of two is the likelier."""
    trials = first + second + 1
    return float(sum(math.comb(trials, k) for k in range(first + 1)) / 2**trials)


@lru_cache(maxsize=4096)
def dirichlet(counts: tuple[int, ...]) -> float:
    """Return P(the first answer is the most likely) under Dirichlet(counts + 1).

    There is one more answer that nobody gave.

    Shares of a Dirichlet are gamma variables over their sum, so this is the integral of the
    leader's density times the others' distribution functions.
    """
    if not counts:
        return 0.0
    # Imported here: the stage that asks does without numpy.
    import numpy as np

    places, weights = np.polynomial.laguerre.laggauss(_NODES)
    first = counts[0]
    logs = first * np.log(places) - math.lgamma(first + 1)
    total = weights * np.exp(logs)
    for count in (*counts[1:], 0):
        # The distribution function of a gamma variable of whole shape count + 1.
        terms = np.arange(count + 1)
        logs = terms[:, None] * np.log(places)[None, :] - places[None, :]
        logs -= np.array([math.lgamma(k + 1) for k in terms])[:, None]
        total = total * np.clip(1.0 - np.exp(logs).sum(axis=0), 0.0, 1.0)
    return float(min(1.0, total.sum()))


def lengths(first: int, step: int, most: int) -> list[int]:
    """Return the number of samples that a question has after each round."""
    return sorted({min(first, most), *range(first, most, step), most})


def asked_of(votes: Sequence[str | None], stopping: Stopping, first: int, step: int) -> int:
    """Count a question's recorded votes that would have been asked for, in their order."""
    for length in lengths(first, step, len(votes)):
        counts = Counter(vote for vote in votes[:length] if vote is not None)
        if stopping.decided(counts.values(), len(votes) - length):
            return length
    return len(votes)


def leader(votes: Iterable[str | None]) -> str | None:
    """Return the answer with most votes; None without votes, or if two share the lead."""
    order = Counter(vote for vote in votes if vote is not None).most_common(2)
    if not order or (len(order) > 1 and order[0][1] == order[1][1]):
        return None
    return order[0][0]
