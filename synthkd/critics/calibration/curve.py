"""The precision-recall curve of held-out rows: figures and thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from synthkd.critics.calibration.bounds import Bools, Floats, Ints
from synthkd.critics.calibration.clusters import number_groups
from synthkd.critics.calibration.evidence import Evidence
from synthkd.critics.calibration.plan import ThresholdPlan
from synthkd.critics.calibration.results import Threshold, Unreachable
from synthkd.critics.calibration.selection import choose_threshold
from synthkd.errors import CriticError
from synthkd.statistics import calibration_error


@dataclass(frozen=True)
class Curve:
    """Held-out scores (n,) and labels (n,), sorted from the highest score.

    Attributes:
        scores: Scores (n,).
        labels: Verdicts (n,).
        weights: Rows of the population that each row represents (n,): the inverse of the chance
            with which it was drawn, up to a factor; None if all had the same chance. The largest
            must be the largest of the design.
        groups: Number of each row's cluster (n,), such as its head; None if rows are not clustered.
    """

    scores: Floats
    labels: Bools
    weights: Floats | None = None
    groups: Ints | None = None

    @classmethod
    def of(
        cls, scores: Any, labels: Any, weights: Any = None, groups: Sequence[str] | None = None
    ) -> Curve:
        """Check and sort rows; equal scores are one step of the curve, equal weights are dropped.

        ``groups`` name the cluster of each row. Without them each row counts as an independent
        draw.
        """
        scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels)
        _check(scores, labels)
        order = np.argsort(-scores, kind="stable")
        if weights is not None:
            weights = _checked_weights(np.asarray(weights, dtype=np.float64), len(scores))
        uniform = weights is None or bool(np.allclose(weights, weights[0], rtol=1e-9))
        places = None if groups is None else _checked_groups(groups, len(scores))
        return cls(
            scores[order], labels[order].astype(bool), None if uniform else weights[order],
            None if places is None else places[order],
        )  # fmt: skip

    @cached_property
    def steps(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Accepted and valid rows at each distinct score, from strict to loose.

        Weighted if rows have weights.
        """
        ends = np.flatnonzero(np.append(self.scores[1:] != self.scores[:-1], True))
        if self.weights is None:
            return ends + 1, np.cumsum(self.labels)[ends]
        return np.cumsum(self.weights)[ends], np.cumsum(self.weights * self.labels)[ends]

    @property
    def auc(self) -> float:
        """Area under the ROC curve; ties count half."""
        from sklearn.metrics import roc_auc_score

        if self.labels.all() or not self.labels.any():
            raise CriticError(
                "all held-out verdicts are the same; an AUC needs rows of both: label more"
            )
        return float(roc_auc_score(self.labels, self.scores, sample_weight=self.weights))

    @property
    def ece(self) -> float:
        """Expected calibration error over ten bins of equal width."""
        return calibration_error(self.scores, self.labels, self.weights, bins=10, equal_width=True)

    def precision_at_recall(self, recall: float) -> float:
        """Return the precision at the strictest threshold with this recall."""
        accepted, valid = self.steps
        place = int(np.searchsorted(valid, recall * valid[-1]))
        return float(valid[place] / accepted[place])

    def oracle_yield(self, precision: float) -> float:
        """Return the largest share of rows that a threshold chosen on these labels would keep.

        0 if none.
        """
        accepted, valid = self.steps
        enough = np.flatnonzero(valid >= precision * accepted - 1e-9)
        return float(accepted[enough[-1]] / accepted[-1]) if len(enough) else 0.0

    def evidence(self, decided: int | None = None) -> Evidence:
        """Return these rows as evidence about the population, or about ``decided`` rows."""
        return Evidence(self.scores, self.labels, self.weights, decided, groups=self.groups)

    def threshold(
        self,
        precision: float,
        confidence: float = 0.95,
        *,
        plan: ThresholdPlan | None = None,
        decided: int | None = None,
    ) -> Threshold | Unreachable:
        """Return the loosest threshold that passes, or why there is none.

        ``plan``: see `ThresholdPlan.joined`.
        """
        return choose_threshold(self.evidence(decided), precision, confidence, plan)


def _check(scores: Floats, labels: np.ndarray[Any, Any]) -> None:
    if not len(scores) or scores.ndim != 1:
        raise CriticError("no held-out rows to calibrate on; label some that no training touched")
    if len(scores) != len(labels):
        raise CriticError(
            f"{len(scores):,} scores but {len(labels):,} labels; give one label for each score"
        )
    wrong = np.flatnonzero(~np.isfinite(scores))
    if len(wrong):
        raise CriticError(
            f"{len(wrong):,} scores are not finite numbers, the first in row {wrong[0]}; score the"
            " rows again"
        )


def _checked_groups(groups: Sequence[str], rows: int) -> Ints | None:
    if len(groups) != rows:
        raise CriticError(
            f"{rows:,} scores but {len(groups):,} groups; give one group for each row"
        )
    return number_groups(groups)


def _checked_weights(weights: Floats, rows: int) -> Floats:
    if len(weights) != rows:
        raise CriticError(
            f"{rows:,} scores but {len(weights):,} weights; give one weight for each row"
        )
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights > 0)))
    if len(wrong):
        raise CriticError(
            f"{len(wrong):,} sampling weights are not above 0, the first in row {wrong[0]}: a"
            " weight is the inverse of the chance with which a row was drawn"
        )
    return weights
