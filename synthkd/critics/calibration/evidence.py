"""Labelled rows as evidence against a too low precision above a threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from synthkd.critics.calibration.bounds import (
    Bools,
    Floats,
    Ints,
    betainc_p,
    betting_p,
    binomial_p,
    clopper_pearson_lower,
    corpus_p,
    lower_bound_of_test,
)
from synthkd.critics.calibration.clusters import (
    INDEPENDENT,
    Correlation,
    GroupSums,
    intraclass_correlation,
)

#: Bets pay from this ratio of effective to thinned rows on (simulated); below it thinning has more
#: power.
_BETS_PAY = 1.4


@dataclass(frozen=True)
class Evidence:
    """Held-out rows, sorted from the highest score.

    Attributes:
        scores: Scores (n,).
        labels: Verdicts (n,).
        weights: Sampling weights (n,); None for a uniform sample.
        decided: Number of rows that the guarantee is about; None for the population.
        seed: Seed of betting order and thinning.
        groups: Number of each row's cluster (n,); None if rows are not clustered.
        known_correlation: Correlation of verdicts within groups, if it was estimated from more rows
            than these.
    """

    scores: Floats
    labels: Bools
    weights: Floats | None = None
    decided: int | None = None
    seed: int = 0
    groups: Ints | None = None
    known_correlation: Correlation | None = None

    @cached_property
    def _valid(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.concatenate(([0], np.cumsum(self.labels, dtype=np.int64)))

    @cached_property
    def _draws(self) -> tuple[Floats, Floats]:
        """Random order of the bets and uniform numbers for thinning, independent of labels."""
        rng = np.random.default_rng(self.seed)
        return rng.random(len(self.labels)), rng.random(len(self.labels))

    def accepted(self, threshold: float) -> int:
        """Count rows at or above a threshold."""
        return int(np.searchsorted(-self.scores, -threshold, side="right"))

    def p_values(self, thresholds: Floats, precision: float) -> Floats | None:
        """Return p-values of a precision below ``precision`` above each threshold.

        None if each must be computed alone: with weights, and for a corpus.
        """
        if self.weights is not None or self.decided is not None:
            return None
        counts = np.searchsorted(-self.scores, -thresholds, side="right")
        if self._sums is None:
            return binomial_p(self._valid[counts], counts, precision)
        some = np.maximum(counts, 1)
        rows = some / self._sums.effect(some, self.correlation.limit())
        values = betainc_p(rows * self._valid[some] / some, rows, precision)
        return np.where(counts > 0, values, 1.0)

    @cached_property
    def correlation(self) -> Correlation:
        """Correlation of verdicts within groups, from all rows."""
        if self.groups is None:
            return INDEPENDENT
        if self.known_correlation is not None:
            return self.known_correlation
        return intraclass_correlation(self.scores, self.labels, self.groups)

    @cached_property
    def _sums(self) -> GroupSums | None:
        return None if self.groups is None else GroupSums.of(self.labels, self.groups)

    def p_value(self, threshold: float, precision: float, level: float) -> float:
        """Return the p-value of one hypothesis.

        With weights, by the test with the most power at ``level``.
        """
        count = self.accepted(threshold)
        if not count or not 0 < precision < 1:
            return float(precision > 0)
        if self.weights is None:
            every = np.ones(count, dtype=bool)
            return self._exact(every, precision, count / len(self.labels), level)
        weights = self.weights[:count] / self.weights[:count].max()
        if (
            self.decided is not None
            or self.groups is not None
            or self._thin(weights, precision, level)
        ):
            kept = self._draws[1][:count] < weights
            share = float(self.weights[:count].sum() / self.weights.sum())
            return self._exact(kept, precision, share, level)
        order = np.argsort(self._draws[0][:count])
        return betting_p(self.labels[:count][order], weights[order], precision, level)

    def _exact(self, kept: Bools, precision: float, share: float, level: float) -> float:
        """Return the exact p-value from ``kept`` rows, a uniform sample of the accepted ones."""
        labels = self.labels[: len(kept)][kept]
        if not len(labels):
            return 1.0
        effect, share_valid = self._effect(kept), float(labels.mean())
        size = len(labels) / effect
        if self.decided is None:
            if effect > 1:
                return float(betainc_p(size * share_valid, size, precision))
            return float(binomial_p(int(labels.sum()), len(labels), precision))
        # Fewer rows with the same precision, none of them gained by rounding.
        valid, count = math.floor(size * share_valid + 1e-9), max(math.ceil(size - 1e-9), 1)
        # Accepted decided rows are estimated by the held-out share; both are clustered alike.
        return corpus_p(valid, count, precision, round(self.decided * share / effect))

    def _effect(self, kept: Bools) -> float:
        """Return the design effect of the ``kept`` ones of the best-scored rows."""
        if self.groups is None:
            return 1.0
        sums = self._sums
        if sums is None or not kept.all():
            sums = GroupSums.of(self.labels[: len(kept)][kept], self.groups[: len(kept)][kept])
        return float(sums.effect(np.array([int(kept.sum())]), self.correlation.limit())[0])

    @staticmethod
    def _thin(weights: Floats, precision: float, level: float) -> bool:
        """Decide whether a thinned uniform sample has more power than bets. Reads weights only."""
        squares = float(np.mean(weights**2))
        stake = math.sqrt(
            2 * math.log(1 / level) / (len(weights) * squares * precision * (1 - precision))
        )
        effective, thinned = float(weights.sum() ** 2 / (weights**2).sum()), float(weights.sum())
        return effective < _BETS_PAY * thinned or stake > 1 / precision

    def lower_bound(self, threshold: float, level: float) -> float:
        """Return the largest precision that would pass at this threshold alone."""
        if self.weights is None and self.decided is None and self.groups is None:
            count = self.accepted(threshold)
            return clopper_pearson_lower(int(self._valid[count]), count, level)
        return lower_bound_of_test(
            lambda precision: self.p_value(threshold, precision, level), level
        )

    def effect(self, threshold: float) -> float:
        """Return the design effect of the rows accepted at a threshold; 1 without groups."""
        count = self.accepted(threshold)
        return self._effect(np.ones(count, dtype=bool)) if count else 1.0

    def precisions(self, counts: Ints) -> Floats:
        """Return the weighted share of valid rows among so many best-scored ones."""
        weights = np.ones(len(self.labels)) if self.weights is None else self.weights
        shares: Floats = (np.cumsum(weights * self.labels) / np.cumsum(weights))[counts - 1]
        return shares

    def loss(self, counts: Ints, growth: Floats) -> Floats:
        """Return how many of the best-scored rows are worth one independent, uniformly drawn row.

        ``growth``: with so many times as many groups like these.
        """
        lost = np.ones(len(counts))
        if self._sums is not None:
            lost = self._sums.effect(counts, self.correlation.limit(growth))
        if self.weights is not None:
            largest = np.maximum.accumulate(self.weights)[counts - 1]
            lost = lost * counts * largest / np.cumsum(self.weights)[counts - 1]
        return lost

    def rate(self, threshold: float) -> tuple[float, float, float]:
        """Return weighted precision, share kept and recall at a threshold."""
        count = self.accepted(threshold)
        weights = np.ones(len(self.labels)) if self.weights is None else self.weights
        good = float(weights[:count] @ self.labels[:count])
        kept, valid = float(weights[:count].sum()), float(weights @ self.labels)
        return good / max(kept, 1e-12), kept / float(weights.sum()), good / max(valid, 1e-12)
