"""Several annotators' verdicts made into one: by majority, or by the model of Dawid and Skene.

Dawid and Skene (1979, Applied Statistics 28:20-28) let each annotator have a confusion matrix, and estimate it
together with the true verdicts by expectation maximisation. It is written here, forty lines of numpy, because
crowd-kit, which has it, needs transformers, pandas and nltk; a test holds the two to the same answers. Here an
annotator may also answer ``unsure``, which is no true verdict: a matrix has two rows and three columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkd.errors import CriticError, nearest
from synthkd.labels.verdicts import ACCEPT, REJECT, UNSURE, VERDICTS

METHODS = ("majority", "dawid-skene")
#: item -> annotator -> verdict
Votes = Mapping[str, Mapping[str, str]]
_SMALLEST = 1e-10


def merge_verdicts(votes: Votes, method: str = "majority") -> dict[str, str]:
    """One verdict for each item."""
    if method == "majority":
        return {item: majority_verdict(list(said.values())) for item, said in votes.items()}
    if method == "dawid-skene":
        return dawid_skene(votes).verdicts
    raise CriticError(f"unknown way to merge annotators {method!r}{nearest(method, list(METHODS))}")


def majority_verdict(verdicts: Sequence[str]) -> str:
    """The verdict that most gave; a tie is ``unsure``."""
    (first, most), *others = Counter(verdicts).most_common()
    return UNSURE if others and others[0][1] == most else first


@dataclass(frozen=True)
class DawidSkene:
    """``valid``: probability that each item is valid. ``confusion``: annotator -> (2, 3), P(answer | truth), with
    truths in the order accept, reject and answers accept, reject, unsure. ``share`` is that of valid items."""

    valid: dict[str, float]
    confusion: dict[str, np.ndarray[Any, Any]]
    share: float
    iterations: int

    @property
    def verdicts(self) -> dict[str, str]:
        """The likelier verdict; ``unsure`` where the two are equally likely."""
        return {
            item: UNSURE if abs(p - 0.5) < 1e-9 else (ACCEPT if p > 0.5 else REJECT)
            for item, p in self.valid.items()
        }


def dawid_skene(votes: Votes, rounds: int = 200, tolerance: float = 1e-7) -> DawidSkene:
    """Fit by expectation maximisation, begun at the shares of votes. Three annotators are needed to tell them apart."""
    people = sorted({name for said in votes.values() for name in said})
    if len(people) < 3:
        raise CriticError(
            f"Dawid-Skene needs three annotators or more, here are {len(people)} ({', '.join(people)});"
            " merge by majority"
        )
    items = list(votes)
    answers = np.zeros((len(items), len(people), len(VERDICTS)))
    for i, item in enumerate(items):
        for name, verdict in votes[item].items():
            answers[i, people.index(name), VERDICTS.index(verdict)] = 1
    truth = _shares(answers)
    before, done = np.inf, 0
    for done in range(1, rounds + 1):  # noqa: B007
        share = np.clip(truth.mean(axis=0), _SMALLEST, None)
        matrix = np.clip(np.einsum("it,ika->kta", truth, answers), _SMALLEST, None)
        matrix /= matrix.sum(axis=2, keepdims=True)
        logs = np.log(share) + np.einsum("ika,kta->it", answers, np.log(matrix))
        top = logs.max(axis=1, keepdims=True)
        truth = np.exp(logs - top)
        likelihood = float((top[:, 0] + np.log(truth.sum(axis=1))).mean())
        truth /= truth.sum(axis=1, keepdims=True)
        if abs(likelihood - before) < tolerance:
            break
        before = likelihood
    valid = dict(zip(items, truth[:, 0].tolist(), strict=True))
    return DawidSkene(valid, dict(zip(people, matrix, strict=True)), float(truth[:, 0].mean()), done)


def _shares(answers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(items, 2) Share of votes for each truth; a half each where all were unsure."""
    counts = answers[:, :, :2].sum(axis=1)
    total = counts.sum(axis=1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), 0.5)
