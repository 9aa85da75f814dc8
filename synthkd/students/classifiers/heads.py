"""A logistic regression over C classes, some of which may have no row, and what all classifiers do about weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkd.errors import StudentError
from synthkd.filters.label_noise import few_rows_each
from synthkd.students.base import Floats, Ints, LabelledTexts
from synthkd.students.classifiers.temperature import class_folds, fit_temperature, softmax_at

_TOLERANCE, _ITERATIONS = 1e-3, 300
#: Up to so many rows their products are decomposed; what is added to the diagonal of these.
_REDUCED, _JITTER = 4000, 1e-6
#: Folds of the training rows that the temperature is fitted on, and from how many rows on fewer do.
_FOLDS, _FEW_FOLDS, _MANY = 5, 3, 1000


@dataclass
class MultinomialHead:
    """``weight`` (d, C) float32 and ``bias`` (C,), minus infinity for a class without a training row. ``rows``: how many
    it was trained on."""

    weight: Floats
    bias: Floats
    rows: int

    @classmethod
    def fit(
        cls, matrix: Any, places: Ints, classes: int, weights: Floats, strength: float
    ) -> MultinomialHead:
        """Multinomial, with an L2 penalty: ``strength`` is C of scikit-learn, the weight of the rows against it."""
        reduced = ReducedRows.of(matrix)
        weight, bias = _regression(reduced.matrix, places, classes, weights, strength)
        return cls(reduced.back(weight).astype(np.float32), bias, len(places))

    def logits(self, matrix: Any) -> Floats:
        """(n, C), before the temperature."""
        found: Floats = np.asarray(matrix.astype(np.float32) @ self.weight, dtype=np.float64) + self.bias
        return found


@dataclass
class ReducedRows:
    """The same rows in as few columns as they span.

    The regression's weights lie in the span of its rows X (the penalty wants nothing outside). With X X' = L L', rows L
    have the same products, hence the same loss and penalty, in n columns instead of tens of thousands.
    """

    matrix: Any
    wide: Any = None
    triangle: Any = None

    @classmethod
    def of(cls, matrix: Any) -> ReducedRows:
        """As it is where it is dense already, or has more rows than a Cholesky decomposition is worth."""
        rows, columns = matrix.shape
        if isinstance(matrix, np.ndarray) or rows > _REDUCED or rows >= columns:
            return cls(matrix)
        from scipy.linalg import cholesky

        products = (matrix @ matrix.T).toarray()
        products[np.diag_indices(rows)] += _JITTER  # equal texts are equal rows
        triangle = cholesky(products, lower=True)
        return cls(triangle.astype(np.float32), matrix, triangle)

    def back(self, weight: Floats) -> Floats:
        """Weights (columns of the reduced matrix, C) as weights of the columns that were there first."""
        if self.triangle is None:
            return weight
        from scipy.linalg import solve_triangular

        found: Floats = self.wide.T @ solve_triangular(self.triangle, weight, lower=True, trans="T")
        return found


def _regression(
    matrix: Any, places: Ints, classes: int, weights: Floats, strength: float
) -> tuple[Floats, Floats]:
    """Weights (d, C) and bias (C,)."""
    from sklearn.linear_model import LogisticRegression

    present = np.unique(places)
    # Columns that no row has keep the weight 0.
    used = np.arange(matrix.shape[1]) if isinstance(matrix, np.ndarray) else np.unique(matrix.indices)
    model = LogisticRegression(C=strength, max_iter=_ITERATIONS, tol=_TOLERANCE)
    rows = matrix if len(used) == matrix.shape[1] else matrix[:, used]
    with few_rows_each():
        model.fit(rows, np.searchsorted(present, places), weights)
    weight, bias = np.zeros((matrix.shape[1], classes)), np.full(classes, -np.inf)
    if len(present) == 2:  # one logit: half of it for each side
        weight[np.ix_(used, present)] = np.concatenate([-model.coef_, model.coef_]).T / 2
        bias[present] = np.array([-1, 1]) * model.intercept_[0] / 2
    else:
        weight[np.ix_(used, present)], bias[present] = model.coef_.T, model.intercept_
    return weight, bias


def out_of_fold_temperature(
    matrices: Callable[[Ints, Ints], tuple[Any, Any]],
    places: Ints,
    classes: int,
    weights: Floats,
    strength: float,
    seed: int,
    rows: int | None = None,
) -> float:
    """The temperature from rows that a head was not trained on, each held out once.

    ``matrices`` gives the features of training and held-out rows; what features learn, they learn from the former alone.
    ``rows``: only so many of the first are held out; those after them always train.
    """
    rows = len(places) if rows is None else rows
    logits = np.full((rows, classes), -np.inf)
    for part, held in class_folds(places[:rows], _FOLDS if rows <= _MANY else _FEW_FOLDS, seed):
        train = np.concatenate([part, np.arange(rows, len(places))])
        known, new = matrices(train, held)
        logits[held] = MultinomialHead.fit(known, places[train], classes, weights[train], strength).logits(
            new
        )
    return fit_temperature(logits, places[:rows], weights[:rows])


def probabilities_with_floor(logits: Floats, temperature: float, rows: int) -> Floats:
    """Probabilities in which a class without a training row has 1 / (rows + C), and the others share what is left."""
    absent = np.isneginf(logits).all(0) if len(logits) else np.zeros(logits.shape[1], dtype=bool)
    floor = 1.0 / (rows + logits.shape[1])
    found: Floats = softmax_at(logits, temperature) * (1 - floor * absent.sum())
    found[:, absent] = floor
    return found


def training_weights(rows: LabelledTexts, places: Ints, classes: int, balanced: bool) -> Floats:
    """(n,) weights with mean 1: those of the rows, and where ``balanced`` each class weighs the same in all."""
    weights = np.ones(len(rows)) if rows.weights is None else np.array(rows.weights, dtype=np.float64)
    if not np.isfinite(weights).all() or (weights < 0).any():
        wrong = int(np.flatnonzero(~np.isfinite(weights) | (weights < 0))[0])
        raise StudentError(f"training row {wrong + 1}: its weight {weights[wrong]} is no number from 0 on")
    sums = np.bincount(places, weights, classes)
    if (sums[np.unique(places)] > 0).sum() < 2:
        raise StudentError(
            "the weights leave rows of fewer than two classes; give rows of two a weight above 0"
        )
    if balanced:
        weights = weights / np.where(sums > 0, sums, 1.0)[places]
    found: Floats = weights / weights.mean()
    return found
