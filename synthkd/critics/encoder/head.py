"""Logistic regression on the vectors of a frozen encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synthkd.critics.base import Labels, Scores
from synthkd.critics.logistic import choose_regularisation, logistic_regression, row_sums
from synthkd.text.hashed_ngrams import Floats

#: On easy rows all rank alike: then the first, which gives the most confident scores, is chosen.
_CHOICES = (3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
#: For too few groups.
_DEFAULT = 3e-3


def comparison_features(left: Floats, right: Floats) -> Floats:
    """Return u, v, u*v, |u-v| and the cosine of two vectors (n, 4 d + 1)."""
    product = left * right
    return np.concatenate(
        [left, right, product, np.abs(left - right), product.sum(1, keepdims=True)], axis=1
    )


@dataclass
class LogisticHead:
    """Logistic regression on standardised features (d,)."""

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
        # Rounding may move the mean of equal numbers.
        mean[constant], scale[constant | (scale < 1e-9)] = features[0, constant], 1.0
        scaled = (features - mean) / scale
        strength = choose_regularisation(
            logistic_regression, scaled, labels, groups, weights, _CHOICES, _DEFAULT
        )
        model = logistic_regression(strength).fit(scaled, labels, weights)
        return cls(mean, scale, model.coef_[0], float(model.intercept_[0]), strength)

    def logits(self, features: Floats) -> Scores:
        """Return the logits of features (n,)."""
        logits: Scores = row_sums((features - self.mean) / self.scale, self.weight) + self.bias
        return logits
