"""Intervals of means over few seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def students_t(values: Sequence[float] | np.ndarray[Any, Any]) -> tuple[float, float]:
    """Return the mean and half of its 95 % interval by Student's t; half is NaN for one value."""
    from scipy.stats import t

    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, math.nan
    half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))
    return mean, half
