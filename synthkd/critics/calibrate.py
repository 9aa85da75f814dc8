"""From held-out scores and labels to a threshold that keeps an asked precision.

Many thresholds are looked at, so a bound for each alone would promise too much. Here the thresholds are
tested in an order fixed in advance, from strict to loose, and testing stops at the first that fails
(fixed-sequence testing); four sequences with different starts share the error equally. Each test is the exact
binomial bound of Clopper and Pearson. The promise: with the asked confidence, over draws of the held-out
rows, the precision of what lies above the chosen threshold is at least the one asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]

#: Shares of the held-out rows at which a sequence of tests starts.
STARTS = (0.1, 0.25, 0.45, 0.65)
#: Steps of the grid of accepted shares.
GRID = 40


def clopper_pearson_lower(successes: int, n: int, alpha: float) -> float:
    """Lower end of the one-sided exact binomial interval at confidence ``1 - alpha``."""
    if successes == 0:
        return 0.0
    from scipy.stats import beta

    return float(beta.ppf(alpha, successes, n - successes + 1))


@dataclass(frozen=True)
class Threshold:
    """A threshold that keeps the asked precision: accept where score >= threshold."""

    threshold: float
    asked: float
    confidence: float
    lower_bound: float
    precision: float
    kept: float
    recall: float
    held_out: int

    def sentence(self) -> str:
        """In words."""
        return (
            f"precision {self.asked:.2f} asked: threshold {self.threshold:.4f} keeps {self.kept:.1%} of the rows and"
            f" {self.recall:.1%} of the valid ones; precision {self.precision:.3f} on {self.held_out:,} held-out"
            f" labels, at least {self.lower_bound:.3f} with {self.confidence:.0%} confidence"
        )


@dataclass(frozen=True)
class Unreachable:
    """No threshold passes. ``labels_needed``: held-out labels that would do, if what was seen is true."""

    asked: float
    confidence: float
    best_precision: float
    best_kept: float
    labels_needed: int | None
    held_out: int

    @property
    def advice(self) -> str:
        """What is the matter and what would help."""
        seen = (
            f"a precision of {self.asked:.2f} with {self.confidence:.0%} confidence could not be had: the best on"
            f" {self.held_out:,} held-out labels was {self.best_precision:.3f}, on the top {self.best_kept:.0%} of rows."
        )
        if self.labels_needed is None:
            return seen + " More labels alone will not help: ask for less, or train a better critic."
        more = max(self.labels_needed - self.held_out, 1)
        return (
            seen
            + f" About {more:,} more held-out labels would make it pass if that figure is true; or ask for less."
        )

    def sentence(self) -> str:
        """In words."""
        return self.advice


@dataclass(frozen=True)
class Curve:
    """Held-out scores (n,) and labels (n,), sorted from the highest score."""

    scores: Floats
    labels: Bools

    @classmethod
    def of(cls, scores: Floats, labels: Bools) -> Curve:
        """Sort rows by score; equal scores are one step of the curve."""
        order = np.argsort(-scores, kind="stable")
        return cls(scores[order], labels[order])

    @cached_property
    def steps(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """(accepted, valid) counts at each distinct score, from strict to loose."""
        ends = np.flatnonzero(np.append(self.scores[1:] != self.scores[:-1], True))
        return ends + 1, np.cumsum(self.labels)[ends]

    @property
    def auc(self) -> float:
        """Area under the ROC curve; ties count half."""
        from sklearn.metrics import roc_auc_score

        return float(roc_auc_score(self.labels, self.scores))

    @property
    def ece(self) -> float:
        """Expected calibration error over ten bins of equal width."""
        bins = np.minimum((self.scores * 10).astype(int), 9)
        gaps = [
            abs(self.scores[bins == b].mean() - self.labels[bins == b].mean()) * (bins == b).mean()
            for b in range(10)
            if (bins == b).any()
        ]
        return float(sum(gaps))

    def precision_at_recall(self, recall: float) -> float:
        """Precision at the strictest threshold that keeps this share of the valid rows."""
        accepted, valid = self.steps
        place = int(np.searchsorted(valid, recall * valid[-1]))
        return float(valid[place] / accepted[place])

    def threshold(self, precision: float, confidence: float = 0.95) -> Threshold | Unreachable:
        """The loosest threshold that passes, or why there is none."""
        return choose_threshold(self, precision, confidence)


def choose_threshold(curve: Curve, precision: float, confidence: float = 0.95) -> Threshold | Unreachable:
    """Fixed-sequence testing from four starts (module docstring)."""
    accepted, valid = curve.steps
    n = len(curve.labels)
    alpha = (1 - confidence) / len(STARTS)
    passed: int | None = None
    for start in STARTS:
        for place in _places(accepted, n, start):
            if clopper_pearson_lower(int(valid[place]), int(accepted[place]), alpha) < precision:
                break
            passed = place if passed is None else max(passed, place)
    if passed is None:
        return _unreachable(curve, precision, confidence, alpha)
    count, good = int(accepted[passed]), int(valid[passed])
    return Threshold(
        threshold=float(curve.scores[count - 1]),
        asked=precision,
        confidence=confidence,
        lower_bound=clopper_pearson_lower(good, count, alpha),
        precision=good / count,
        kept=count / n,
        recall=good / max(int(valid[-1]), 1),
        held_out=n,
    )


def _places(accepted: np.ndarray[Any, Any], n: int, start: float) -> list[int]:
    """Steps of the curve nearest above fixed ranks, from a start to all rows: they depend on n and ties only."""
    shares = np.linspace(0, 1, GRID + 1)[1:]
    ranks = [math.ceil(share * n) for share in shares if share >= start - 1e-9]
    return list(dict.fromkeys(int(np.searchsorted(accepted, rank)) for rank in ranks))


def _unreachable(curve: Curve, precision: float, confidence: float, alpha: float) -> Unreachable:
    accepted, valid = curve.steps
    n = len(curve.labels)
    places = _places(accepted, n, STARTS[0])
    best = max(places, key=lambda p: (valid[p] / accepted[p], accepted[p]))
    needs = [_labels_needed(valid[p] / accepted[p], accepted[p] / n, precision, alpha) for p in places]
    known = [need for need in needs if need is not None]
    return Unreachable(
        asked=precision,
        confidence=confidence,
        best_precision=float(valid[best] / accepted[best]),
        best_kept=float(accepted[best] / n),
        labels_needed=max(min(known), n + 1) if known else None,
        held_out=n,
    )


def _labels_needed(seen: float, kept: float, precision: float, alpha: float) -> int | None:
    """Held-out labels at which a precision as seen would pass: doubling, up to a million accepted."""
    if seen <= precision:
        return None
    count = 8
    while count < 1_000_000:
        if clopper_pearson_lower(math.floor(seen * count), count, alpha) >= precision:
            return math.ceil(count / kept)
        count = math.ceil(count * 1.1)
    return None
