"""Merge the verdicts of several annotators: by majority, or by the model of Dawid and Skene.

Dawid and Skene (1979, Applied Statistics 28:20-28) give each annotator a confusion matrix, and
estimate it together with the true verdicts by expectation maximisation. An annotator may also
answer ``unsure``, which is no true verdict: a matrix has two rows and three columns. A test
compares the result with crowd-kit's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from synthkd.errors import CriticError, nearest
from synthkd.labels.verdicts import ACCEPT, REJECT, UNSURE, VERDICTS
from synthkd.statistics import expectation_maximisation

METHODS = ("majority", "dawid-skene")
#: Item -> annotator -> verdict.
Votes = Mapping[str, Mapping[str, str]]
_SMALLEST = 1e-10


def merge_verdicts(votes: Votes, method: str = "majority") -> dict[str, str]:
    """Return one verdict for each item, by `majority` or `dawid-skene`."""
    if method == "majority":
        return {item: majority_verdict(list(verdicts.values())) for item, verdicts in votes.items()}
    if method == "dawid-skene":
        return dawid_skene(votes).verdicts
    raise CriticError(f"unknown way to merge annotators {method!r}{nearest(method, list(METHODS))}")


def majority_verdict(verdicts: Sequence[str]) -> str:
    """Return the most frequent verdict; ``unsure`` for a tie."""
    (first, most), *others = Counter(verdicts).most_common()
    return UNSURE if others and others[0][1] == most else first


@dataclass(frozen=True)
class DawidSkene:
    """A fitted model of Dawid and Skene.

    Attributes:
        valid: Item -> probability of being valid.
        confusion: Annotator -> (2, 3) P(verdict | truth): truths accept and reject, verdicts
            accept, reject and unsure.
        share: Share of valid items.
    """

    valid: dict[str, float]
    confusion: dict[str, np.ndarray[Any, Any]]
    share: float
    iterations: int

    @property
    def verdicts(self) -> dict[str, str]:
        """The more probable verdict of each item; ``unsure`` if both are equally probable."""
        return {
            item: UNSURE if abs(p - 0.5) < 1e-9 else (ACCEPT if p > 0.5 else REJECT)
            for item, p in self.valid.items()
        }


def dawid_skene(votes: Votes, rounds: int = 200, tolerance: float = 1e-7) -> DawidSkene:
    """Fit by expectation maximisation, started at the shares of votes.

    Raises:
        CriticError: For fewer than three annotators, from whom no confusion can be estimated.
    """
    names = sorted({name for verdicts in votes.values() for name in verdicts})
    if len(names) < 3:
        raise CriticError(
            f"Dawid-Skene needs three annotators or more, here are {len(names)}"
            f" ({', '.join(names)}); merge by majority"
        )
    items = list(votes)
    answers = np.zeros((len(items), len(names), len(VERDICTS)))
    for i, item in enumerate(items):
        for name, verdict in votes[item].items():
            answers[i, names.index(name), VERDICTS.index(verdict)] = 1

    def maximise(posterior: Any) -> tuple[Any, Any]:
        truth = posterior.reshape(-1, 2)
        share = np.clip(truth.mean(axis=0), _SMALLEST, None)
        matrix = np.clip(np.einsum("it,ika->kta", truth, answers), _SMALLEST, None)
        matrix /= matrix.sum(axis=2, keepdims=True)
        logs = np.log(share) + np.einsum("ika,kta->it", answers, np.log(matrix))
        return matrix, logs.reshape(-1)

    # Two hypotheses for each item: valid and invalid.
    steps = expectation_maximisation(
        np.repeat(np.arange(len(items)), 2), _vote_shares(answers).reshape(-1), maximise
    )
    before = np.inf
    for iterations, (matrix, posterior, logs) in enumerate(islice(steps, rounds), 1):  # noqa: B007
        likelihood = float(logs.mean())
        if abs(likelihood - before) < tolerance:
            break
        before = likelihood
    truth = posterior.reshape(-1, 2)[:, 0]
    valid = dict(zip(items, truth.tolist(), strict=True))
    return DawidSkene(valid, dict(zip(names, matrix, strict=True)), float(truth.mean()), iterations)


def _vote_shares(answers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return (items, 2) shares of votes for each truth; a half each if all votes are unsure."""
    counts = answers[:, :, :2].sum(axis=1)
    total = counts.sum(axis=1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), 0.5)
