"""Calibrate scores to probabilities: Platt's sigmoid and isotonic regression, kept as plain arrays.

Neither changes the order of rows (isotonic steps may tie some), so a guarantee needs neither; they
make scores of different critics comparable. Fit them on rows that the critic was not trained on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkd.critics.calibration.bounds import Bools, Floats
from synthkd.critics.cross_fitting import group_folds
from synthkd.critics.logistic import sigmoid
from synthkd.errors import CriticError


class Calibrator(ABC):
    """A map from scores to probabilities."""

    @abstractmethod
    def __call__(self, scores: Floats) -> Floats:
        """Return probabilities in [0, 1], which never fall as the score rises."""

    @abstractmethod
    def arrays(self) -> dict[str, Floats]:
        """Return the arrays that `calibrator_from` reads."""


@dataclass(frozen=True)
class Platt(Calibrator):
    """1 / (1 + exp(-(slope * x + bias))).

    X is the log-odds of scores in [0, 1], or the score itself.
    """

    slope: float
    bias: float
    log_odds: bool

    @classmethod
    def fit(cls, scores: Floats, labels: Bools, weights: Floats | None = None) -> Platt:
        """Fit by maximum likelihood on Platt's smoothed targets (Platt 1999)."""
        from sklearn.linear_model import LogisticRegression

        log_odds = bool(scores.min() >= 0 and scores.max() <= 1)
        x = _log_odds(scores) if log_odds else scores
        weights = np.ones(len(x)) if weights is None else weights / weights.mean()
        valid, invalid = float(weights @ labels), float(weights @ ~labels)
        targets = np.where(labels, (valid + 1) / (valid + 2), 1 / (invalid + 2))
        constant = cls(0.0, float(np.log((valid + 1) / (invalid + 1))), log_odds)
        if np.ptp(x) == 0:
            return constant
        # Standardised, so that slope and bias are of one size.
        middle, spread = float(np.average(x, weights=weights)), float(x.std()) or 1.0
        # A soft target is a valid and an invalid row that share the weight.
        rows = np.tile((x - middle) / spread, 2)[:, None]
        verdicts = np.repeat([1, 0], len(x))
        shared = np.concatenate([weights * targets, weights * (1 - targets)])
        model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(
            rows, verdicts, shared
        )
        slope, bias = max(float(model.coef_[0, 0]) / spread, 0.0), float(model.intercept_[0])
        return constant if slope == 0 else cls(slope, bias - slope * middle, log_odds)

    def __call__(self, scores: Floats) -> Floats:
        x = _log_odds(scores) if self.log_odds else scores
        return sigmoid(self.slope * x + self.bias)

    def arrays(self) -> dict[str, Floats]:
        return {"platt": np.array([self.slope, self.bias, float(self.log_odds)])}


@dataclass(frozen=True)
class Isotonic(Calibrator):
    """A rising piecewise linear map: knots (k,) of scores and their probabilities."""

    scores: Floats
    values: Floats

    @classmethod
    def fit(cls, scores: Floats, labels: Bools, weights: Floats | None = None) -> Isotonic:
        """Fit by scikit-learn's isotonic regression (pool adjacent violators)."""
        from sklearn.isotonic import IsotonicRegression

        model = IsotonicRegression().fit(scores, labels, weights)
        return cls(model.X_thresholds_, model.y_thresholds_)

    def __call__(self, scores: Floats) -> Floats:
        chance: Floats = np.interp(scores, self.scores, self.values)
        return chance

    def arrays(self) -> dict[str, Floats]:
        return {"isotonic_scores": self.scores, "isotonic_values": self.values}


_METHODS: dict[str, type[Platt] | type[Isotonic]] = {"platt": Platt, "isotonic": Isotonic}


def calibrator_from(arrays: Mapping[str, Floats]) -> Calibrator:
    """Make a calibrator from its `arrays`."""
    if "platt" in arrays:
        slope, bias, log_odds = (float(value) for value in arrays["platt"])
        return Platt(slope, bias, bool(log_odds))
    if {"isotonic_scores", "isotonic_values"} <= set(arrays):
        return Isotonic(arrays["isotonic_scores"], arrays["isotonic_values"])
    raise CriticError(f"no calibrator among the arrays {sorted(arrays)}; train the critic again")


def fit_calibrator(
    method: str, scores: Any, labels: Any, weights: Floats | None = None
) -> Platt | Isotonic:
    """Fit ``platt``, for few rows, or ``isotonic``, for about a thousand and more."""
    if method not in _METHODS:
        raise CriticError(
            f"probability calibration {method!r} is unknown; known: {', '.join(_METHODS)}"
        )
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    if not len(labels) or labels.all() or not labels.any():
        raise CriticError("probabilities need held-out rows of both verdicts; label more")
    return _METHODS[method].fit(scores, labels, weights)


def crossfit_probabilities(
    method: str, scores: Any, labels: Any, groups: Sequence[str] = (), folds: int = 5, seed: int = 0
) -> Floats:
    """Return out-of-fold probabilities, so that their calibration error can be measured."""
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    names = list(groups) or [str(i) for i in range(len(scores))]
    fold, probabilities = group_folds(names, folds, seed), np.zeros(len(scores))
    for here in np.unique(fold):
        test = fold == here
        probabilities[test] = fit_calibrator(method, scores[~test], labels[~test])(scores[test])
    return probabilities


def _log_odds(scores: Floats) -> Floats:
    from scipy.special import logit

    odds: Floats = logit(np.clip(scores, 1e-7, 1 - 1e-7))
    return odds
