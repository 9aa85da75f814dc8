"""Logistic regression on the vectors of a frozen encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkd.critics.base import Labels, Scores
from synthkd.critics.features import Floats, row_sums

_CHOICES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)


def comparison_features(left: Floats, right: Floats) -> Floats:
    """(n, 4 d + 1): u, v, u*v, |u-v| and the cosine."""
    product = left * right
    return np.concatenate([left, right, product, np.abs(left - right), product.sum(1, keepdims=True)], axis=1)


@dataclass
class LogisticHead:
    """Logistic regression on standardised features: mean, scale and weight (d,), bias, and the chosen C."""

    mean: Floats
    scale: Floats
    weight: Floats
    bias: float
    strength: float

    @classmethod
    def fit(
        cls, features: Floats, labels: Labels, groups: Sequence[str], weights: Scores | None
    ) -> LogisticHead:
        """Choose the L2 penalty by grouped cross-validation, then fit on all rows."""
        mean, scale = features.mean(0), features.std(0)
        constant = np.ptp(features, axis=0) == 0
        # The mean of equal numbers may be another number, by rounding.
        mean[constant], scale[constant | (scale < 1e-9)] = features[0, constant], 1.0
        scaled = (features - mean) / scale
        strength = _choose(scaled, labels, groups, weights)
        model = _regression(strength).fit(scaled, labels, weights)
        return cls(mean, scale, model.coef_[0], float(model.intercept_[0]), strength)

    def logits(self, features: Floats) -> Scores:
        """(n,) logits."""
        found: Scores = row_sums((features - self.mean) / self.scale, self.weight) + self.bias
        return found


def _regression(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=300, tol=1e-3)


def _choose(features: Floats, labels: Labels, groups: Sequence[str], weights: Scores | None) -> float:
    """The C with the best mean AUC over folds that share no group; a middle one where there are too few groups.

    On easy rows every C ranks alike: then the largest is taken, which is the surest of what it says.
    """
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold

    middle = _CHOICES[len(_CHOICES) // 2]
    if len(set(groups)) < 12:
        return middle
    gains: dict[float, list[float]] = {strength: [] for strength in _CHOICES}
    for train, test in GroupKFold(3).split(features, labels, groups):
        if len(set(labels[train])) < 2 or len(set(labels[test])) < 2:
            continue
        part = None if weights is None else weights[train]
        for strength in _CHOICES:
            model = _regression(strength).fit(features[train], labels[train], part)
            gains[strength].append(
                float(roc_auc_score(labels[test], model.decision_function(features[test])))
            )
    scored = [(float(np.mean(values)), strength) for strength, values in gains.items() if values]
    return max(scored)[1] if scored else middle
