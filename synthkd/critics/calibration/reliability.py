"""Whether a score of 0.8 means that eight of ten are valid: bins of equal mass, and the error over them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from synthkd.critics.calibration.bounds import clopper_pearson_lower, clopper_pearson_upper
from synthkd.critics.calibration.curve import Curve


@dataclass(frozen=True)
class Bin:
    """One bin of the reliability table: rows, mean score, share valid and its 95 % interval."""

    rows: int
    score: float
    valid: float
    low: float
    high: float


def reliability(curve: Curve, bins: int = 15) -> list[Bin]:
    """Bins with equal numbers of rows, from the lowest scores to the highest; equal scores stay together."""
    scores, labels = curve.scores[::-1], curve.labels[::-1]
    weights = np.ones(len(scores)) if curve.weights is None else curve.weights[::-1]
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, bins + 1)[1:-1]))
    places = np.searchsorted(edges, scores, side="right")
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
                clopper_pearson_lower(count, size, 0.025), clopper_pearson_upper(count, size, 0.025),
            )
        )  # fmt: skip
    return table


def calibration_error(curve: Curve, bins: int = 15, *, debiased: bool = False) -> float:
    """Expected calibration error over bins of equal mass.

    Even a perfectly calibrated critic has an error above 0 here, from chance alone. ``debiased`` is the root
    mean squared error with that part taken off (Kumar, Liang & Ma 2019, arXiv 1909.10155).
    """
    table = reliability(curve, bins)
    rows = sum(row.rows for row in table)
    if not debiased:
        return sum(abs(row.score - row.valid) * row.rows for row in table) / rows
    squares = [
        ((row.score - row.valid) ** 2 - row.valid * (1 - row.valid) / (row.rows - 1)) * row.rows
        for row in table
        if row.rows > 1
    ]
    return math.sqrt(max(sum(squares) / rows, 0.0))
