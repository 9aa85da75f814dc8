"""Evaluate, compare and recalibrate critics on labelled rows that they were not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from synthkd.critics.calibration import Curve, Threshold
from synthkd.critics.calibration.bands import auc_interval
from synthkd.critics.labels import LabelSheet, verdict_column
from synthkd.critics.splits import UNGROUPED, group_names
from synthkd.critics.trained_critic import GROUP, TrainedCritic, group_hash, held_out_rows
from synthkd.errors import CriticError

RECALLS = (0.5, 0.8, 0.9)
TARGETS = (0.8, 0.9, 0.95)


@dataclass(frozen=True)
class CriticEvaluation:
    """A critic's curve on a sheet; ``left_out`` rows belong to groups of its training."""

    name: str
    curve: Curve
    left_out: int = 0
    #: Rows without a score, such as those with an unreadable reply of a judge; they are in no
    #: figure.
    without_score: int = 0

    def figures(self, confidence: float = 0.95) -> dict[str, Any]:
        """Return AUC, calibration error, precision at recall, and shares kept at targets."""
        low, high = auc_interval(self.curve, confidence)
        figures: dict[str, Any] = {
            "rows": len(self.curve.labels),
            "left_out": self.left_out,
            "without_score": self.without_score,
            "share_valid": float(self.curve.labels.mean()),
            "auc": self.curve.auc,
            "auc_low": low,
            "auc_high": high,
            "ece": self.curve.ece,
        }
        figures |= {f"precision_at_recall_{r}": self.curve.precision_at_recall(r) for r in RECALLS}
        for target in TARGETS:
            chosen = self.curve.threshold(target, confidence)
            figures[f"kept_at_asked_{target}"] = (
                chosen.kept if isinstance(chosen, Threshold) else None
            )
        return figures


def evaluate_critic(
    trained: TrainedCritic, sheet: LabelSheet, name: str = "critic"
) -> CriticEvaluation:
    """Evaluate a critic on a sheet's held-out part, without the groups of its training."""
    fresh = unseen_rows(sheet, [trained])
    rows = held_out_rows(trained.critic, fresh)
    weights = rows.column("weight").to_numpy() if "weight" in rows.schema.names else None
    labels = rows.column(verdict_column(trained.critic.kind)).to_numpy()
    groups = [str(group) for group in rows.column(GROUP).to_pylist()]
    return CriticEvaluation(
        name,
        Curve.of(rows.column("score").to_numpy(), labels, weights, groups),
        int(sheet.held_out.sum() - fresh.held_out.sum()),
        int(fresh.held_out.sum()) - rows.num_rows,
    )


def compare_critics(
    critics: Mapping[str, TrainedCritic], sheet: LabelSheet
) -> list[CriticEvaluation]:
    """Evaluate several critics on the same rows: those whose groups none of them was trained on."""
    fresh = unseen_rows(sheet, list(critics.values()))
    left = int(sheet.held_out.sum() - fresh.held_out.sum())
    return [
        replace(evaluate_critic(critic, fresh, name), left_out=left)
        for name, critic in critics.items()
    ]


def recalibrate(trained: TrainedCritic, sheet: LabelSheet) -> TrainedCritic:
    """Return the critic with a sheet's held-out rows as its calibration part."""
    fresh = unseen_rows(sheet, [trained])
    rows = held_out_rows(trained.critic, fresh)
    facts = {
        **trained.training,
        "calibrated_on": sheet.source,
        "calibration_unsure_left_out": sheet.unsure,
    }
    if unscored := int(fresh.held_out.sum()) - rows.num_rows:
        facts["unscored_left_out"] = unscored
    return replace(trained, held_out=rows, training=facts)


def _named_by(trained: TrainedCritic, sheet: LabelSheet) -> list[str]:
    """Group a sheet's rows as the critic's training rows were grouped."""
    column, kind = trained.group_column, trained.critic.kind
    if column == sheet.how.get("group", column):
        return sheet.groups
    if column not in (*kind.columns, UNGROUPED):
        raise CriticError(
            f"{sheet.source}: the critic was trained on groups of {column!r}, which this sheet does"
            " not have, so its training rows cannot be recognised: read the sheet with --group"
            f" {column}"
        )
    return group_names(kind, sheet.rows.select(list(kind.columns)).to_pylist(), column)


def unseen_rows(sheet: LabelSheet, critics: Sequence[TrainedCritic]) -> LabelSheet:
    """Return the held-out part of a sheet without training groups of the critics."""
    fresh = sheet.held_out.copy()
    for critic in critics:
        names = _named_by(critic, sheet)
        fresh &= np.array([group_hash(name) not in critic.seen for name in names], dtype=bool)
    labels = sheet.labels[fresh]
    if not len(labels) or labels.all() or not labels.any():
        raise CriticError(
            f"{sheet.source}: of {len(sheet.labels):,} labelled rows {len(labels):,} are of groups"
            " that the critic was not trained on, and both verdicts are needed; label rows of other"
            " groups"
        )
    return replace(
        sheet,
        rows=sheet.rows.filter(pa.array(fresh)),
        labels=labels,
        held_out=np.ones(len(labels), dtype=bool),
        groups=[group for group, kept in zip(sheet.groups, fresh, strict=True) if kept],
        weights=None if sheet.weights is None else sheet.weights[fresh],
        uniform=None if sheet.uniform is None else sheet.uniform[fresh],
    )
