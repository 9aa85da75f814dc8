"""Train a critic from a label sheet, keep it with its held-out scores, and load it again.

The held-out scores stay beside the critic, so that any precision can be asked of it later without training.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthkd import plugins
from synthkd.critics.base import Critic, Scores
from synthkd.critics.calibrate import Curve, Threshold, Unreachable
from synthkd.critics.card import critic_card
from synthkd.critics.labels import NUMBERS, LabelSheet
from synthkd.errors import CriticError
from synthkd.keys import content_hash
from synthkd.kinds.base import Kind
from synthkd.storage import read_json, replaced_folder, write_json, write_text

HELD_OUT, FACTS = "held_out.parquet", "facts.json"
#: Columns of the held-out rows that are not the kind's.
_NOT_COLUMNS = {*NUMBERS, "score", "label"}


@dataclass(frozen=True)
class TrainedCritic:
    """A critic with its held-out rows (kind's columns, ``score``, ``label``) and facts of its training."""

    critic: Critic
    held_out: pa.Table
    training: dict[str, Any]

    @cached_property
    def curve(self) -> Curve:
        scores = self.held_out.column("score").to_numpy()
        return Curve.of(scores, self.held_out.column("label").to_numpy(zero_copy_only=False).astype(bool))

    @property
    def fingerprint(self) -> str:
        """Content hash of what was trained on and of the held-out scores: equal for equal critics."""
        scores = [round(float(s), 9) for s in self.held_out.column("score").to_pylist()]
        return content_hash([self.training, scores])

    def threshold(self, precision: float, confidence: float = 0.95) -> Threshold | Unreachable:
        """The loosest threshold that keeps a precision with a confidence, or why there is none."""
        return self.curve.threshold(precision, confidence)

    def score(self, rows: pa.Table | pa.RecordBatch) -> Scores:
        """Probability of being valid for each row."""
        return self.critic.score(rows)

    def facts(self) -> dict[str, Any]:
        """Figures for manifest, card and table."""
        return {
            **self.training,
            "held_out_rows": self.held_out.num_rows,
            "auc": round(self.curve.auc, 6),
            "ece": round(self.curve.ece, 6),
            "precision_at_recall": {
                str(r): round(self.curve.precision_at_recall(r), 6) for r in (0.5, 0.6, 0.7, 0.8, 0.9)
            },
        }


def train_critic(
    kind: Kind,
    sheet: LabelSheet,
    name: str = "linear",
    out: Path | None = None,
    options: dict[str, Any] | None = None,
) -> TrainedCritic:
    """Fit on the training part, score the held-out part; keep it all in the folder ``out`` if one is named.

    ``options`` are the critic's own.
    """
    rows, labels, groups = sheet.part(held_out=False)
    critic = _made(name, kind, options or {})
    critic.fit(rows, labels, groups)
    held, truth, _ = sheet.part(held_out=True)
    held = held.append_column("score", pa.array(critic.score(held), pa.float64()))
    held = held.append_column("label", pa.array(truth))
    training = {
        "critic": name,
        "kind": kind.name,
        "sheet": sheet.source,
        "sheet_hash": content_hash([sheet.rows.to_pylist(), sheet.labels.tolist(), sheet.held_out.tolist()]),
        "training_rows": rows.num_rows,
        "share_valid": round(float(np.mean(sheet.labels)), 6),
        "conflicts_left_out": len(sheet.conflicts),
        "repeated_rows": sheet.repeated,
    }
    trained = TrainedCritic(critic, held, training)
    if out is not None:
        save_critic(trained, out)
    return trained


def _made(name: str, kind: Kind, options: dict[str, Any]) -> Critic:
    critic: type[Critic] = plugins.find("critics", name)
    try:
        return critic(kind, **options)
    except TypeError as error:
        raise CriticError(f"critic {name!r}: {error}") from None


def save_critic(trained: TrainedCritic, folder: Path) -> None:
    """Write the critic, its held-out rows and its card, whole or not at all."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / FACTS).exists():
        raise CriticError(f"{folder} holds files that are not a critic; name another folder")
    with replaced_folder(folder) as temporary:
        trained.critic.save(temporary)
        pq.write_table(trained.held_out, temporary / HELD_OUT, compression="zstd")
        write_json(temporary / FACTS, trained.training)
        write_text(temporary / "README.md", critic_card(trained))


def load_critic(folder: Path, kind: Kind) -> TrainedCritic:
    """Read what `save_critic` wrote; refuse what is altered or was trained for another kind."""
    if not (folder / FACTS).is_file():
        raise CriticError(f"{folder}: no critic here; `synthkd critic train` makes one")
    training = read_json(folder / FACTS)
    if training["kind"] != kind.name:
        raise CriticError(f"{folder}: trained for the kind {training['kind']!r}, not {kind.name!r}")
    critic: Critic = plugins.find("critics", training["critic"]).load(folder, kind)
    try:
        held = pq.read_table(folder / HELD_OUT)
    except (OSError, pa.ArrowInvalid):
        raise CriticError(f"{folder / HELD_OUT}: missing, cut or altered; train the critic again") from None
    trained_on = [name for name in held.schema.names if name not in _NOT_COLUMNS]
    if trained_on != list(kind.columns):
        raise CriticError(f"{folder}: trained on the columns {trained_on}, the kind has {list(kind.columns)}")
    return TrainedCritic(critic, held, training)
