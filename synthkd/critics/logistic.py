"""Logistic regressions of critics: sigmoid, choice of C, sums that do not depend on the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from synthkd.critics.base import Labels, Scores

#: Fewer groups than this make no folds.
_GROUPS, _FOLDS = 12, 3
#: Rows of a matrix product.
_BLOCK = 256


def sigmoid(logits: Any) -> Scores:
    """Return the probabilities of logits."""
    from scipy.special import expit

    probabilities: Scores = np.asarray(expit(logits), dtype=np.float64)
    return probabilities


def choose_regularisation(
    regression: Callable[[float], Any],
    matrix: Any,
    labels: Labels,
    groups: Sequence[str],
    weights: Scores | None,
    strengths: Sequence[float],
    default: float,
) -> float:
    """Choose C by grouped cross-validation.

    Args:
        regression: Makes a regression with a C.
        matrix: Features (rows, d).
        labels: Verdicts (rows,).
        groups: Group of each row; folds share none.
        weights: Weights (rows,), or None.
        strengths: Values of C to compare.
        default: C for data too small for folds.

    Returns:
        The C with the best mean AUC, the first of equals.
    """
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold

    if len(set(groups)) < _GROUPS:
        return default
    aucs: dict[float, list[float]] = {strength: [] for strength in strengths}
    for train, test in GroupKFold(_FOLDS).split(matrix, labels, groups):
        if len(set(labels[train])) < 2 or len(set(labels[test])) < 2:
            continue
        part = None if weights is None else weights[train]
        for strength in strengths:
            model = regression(strength).fit(matrix[train], labels[train], part)
            aucs[strength].append(
                roc_auc_score(labels[test], model.decision_function(matrix[test]))
            )
    means = {strength: float(np.mean(values)) for strength, values in aucs.items() if values}
    return max(means, key=means.__getitem__, default=default)


def logistic_regression(strength: float) -> Any:
    """Return an unfitted L2-regularised regression on dense features, with this C."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=300, tol=1e-3)


def row_sums(matrix: Scores, weights: Scores) -> Scores:
    """Return the products (n,) of rows (n, d) with weights (d,), summed row by row.

    The order of the sums in a matrix product depends on the number of rows; a row's score must not.
    """
    sums: Scores = np.multiply(matrix, weights, order="C").sum(axis=1)
    return sums


def row_products(matrix: Any, weights: Any) -> Any:
    """Return products (n, m) of rows (n, d) and weights (d, m), independent of the batch.

    Products are computed of `_BLOCK` rows at a time, padded, in double precision, and rounded: the
    order of sums in a matrix product depends on its shape, and in single precision on a row's place
    too.
    """
    double = weights.astype(np.float64)
    products = np.empty((len(matrix), weights.shape[1]), dtype=np.result_type(matrix, weights))
    for start in range(0, len(matrix), _BLOCK):
        part = matrix[start : start + _BLOCK]
        if missing := _BLOCK - len(part):
            part = np.concatenate([part, np.zeros((missing, part.shape[1]), dtype=part.dtype)])
        products[start : start + _BLOCK] = (part.astype(np.float64) @ double)[: _BLOCK - missing]
    return products
