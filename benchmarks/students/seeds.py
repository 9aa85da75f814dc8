"""Means over several seeds, with bootstrap intervals over rows and seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
DRAWS = 2000


def interval(scores: Floats, other: Floats | None = None) -> tuple[float, float, float]:
    """Return the mean of scores (S, n) of S seeds on n rows, or of their difference to others.

    Returns:
        The mean and the ends of its 95 % interval. Rows and seeds are drawn again, each side with
        seeds of its own.
    """
    rng = np.random.default_rng(0)
    results = np.empty(DRAWS)
    for draw in range(DRAWS):
        rows = rng.integers(0, scores.shape[1], scores.shape[1])
        results[draw] = _mean(scores, rows, rng) - (
            0.0 if other is None else _mean(other, rows, rng)
        )
    value = float(scores.mean() - (0.0 if other is None else other.mean()))
    low, high = np.quantile(results, [0.025, 0.975])
    return round(value, 4), round(float(low), 4), round(float(high), 4)


def _mean(scores: Floats, rows: Any, rng: np.random.Generator) -> float:
    seeds = rng.integers(0, len(scores), len(scores))
    return float(scores[np.ix_(seeds, rows)].mean())


def format_interval(results: tuple[float, float, float]) -> str:
    """Format as `0.812 [0.790, 0.833]`."""
    return f"{results[0]:.3f} [{results[1]:.3f}, {results[2]:.3f}]"


def interval_figures(name: str, results: tuple[float, float, float]) -> dict[str, float]:
    """Return a figure with the ends of its interval, by name."""
    return {name: results[0], f"{name}_low": results[1], f"{name}_high": results[2]}
