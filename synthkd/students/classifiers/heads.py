"""Multinomial logistic regression with absent classes; weights of training rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkd.encoders.fine_tuning import balance_classes
from synthkd.errors import StudentError
from synthkd.filters.label_noise import few_rows_each
from synthkd.students.base import Floats, Ints, LabelledTexts
from synthkd.students.classifiers.temperature import class_folds, fit_temperature, softmax_at

_TOLERANCE, _ITERATIONS = 1e-3, 300
#: Rows up to which their inner products are decomposed; what is added to the diagonal.
_REDUCED, _JITTER = 4000, 1e-6
#: Folds on which the temperature is fitted; above `_MANY` rows `_FEW_FOLDS` are enough.
_FOLDS, _FEW_FOLDS, _MANY = 5, 3, 1000


@dataclass
class MultinomialHead:
    """A linear layer from features to logits of classes.

    Attributes:
        weight: (d, C) float32.
        bias: (C,); minus infinity for a class without a training row.
        rows: The number of training rows.
    """

    weight: Floats
    bias: Floats
    rows: int

    @classmethod
    def fit(
        cls, matrix: Any, labels: Ints, classes: int, weights: Floats, strength: float
    ) -> MultinomialHead:
        """Fit with an L2 penalty.

        Args:
            matrix: (n, d) features, dense or CSR.
            labels: (n,) class indices.
            classes: The number of classes.
            weights: (n,) weights.
            strength: C of scikit-learn: the weight of the rows against the penalty.
        """
        reduced = ReducedRows.of(matrix)
        weight, bias = _regression(reduced.matrix, labels, classes, weights, strength)
        return cls(reduced.expand(weight).astype(np.float32), bias, len(labels))

    def logits(self, matrix: Any) -> Floats:
        """Return (n, C) logits, before the temperature."""
        product: Floats = np.asarray(matrix.astype(np.float32) @ self.weight, dtype=np.float64)
        return product + self.bias


@dataclass
class ReducedRows:
    """Rows X in as few columns as they span.

    The penalty keeps the weights of the regression in the span of X. With X X' = L L', the rows of
    L have the same inner products, hence the same loss and penalty, in n columns instead of tens of
    thousands.
    """

    matrix: Any
    wide: Any = None
    triangle: Any = None

    @classmethod
    def of(cls, matrix: Any) -> ReducedRows:
        """Reduce a sparse matrix of few rows; leave any other as it is."""
        rows, columns = matrix.shape
        if isinstance(matrix, np.ndarray) or rows > _REDUCED or rows >= columns:
            return cls(matrix)
        from scipy.linalg import cholesky

        products = (matrix @ matrix.T).toarray()
        products[np.diag_indices(rows)] += _JITTER  # equal texts are equal rows
        triangle = cholesky(products, lower=True)
        return cls(triangle.astype(np.float32), matrix, triangle)

    def expand(self, weight: Floats) -> Floats:
        """Return (d, C) weights of the original columns from those of the reduced ones."""
        if self.triangle is None:
            return weight
        from scipy.linalg import solve_triangular

        expanded: Floats = self.wide.T @ solve_triangular(
            self.triangle, weight, lower=True, trans="T"
        )
        return expanded


def _regression(
    matrix: Any, labels: Ints, classes: int, weights: Floats, strength: float
) -> tuple[Floats, Floats]:
    """Return weights (d, C) and bias (C,)."""
    from sklearn.linear_model import LogisticRegression

    present = np.unique(labels)
    # A column without an entry keeps the weight 0.
    used = (
        np.arange(matrix.shape[1]) if isinstance(matrix, np.ndarray) else np.unique(matrix.indices)
    )
    model = LogisticRegression(C=strength, max_iter=_ITERATIONS, tol=_TOLERANCE)
    rows = matrix if len(used) == matrix.shape[1] else matrix[:, used]
    with few_rows_each():
        model.fit(rows, np.searchsorted(present, labels), weights)
    weight, bias = np.zeros((matrix.shape[1], classes)), np.full(classes, -np.inf)
    if len(present) == 2:  # scikit-learn gives one logit: half of it for each class
        weight[np.ix_(used, present)] = np.concatenate([-model.coef_, model.coef_]).T / 2
        bias[present] = np.array([-1, 1]) * model.intercept_[0] / 2
    else:
        weight[np.ix_(used, present)], bias[present] = model.coef_.T, model.intercept_
    return weight, bias


def out_of_fold_temperature(
    matrices: Callable[[Ints, Ints], tuple[Any, Any]],
    labels: Ints,
    classes: int,
    weights: Floats,
    strength: float,
    seed: int,
    rows: int | None = None,
) -> float:
    """Fit the temperature on logits of rows that the head of their fold was not trained on.

    Args:
        matrices: Gives the features of training and of held-out rows; what features learn, they
            learn from the training rows alone.
        labels: (n,) class indices.
        classes: The number of classes.
        weights: (n,) weights.
        strength: As in `MultinomialHead.fit`.
        seed: Deals the rows to the folds.
        rows: Only this many of the first rows are held out; the rows after them always train.
    """
    rows = len(labels) if rows is None else rows
    logits = np.full((rows, classes), -np.inf)
    for part, held_out in class_folds(labels[:rows], _FOLDS if rows <= _MANY else _FEW_FOLDS, seed):
        train = np.concatenate([part, np.arange(rows, len(labels))])
        known, new = matrices(train, held_out)
        head = MultinomialHead.fit(known, labels[train], classes, weights[train], strength)
        logits[held_out] = head.logits(new)
    return fit_temperature(logits, labels[:rows], weights[:rows])


def probabilities_with_floor(logits: Floats, temperature: float, rows: int) -> Floats:
    """Return (n, C) probabilities with 1 / (rows + C) for every class without a training row."""
    absent = np.isneginf(logits).all(0) if len(logits) else np.zeros(logits.shape[1], dtype=bool)
    floor = 1.0 / (rows + logits.shape[1])
    probabilities: Floats = softmax_at(logits, temperature) * (1 - floor * absent.sum())
    probabilities[:, absent] = floor
    return probabilities


def training_weights(rows: LabelledTexts, labels: Ints, balanced: bool) -> Floats:
    """Return (n,) weights of training rows, with mean 1.

    Args:
        rows: The rows, with or without weights.
        labels: (n,) class indices.
        balanced: Give each class the same sum of weights.

    Raises:
        StudentError: A weight is negative or not finite, or fewer than two classes have a weight.
    """
    weights = (
        np.ones(len(rows)) if rows.weights is None else np.array(rows.weights, dtype=np.float64)
    )
    if not np.isfinite(weights).all() or (weights < 0).any():
        wrong = int(np.flatnonzero(~np.isfinite(weights) | (weights < 0))[0])
        raise StudentError(
            f"training row {wrong + 1}: its weight {weights[wrong]} is no number from 0 on"
        )
    if len(np.unique(labels[weights > 0])) < 2:
        raise StudentError(
            "the weights leave rows of fewer than two classes; give rows of two a weight above 0"
        )
    if balanced:
        weights = balance_classes(weights, labels)
    normalised: Floats = weights / weights.mean()
    return normalised
