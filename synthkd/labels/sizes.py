"""How much the label of each row would buy: the sizes of a draw with unequal probabilities.

A size is a positive number that depends on scores and strata alone, never on labels of the same round.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from synthkd.errors import InputError, nearest

Floats = np.ndarray[Any, np.dtype[np.float64]]

STRATEGIES = ("uniform", "uncertain", "stratified")
#: Width, as a share of all rows, of the band at the threshold in which sizes fall off.
BAND = 0.1
#: Size of the rows far below the threshold, where the best have 1: none is ever out of reach.
FLOOR = 0.05
#: Bins of the score that `stratified` draws from alike.
BINS = 10


def sizes(
    strategy: str, scores: Floats | None, strata: Sequence[str] | None, threshold: float | None, count: int
) -> Floats:
    """Sizes (count,) for a strategy. Without scores all rows are equally uncertain."""
    if strategy not in STRATEGIES:
        raise InputError(f"unknown strategy {strategy!r}{nearest(strategy, list(STRATEGIES))}")
    if strategy == "uniform":
        return np.ones(count)
    groups = _codes(strata, count)
    if strategy == "stratified":
        return _stratified(scores, groups, count)
    near = np.ones(count) if scores is None else _nearness(scores, threshold)
    # Power allocation (Bankier 1988) with exponent one half: a rare relation gets more than its share.
    return np.asarray(near / np.sqrt(np.bincount(groups)[groups]), dtype=np.float64)


def _stratified(scores: Floats | None, groups: np.ndarray[Any, Any], count: int) -> Floats:
    bins = np.zeros(count, dtype=int) if scores is None else np.floor(_ranks(scores) * BINS).astype(int)
    _, cells = np.unique(groups * BINS + np.minimum(bins, BINS - 1), return_inverse=True)
    return np.asarray(1 / np.bincount(cells)[cells], dtype=np.float64)


def _nearness(scores: Floats, threshold: float | None) -> Floats:
    """By the place of each score in the order of scores, so that the scores' scale does not matter.

    With a threshold, all rows above it have size 1 (whether a precision is kept is seen on these, and equal sizes give
    equal weights), and a bell falls off below. Without one, the bell stands about 0.5, or about the middle row where
    nearly all scores are on one side of that.
    """
    point = 0.5 if threshold is None else threshold
    place = (float(np.mean(scores < point)) + float(np.mean(scores <= point))) / 2
    if threshold is None and (place < BAND or place > 1 - BAND):
        place = 0.5
    away = (_ranks(scores) - place) / BAND
    if threshold is not None:
        # The plateau begins half a band early: the threshold moves when the critic is trained again.
        away = np.minimum(2 * away + 1, 0.0)
    return np.asarray(FLOOR + (1 - FLOOR) * np.exp(-0.5 * away**2), dtype=np.float64)


def _ranks(scores: Floats) -> Floats:
    """Mean rank of each score in [0, 1); equal scores have equal ranks."""
    ordered = np.sort(scores)
    low, high = np.searchsorted(ordered, scores, "left"), np.searchsorted(ordered, scores, "right")
    return np.asarray((low + high) / 2 / max(len(scores), 1), dtype=np.float64)


def _codes(strata: Sequence[str] | None, count: int) -> np.ndarray[Any, Any]:
    if strata is None:
        return np.zeros(count, dtype=int)
    return np.asarray(np.unique(np.asarray(strata, dtype=object).astype(str), return_inverse=True)[1])
