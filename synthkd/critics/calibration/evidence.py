"""Labelled rows as evidence: at a threshold, how surprising are these labels if the precision were too low?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from synthkd.critics.calibration.bounds import (
    Bools,
    Floats,
    betting_p,
    binomial_p,
    bound_from,
    clopper_pearson_lower,
    corpus_p,
)

#: Bets pay from this ratio of effective to thinned rows on (simulated); below it thinning has more power.
_BETS_PAY = 1.4


@dataclass(frozen=True)
class Evidence:
    """Held-out rows, sorted from the highest score: scores, labels and weights (None: drawn uniformly).

    ``decided`` rows are what the promise is about; None is the whole population.
    """

    scores: Floats
    labels: Bools
    weights: Floats | None = None
    decided: int | None = None
    seed: int = 0

    @cached_property
    def _valid(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.concatenate(([0], np.cumsum(self.labels, dtype=np.int64)))

    @cached_property
    def _draws(self) -> tuple[Floats, Floats]:
        """An order for the bets and uniform numbers for the thinning; neither knows a label."""
        rng = np.random.default_rng(self.seed)
        return rng.random(len(self.labels)), rng.random(len(self.labels))

    def accepted(self, threshold: float) -> int:
        """Rows at or above a threshold."""
        return int(np.searchsorted(-self.scores, -threshold, side="right"))

    def p_values(self, thresholds: Floats, precision: float) -> Floats | None:
        """Of the hypotheses that the precision above each threshold is below ``precision``.

        None where each must be looked at alone: with weights, and for a corpus.
        """
        if self.weights is not None or self.decided is not None:
            return None
        counts = np.searchsorted(-self.scores, -thresholds, side="right")
        return binomial_p(self._valid[counts], counts, precision)

    def p_value(self, threshold: float, precision: float, level: float) -> float:
        """Of one hypothesis; with weights, by the way that has the most power at ``level``."""
        count = self.accepted(threshold)
        if not count or not 0 < precision < 1:
            return float(precision > 0)
        if self.weights is None:
            return self._exact(int(self._valid[count]), count, precision, count / len(self.labels))
        weights = self.weights[:count] / self.weights[:count].max()
        if self.decided is not None or self._thin(weights, precision, level):
            kept = self._draws[1][:count] < weights
            share = float(self.weights[:count].sum() / self.weights.sum())
            return self._exact(int(self.labels[:count][kept].sum()), int(kept.sum()), precision, share)
        order = np.argsort(self._draws[0][:count])
        return betting_p(self.labels[:count][order], weights[order], precision, level)

    def _exact(self, valid: int, count: int, precision: float, share: float) -> float:
        if self.decided is None:
            return float(binomial_p(valid, count, precision))
        # The held-out rows tell well enough what share of the decided rows is accepted.
        return corpus_p(valid, count, precision, round(self.decided * share))

    @staticmethod
    def _thin(weights: Floats, precision: float, level: float) -> bool:
        """Whether a uniform sample thinned from the rows has more power than bets. Looks at weights only."""
        squares = float(np.mean(weights**2))
        stake = math.sqrt(2 * math.log(1 / level) / (len(weights) * squares * precision * (1 - precision)))
        effective, thinned = float(weights.sum() ** 2 / (weights**2).sum()), float(weights.sum())
        return effective < _BETS_PAY * thinned or stake > 1 / precision

    def lower_bound(self, threshold: float, level: float) -> float:
        """The largest precision that would pass at this threshold alone."""
        if self.weights is None and self.decided is None:
            count = self.accepted(threshold)
            return clopper_pearson_lower(int(self._valid[count]), count, level)
        return bound_from(lambda precision: self.p_value(threshold, precision, level), level)

    def rate(self, threshold: float) -> tuple[float, float, float]:
        """(precision, share kept, recall) at a threshold, as the weights count rows."""
        count = self.accepted(threshold)
        weights = np.ones(len(self.labels)) if self.weights is None else self.weights
        good = float(weights[:count] @ self.labels[:count])
        kept, valid = float(weights[:count].sum()), float(weights @ self.labels)
        return good / max(kept, 1e-12), kept / float(weights.sum()), good / max(valid, 1e-12)
