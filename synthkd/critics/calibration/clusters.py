"""Clustered rows (of one head, document or item): how many independent rows they are worth.

The precision of ``n`` accepted rows in groups of sizes ``m`` has the variance of ``n / effect``
independent rows, with the design effect ``1 + correlation * (sum(m**2) / n - 1)`` (Kish 1965).
``correlation`` is the intraclass correlation of the verdicts given the score. It lies between 0 and
1, so accepted rows are never worth fewer than ``sum(m)**2 / sum(m**2)``: each group wholly of one
verdict. Rows over design effect go into the exact binomial (Korn & Graubard 1998).

The correlation is the larger of two figures:

- *An upper confidence limit from all held-out rows* (`Correlation.limit`), so that rows on both
  sides of a threshold tell. Residuals of the verdict after a logistic curve of the score (Platt
  1999) enter a one-way analysis of variance with unequal group sizes, and its F ratio is inverted
  (Searle 1971; Donner 1986, Int. Stat. Rev. 54). Where groups are many the limit lies near the
  estimate and costs little. Three changes, since verdicts are not normal: 1. Groups count by the
  squared residuals that they hold (Kish's effective number). A few errors in few groups say little
  of correlation, though the groups are many. So 2 % of wrong labels make a sheet worth less, not
  more. 2. The plain variation of the verdicts enters with the weight of one wrong row. Of a critic
  that makes no errors the residuals say nothing; then the verdicts themselves tell whether groups
  matter. 3. A ratio below 1 counts as 1: a negative correlation is never claimed.
- *The correlation seen in the accepted rows alone* (`Sums.accepted_correlation`), without a margin:
  groups may matter more among the best-scored rows than elsewhere.

The limit's confidence was chosen by simulation (`benchmarks/critics/guarantee_simulation.py`): of
0.7, 0.8, 0.85, 0.9 and 0.95, 0.8 is the largest at which a critic with an AUC of 0.99 reaches a
precision of 0.9 with 200 rows in 20 groups in nine draws of ten. This is an approximation, not an
exact bound: no bound that holds for every correlation can accept 20 groups without an error at a
precision of 0.9, since 0.9**20 = 0.12. It is too hopeful if only the best-scored rows are
correlated and no error shows among them. The exact way, one row drawn from each group, answers
another question if groups differ in size, and discards most labels if groups are large.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkd.critics.calibration.bounds import Bools, Floats, Ints

#: Confidence of the limit of the correlation.
LIMIT_CONFIDENCE = 0.8
#: Wrong rows for which the plain variation of the verdicts stands.
_SUPPOSED = 1.0
#: Least variance by which a residual is standardised: one row must not outweigh all others.
_LEAST_VARIANCE = 0.01


def number_groups(groups: Any) -> Ints | None:
    """Number the groups of rows; None if no group has two rows."""
    names, places = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    return None if len(names) == len(places) else places.astype(np.int64)


@dataclass(frozen=True)
class Correlation:
    """Analysis of variance of residuals within and between groups.

    ``ratio`` is infinite if nothing varies within groups, or at all: then any correlation is
    possible.
    """

    ratio: float
    between: float
    within: float
    size: float

    def limit(self, growth: Floats | float = 1.0) -> Any:
        """Return the upper confidence limit, with ``growth`` times as many groups like these."""
        if not math.isfinite(self.ratio):
            return np.ones_like(growth)
        from scipy.special import fdtri

        growth = np.asarray(growth, dtype=np.float64)
        critical = fdtri(self.between * growth, self.within * growth, 1 - LIMIT_CONFIDENCE)
        excess = max(self.ratio, 1.0) / np.maximum(critical, 1e-12)
        return np.clip((excess - 1) / (excess + self.size - 1), 0.0, 1.0)


#: Rows that are not clustered.
INDEPENDENT = Correlation(1.0, 1.0, 1.0, 1.0)
_UNKNOWN = Correlation(math.inf, 1.0, 1.0, 1.0)


def intraclass_correlation(scores: Floats, labels: Bools, groups: Ints) -> Correlation:
    """Analyse how verdicts of one group are correlated beyond their scores."""
    rows, share = len(labels), float(labels.mean())
    if not 0 < share < 1:
        return _UNKNOWN
    expected = _expected(scores, labels)
    residuals = (labels - expected) / np.sqrt(
        np.maximum(expected * (1 - expected), _LEAST_VARIANCE)
    )
    sizes = np.bincount(groups).astype(np.float64)
    present = sizes > 0
    sums, squares = np.bincount(groups, residuals), np.bincount(groups, residuals**2)
    sizes, sums, squares = sizes[present], sums[present], squares[present]
    count = len(sizes)
    if count < 2 or count == rows:
        return _UNKNOWN
    explained = float((sums**2 / sizes).sum())
    inside = (float(squares.sum()) - explained) / (rows - count)
    outside = (explained - float(residuals.sum()) ** 2 / rows) / (count - 1)
    # Groups of one row say nothing of correlation.
    telling = squares[sizes > 1]
    sum_of_squares = float((telling**2).sum())
    if inside <= 1e-12 * outside or sum_of_squares <= 0:
        return _UNKNOWN
    between = max(float(telling.sum()) ** 2 / sum_of_squares - 1, 0.5)
    size = (rows - float((sizes**2).sum()) / rows) / (count - 1)
    return Correlation(outside / inside, min(between, count - 1.0), float(rows - count), size)


def _expected(scores: Floats, labels: Bools) -> Floats:
    """Return the chance of being valid by the score, shrunk towards the share of all rows."""
    from synthkd.critics.calibration.probability import Platt

    share = float(labels.mean())
    drawn = min(math.sqrt(_SUPPOSED / (len(labels) * share * (1 - share))), 1.0)
    expected: Floats = (1 - drawn) * Platt.fit(scores, labels)(scores) + drawn * share
    return expected


@dataclass(frozen=True)
class GroupSums:
    """Sums over groups of the first k rows, for k = 1 … n, from which effects follow."""

    sizes: Floats
    valid: Floats
    both: Floats
    total: Floats

    @classmethod
    def of(cls, labels: Bools, groups: Ints) -> GroupSums:
        """Accumulate the sums in the order of the rows."""
        order = np.argsort(groups, kind="stable")
        at = np.arange(len(order))
        begins = np.append(True, groups[order][1:] != groups[order][:-1])
        first = np.maximum.accumulate(np.where(begins, at, 0))
        before, valid_before = np.empty(len(order)), np.empty(len(order))
        before[order] = at - first
        so_far: Floats = np.cumsum(labels[order]) - labels[order].astype(np.float64)
        valid_before[order] = so_far - so_far[first]
        return cls(
            np.cumsum(2 * before + 1),
            np.cumsum(labels * (2 * valid_before + 1)),
            np.cumsum(valid_before + labels * (before + 1)),
            np.cumsum(labels, dtype=np.float64),
        )

    def largest(self, counts: Ints) -> Floats:
        """Return the design effect of the first ``counts`` rows if each group has one verdict.

        Reads no label.
        """
        effect: Floats = self.sizes[counts - 1] / counts
        return effect

    def accepted_correlation(self, counts: Ints) -> Floats:
        """Return the correlation observed in the first ``counts`` rows, at least 0.

        0 if undefined.
        """
        share, sizes = self.total[counts - 1] / counts, self.sizes[counts - 1]
        variation = counts * share * (1 - share)
        groups = self.valid[counts - 1] - 2 * share * self.both[counts - 1] + share**2 * sizes
        defined = (variation > 0) & (sizes > counts)
        pairs = np.where(defined, (sizes - counts) * share * (1 - share), 1.0)
        correlation: Floats = np.where(
            defined, np.clip((groups - variation) / pairs, 0.0, 1.0), 0.0
        )
        return correlation

    def effect(self, counts: Ints, limit: Any) -> Floats:
        """Return the design effect of the first ``counts`` rows, at least 1."""
        seen = np.maximum(limit, self.accepted_correlation(counts))
        effect: Floats = 1 + seen * (self.largest(counts) - 1)
        return effect
