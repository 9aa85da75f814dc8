"""Reliability table: share of valid rows by score, in bins of equal mass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthkd.critics.calibration.bounds import clopper_pearson_lower, clopper_pearson_upper
from synthkd.critics.calibration.curve import Curve
from synthkd.statistics import equal_mass_bins


@dataclass(frozen=True)
class Bin:
    """One bin of the reliability table: rows, mean score, share valid and its 95 % interval."""

    rows: int
    score: float
    valid: float
    low: float
    high: float


def reliability(curve: Curve, bins: int = 15) -> list[Bin]:
    """Return bins with equal numbers of rows, from the lowest scores to the highest.

    Equal scores share a bin.
    """
    scores, labels = curve.scores[::-1], curve.labels[::-1]
    weights = np.ones(len(scores)) if curve.weights is None else curve.weights[::-1]
    places = equal_mass_bins(scores, bins)
    table = []
    for place in np.unique(places):
        here = places == place
        share = weights[here] / weights[here].sum()
        size = max(int(1 / float((share**2).sum()) + 1e-6), 1)
        valid = float(share @ labels[here])
        count = min(round(valid * size), size)
        table.append(
            Bin(
                int(here.sum()), float(share @ scores[here]), valid,
                clopper_pearson_lower(count, size, 0.025), clopper_pearson_upper(count, size,
                0.025),
            )
        )  # fmt: skip
    return table
