"""Temperature scaling (Guo et al. 2017, arXiv 1706.04599, section 4.2)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from synthkd.students.base import Floats, Ints

#: Bounds of the temperature.
LOWEST, HIGHEST = 0.05, 20.0


def softmax_at(logits: Floats, temperature: float) -> Floats:
    """Return (n, C) probabilities of logits (n, C); a logit of minus infinity has probability 0.

    In plain numpy: exported students are served without scipy.
    """
    scaled = logits / temperature
    scaled = scaled - scaled.max(1, keepdims=True) if len(scaled) else scaled
    powers = np.exp(scaled)
    probabilities: Floats = powers / powers.sum(1, keepdims=True)
    return probabilities


def fit_temperature(logits: Floats, labels: Ints, weights: Floats | None = None) -> float:
    """Return the temperature with the least cross-entropy on held-out rows.

    A weak prior (the logarithm of the temperature is standard normal, against the sum over the
    rows) bounds the confidence that a few rows, all of them right, would give.

    Args:
        logits: (n, C) logits. A row whose own class has no finite logit is left out.
        labels: (n,) class indices.
        weights: (n,) weights; 1 each by default.

    Returns:
        The temperature; 1 if no row is left.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    usable = (
        np.isfinite(logits[np.arange(len(labels)), labels])
        if len(labels)
        else np.zeros(0, dtype=bool)
    )
    if weights is not None:
        usable &= weights > 0
    if not usable.any():
        return 1.0
    logits, labels = logits[usable], labels[usable]
    weight = np.ones(len(labels)) if weights is None else weights[usable]

    def loss(log_temperature: float) -> float:
        scaled = logits / math.exp(log_temperature)
        each = logsumexp(scaled, axis=1) - scaled[np.arange(len(labels)), labels]
        return float(weight @ each) + log_temperature**2 / 2

    least = minimize_scalar(
        loss,
        bounds=(math.log(LOWEST), math.log(HIGHEST)),
        method="bounded",
        options={"xatol": 1e-8},
    )
    return math.exp(float(least.x))


def class_folds(labels: Ints, count: int, seed: int) -> Iterator[tuple[Ints, Ints]]:
    """Yield the training and held-out rows of `count` folds, with each class dealt to them in turn.

    Unlike scikit-learn's `StratifiedKFold`, a class may have fewer rows than there are folds: a
    class with one row is held out once. Folds that would train on fewer than two classes are left
    out.
    """
    rng = np.random.default_rng(seed)
    fold = np.zeros(len(labels), dtype=np.int64)
    dealt = 0
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        fold[rows] = (dealt + np.arange(len(rows))) % count
        dealt += len(rows)
    for number in range(count):
        train, held_out = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if len(held_out) and len(np.unique(labels[train])) > 1:
            yield train, held_out
