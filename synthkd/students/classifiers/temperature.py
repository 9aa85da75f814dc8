"""One temperature that makes probabilities mean what they say (Guo et al. 2017, arXiv 1706.04599, section 4.2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from synthkd.students.base import Floats, Ints

#: Between these the temperature is looked for.
LOWEST, HIGHEST = 0.05, 20.0
_STEPS = 60


def softmax_at(logits: Floats, temperature: float) -> Floats:
    """(n, C) probabilities of logits (n, C). A class at minus infinity has probability 0."""
    scaled = logits / temperature
    scaled = scaled - scaled.max(1, keepdims=True) if len(scaled) else scaled
    powers = np.exp(scaled)
    found: Floats = powers / powers.sum(1, keepdims=True)
    return found


def fit_temperature(logits: Floats, places: Ints, weights: Floats | None = None) -> float:
    """The temperature with the least cross-entropy on rows that the classifier was not trained on.

    A weak prior around 1 (the logarithm normal with deviation 1, against the sum over the rows) keeps a handful of rows
    that are all right from making it boundlessly sure.

    ``logits`` (n, C), ``places`` (n,) of the true classes, ``weights`` (n,). Rows whose class has no finite logit say
    nothing of it; 1 where no row is left.
    """
    usable = np.isfinite(logits[np.arange(len(places)), places]) if len(places) else np.zeros(0, dtype=bool)
    if weights is not None:
        usable &= weights > 0
    if not usable.any():
        return 1.0
    logits, places = logits[usable], places[usable]
    weight = np.ones(len(places)) if weights is None else weights[usable]

    def loss(log_temperature: float) -> float:
        scaled = logits / math.exp(log_temperature)
        top = scaled.max(1)
        total = top + np.log(np.exp(scaled - top[:, None]).sum(1))
        return float(weight @ (total - scaled[np.arange(len(places)), places])) + log_temperature**2 / 2

    return math.exp(_least(loss, math.log(LOWEST), math.log(HIGHEST)))


def _least(loss: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one valley is lowest, by golden section."""
    ratio = (math.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(_STEPS):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = loss(right)
    return (low + high) / 2


def class_folds(places: Ints, count: int, seed: int) -> Iterator[tuple[Ints, Ints]]:
    """Training and held-out rows of ``count`` folds; the rows of each class are dealt to them in turn.

    A class with one row is held out once, and is then without a training row. Folds that would train on fewer than two
    classes are left out.
    """
    rng = np.random.default_rng(seed)
    fold = np.zeros(len(places), dtype=np.int64)
    dealt = 0
    for place in np.unique(places):
        rows = rng.permutation(np.flatnonzero(places == place))
        fold[rows] = (dealt + np.arange(len(rows))) % count
        dealt += len(rows)
    for number in range(count):
        train, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if len(held) and len(np.unique(places[train])) > 1:
            yield train, held
