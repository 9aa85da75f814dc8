"""Percentile bootstrap over rows that are counted in cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Interval = tuple[float, float]
CONFIDENCE = 0.95
#: Numbers drawn at once.
_BLOCK = 1 << 22


def draw_counts(counts: Any, draws: int, seed: int) -> Iterator[Floats]:
    """Draw all rows with replacement, ``draws`` times.

    Args:
        counts: Rows of each cell (cells,); all 1 if each cell is one row or one group of rows.
        draws: Number of bootstrap samples.
        seed: Seed of the draws.

    Yields:
        Blocks (samples, cells): how often a row of each cell was drawn.
    """
    rng = np.random.default_rng(seed)
    counts = np.asarray(counts)
    total = int(counts.sum())
    block = max(_BLOCK // len(counts), 1)
    for start in range(0, draws, block):
        yield rng.multinomial(total, counts / total, min(block, draws - start)).astype(np.float64)


def percentile_interval(values: Any, confidence: float = CONFIDENCE) -> Interval:
    """Return the central interval of bootstrapped values.

    Values that are not finite are left out.
    """
    values = np.asarray(values, dtype=np.float64)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
