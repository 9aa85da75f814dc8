"""Uncertainty of a curve: bands around precision, an interval around the AUC.

Sources: Clopper & Pearson 1934; DeLong, DeLong & Clarke-Pearson 1988, with the mid-ranks of Sun &
Xu 2014.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkd.critics.calibration.bounds import Floats, clopper_pearson_lower, clopper_pearson_upper
from synthkd.critics.calibration.curve import Curve
from synthkd.critics.logistic import sigmoid
from synthkd.errors import CriticError
from synthkd.statistics import draw_counts, percentile_interval


@dataclass(frozen=True)
class Band:
    """One place of a precision band: share kept, figures and intervals."""

    kept: float
    threshold: float
    precision: float
    recall: float
    pointwise: tuple[float, float]
    simultaneous: tuple[float, float]


def precision_bands(curve: Curve, confidence: float = 0.9, places: int = 20) -> list[Band]:
    """Return the precision-yield curve at evenly spread shares, with exact intervals.

    The simultaneous band holds at all its places at once (Bonferroni over the places). With
    weights, Kish's effective number of rows stands for the number: approximate.
    """
    evidence, n = curve.evidence(), len(curve.scores)
    ranks = sorted({math.ceil(n * (i + 1) / places) for i in range(places)})
    thresholds = list(dict.fromkeys(float(curve.scores[rank - 1]) for rank in ranks))
    alpha = (1 - confidence) / 2
    bands = []
    for threshold in thresholds:
        count = evidence.accepted(threshold)
        precision, kept, recall = evidence.rate(threshold)
        n_here, valid = _effective(curve, count, precision)
        bands.append(
            Band(
                kept, threshold, precision, recall,
                (clopper_pearson_lower(valid, n_here, alpha), clopper_pearson_upper(valid, n_here,
                alpha)),
                (
                    clopper_pearson_lower(valid, n_here, alpha / len(thresholds)),
                    clopper_pearson_upper(valid, n_here, alpha / len(thresholds)),
                ),
            )
        )  # fmt: skip
    return bands


def _effective(curve: Curve, count: int, precision: float) -> tuple[int, int]:
    if curve.weights is None:
        return count, int(curve.labels[:count].sum())
    weights = curve.weights[:count]
    size = max(int(weights.sum() ** 2 / (weights**2).sum()), 1)
    return size, min(math.floor(precision * size + 1e-9), size)


def auc_interval(curve: Curve, confidence: float = 0.95) -> tuple[float, float]:
    """Return DeLong's interval for the AUC on the logit scale.

    A bootstrap interval for weighted rows.
    """
    from scipy.stats import norm

    if curve.weights is not None:
        return auc_bootstrap(curve.scores, curve.labels, curve.weights, confidence=confidence)
    if curve.labels.all() or not curve.labels.any():
        raise CriticError("all held-out verdicts are the same; an AUC needs rows of both")
    auc, variance = _delong(curve.scores[curve.labels], curve.scores[~curve.labels])
    if not 0 < auc < 1:
        # Perfect separation has no spread; the number of rows of the rarer verdict bounds the AUC.
        few = int(min(curve.labels.sum(), (~curve.labels).sum()))
        edge = (1 - confidence) / 2
        return (edge ** (1 / few), 1.0) if auc == 1 else (0.0, 1 - edge ** (1 / few))
    logit, spread = math.log(auc / (1 - auc)), math.sqrt(variance) / (auc * (1 - auc))
    reach = norm.isf((1 - confidence) / 2) * spread
    low, high = sigmoid([logit - reach, logit + reach])
    return float(low), float(high)


def _delong(valid: Floats, invalid: Floats) -> tuple[float, float]:
    """Return AUC and variance from the ranks of valid rows among invalid ones, and the reverse."""
    from scipy.stats import rankdata

    m, n = len(valid), len(invalid)
    together = rankdata(np.concatenate([valid, invalid]))
    above = (together[:m] - rankdata(valid)) / n
    below = 1 - (together[m:] - rankdata(invalid)) / m
    variance = (above.var(ddof=1) / m if m > 1 else 0.25) + (
        below.var(ddof=1) / n if n > 1 else 0.25
    )
    return float(above.mean()), float(variance)


def auc_bootstrap(
    scores: Any,
    labels: Any,
    weights: Any = None,
    groups: Sequence[str] = (),
    confidence: float = 0.95,
    rounds: int = 500,
    seed: int = 0,
) -> tuple[float, float]:
    """Return a percentile interval over drawn rows, or over drawn groups if rows are clustered."""
    from sklearn.metrics import roc_auc_score

    rows = len(scores)
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    weights = np.ones(rows) if weights is None else np.asarray(weights, dtype=np.float64)
    names = (
        np.unique(np.asarray(groups), return_inverse=True)[1] if len(groups) else np.arange(rows)
    )
    areas = []
    for block in draw_counts(np.ones(int(names.max()) + 1, int), rounds, seed):
        for times in block[:, names] * weights:
            if times[labels].any() and times[~labels].any():
                areas.append(roc_auc_score(labels, scores, sample_weight=times))
    if not areas:
        raise CriticError("all held-out verdicts are the same; an AUC needs rows of both")
    return percentile_interval(areas, confidence)
