"""Expected calibration error: distance between predicted probabilities and observed shares."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Ints = np.ndarray[Any, np.dtype[np.int64]]
#: Bins of equal mass by default (Naeini et al. 2015).
BINS = 15


def calibration_error(
    probabilities: Any,
    outcomes: Any,
    weights: Any = None,
    *,
    bins: int = BINS,
    equal_width: bool = False,
    debiased: bool = False,
) -> float:
    """Return the mean distance, over bins, between mean probability and share of positive outcomes.

    Args:
        probabilities: Predicted probabilities (n,).
        outcomes: Whether each prediction came true (n,).
        weights: Weight of each row (n,); None if all are alike.
        bins: Number of bins.
        equal_width: Bins of equal width on [0, 1] instead of equal mass.
        debiased: Root mean squared distance less its expectation under perfect calibration (Kumar,
            Liang & Ma 2019, arXiv 1909.10155): without this, a perfectly calibrated model has an
            error above 0 by chance. Unweighted rows only.
    """
    probabilities, outcomes = np.asarray(probabilities, np.float64), np.asarray(outcomes, bool)
    weights = np.ones(len(probabilities)) if weights is None else np.asarray(weights, np.float64)
    if equal_width:
        places = np.clip((probabilities * bins).astype(np.int64), 0, bins - 1)
    else:
        places = equal_mass_bins(probabilities, bins)
    gaps = np.bincount(places, weights * (probabilities - outcomes))
    if not debiased:
        return float(np.abs(gaps).sum() / weights.sum())
    rows = np.bincount(places)
    several = rows > 1
    rows, gaps = rows[several], gaps[several]
    shares = np.bincount(places, outcomes)[several] / rows
    squares = ((gaps / rows) ** 2 - shares * (1 - shares) / (rows - 1)) * rows
    return math.sqrt(max(float(squares.sum()) / len(probabilities), 0.0))


def equal_mass_bins(values: Any, bins: int = BINS) -> Ints:
    """Return the bin of each value (n,), in ascending order of values; equal values share a bin."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    places: Ints = np.searchsorted(edges, values, side="right").astype(np.int64)
    return places
