"""A trained critic with its held-out rows, from which thresholds are computed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from synthkd.artifacts.folder import CRITIC_ARTIFACT
from synthkd.critics.base import CriticModel, Scores
from synthkd.critics.calibration import Curve, Threshold, Unreachable
from synthkd.critics.columns import cast_columns
from synthkd.critics.labels import LabelSheet, verdict_column
from synthkd.critics.splits import group_names
from synthkd.errors import CriticError
from synthkd.keys import content_hash, fraction

#: Column of held-out rows: hash of the row's group.
GROUP = "group_hash"


@dataclass(frozen=True)
class TrainedCritic:
    """A critic, its held-out rows and the facts of its training.

    Attributes:
        critic: The critic itself.
        held_out: Rows with the kind's columns, ``score``, the verdict and, if rows differ in it,
            ``weight``.
        training: Facts for `facts.json`, the manifest and the card.
        seen: Hashes of the groups of the training rows.
    """

    critic: CriticModel
    held_out: pa.Table
    training: dict[str, Any]
    seen: frozenset[int] = frozenset()

    @cached_property
    def curve(self) -> Curve:
        """Precision and recall of the held-out rows.

        Raises:
            CriticError: The critic has no held-out rows.
        """
        held_out = self.held_out
        if not held_out.num_rows:
            raise CriticError(
                f"critic {self.critic.name!r}: trained on all labelled rows, so none is left to"
                " check a precision; label other rows and pass them to `synthkd critic calibrate`"
            )
        weights = (
            held_out.column("weight").to_numpy() if "weight" in held_out.schema.names else None
        )
        labels = held_out.column(verdict_column(self.critic.kind)).to_numpy()
        return Curve.of(held_out.column("score").to_numpy(), labels, weights, self.groups)

    @property
    def groups(self) -> list[str] | None:
        """Group of each held-out row, or its hash; None if the groups were not kept."""
        kind, held_out = self.critic.kind, self.held_out
        if GROUP in held_out.schema.names:
            return [str(value) for value in held_out.column(GROUP).to_pylist()]
        if self.group_column not in held_out.schema.names:
            return None
        return group_names(kind, held_out.select(list(kind.columns)).to_pylist(), self.group_column)

    @property
    def group_column(self) -> str:
        """Column whose groups the split kept together, or `none`."""
        return str((self.training.get("read") or {}).get("group") or self.critic.kind.group_column)

    @property
    def fingerprint(self) -> str:
        """Content hash of the training facts and the held-out scores."""
        scores = [round(float(score), 9) for score in self.held_out.column("score").to_pylist()]
        return content_hash([self.training, scores])

    def threshold(self, precision: float, confidence: float = 0.95) -> Threshold | Unreachable:
        """Return the loosest threshold that guarantees a precision, or why there is none."""
        return self.curve.threshold(precision, confidence)

    def score(self, rows: pa.Table | pa.RecordBatch) -> Scores:
        """Return each row's probability of being valid.

        NaN for a row without a score (`CriticModel.missing`).
        """
        return checked_scores(self.critic, cast_columns(rows, self.critic.kind))

    def facts(self) -> dict[str, Any]:
        """Return the figures for manifest, card and table; no precision without held-out rows."""
        if not self.held_out.num_rows:
            return {**self.training, "held_out_rows": 0}
        return {
            **self.training,
            "held_out_rows": self.held_out.num_rows,
            "auc": round(self.curve.auc, 6),
            "ece": round(self.curve.ece, 6),
            "precision_at_recall": {
                str(recall): round(self.curve.precision_at_recall(recall), 6)
                for recall in (0.5, 0.6, 0.7, 0.8, 0.9)
            },
        }


def checked_scores(critic: CriticModel, rows: pa.Table | pa.RecordBatch) -> Scores:
    """Score rows; refuse scores outside [0, 1]."""
    scores = critic.score(rows)
    present = scores[~np.isnan(scores)] if critic.asks else scores
    if len(present) and not (np.isfinite(present) & (present >= 0) & (present <= 1)).all():
        raise CriticError(
            f"critic {critic.name!r}: a score is no probability; its files were altered,"
            f" {CRITIC_ARTIFACT.remedy}"
        )
    return scores


def held_out_rows(critic: CriticModel, sheet: LabelSheet) -> pa.Table:
    """Return a sheet's held-out part with scores, verdicts, group hashes and weights."""
    rows, labels, groups = sheet.part(held_out=True)
    rows = rows.append_column("score", pa.array(critic.score(rows), pa.float64()))
    rows = rows.append_column(verdict_column(critic.kind), pa.array(labels))
    rows = rows.append_column(GROUP, pa.array([group_hash(group) for group in groups], pa.int64()))
    if (weights := sheet.part_weights(held_out=True)) is not None:
        rows = rows.append_column("weight", pa.array(weights, pa.float64()))
    if critic.asks:
        # A row without a score is never accepted: the guarantee is about rows with one.
        rows = rows.filter(~np.isnan(rows.column("score").to_numpy()))
        verdicts = rows.column(verdict_column(critic.kind)).to_numpy()
        if labels.any() and (verdicts.all() or not verdicts.any()):
            raise CriticError(
                "the held-out rows with a readable verdict of the judge are all valid, all invalid"
                " or none; label more rows, or correct the template"
            )
    return rows


def group_hash(group: str) -> int:
    """Hash a group's name, to recognise training groups without naming them."""
    return int(fraction(f"group|{group}") * 2**62)
