"""Train a critic from a label sheet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synthkd.critics.folder import save_critic
from synthkd.critics.labels import LabelSheet
from synthkd.critics.options import make_critic, published_options
from synthkd.critics.progress import fit_with_progress
from synthkd.critics.splits import NOVELTY, novelty
from synthkd.critics.trained_critic import TrainedCritic, group_hash, held_out_rows
from synthkd.keys import content_hash
from synthkd.kinds.base import Kind
from synthkd.progress import Progress
from synthkd.recipe.published_values import published
from synthkd.storage import CRITIC_FOLDER, check_output

#: Rows that facts and card name, for each reason to leave rows out.
_NAMED = 20


def train_critic(
    kind: Kind,
    sheet: LabelSheet,
    name: str = "linear",
    out: Path | None = None,
    options: dict[str, Any] | None = None,
    kind_options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> TrainedCritic:
    """Train a critic on the training part of a sheet and score the held-out part.

    Args:
        kind: Kind of the rows.
        sheet: Labelled rows. A sheet without a held-out part trains on all rows; no precision is
            guaranteed then.
        name: Critic plug-in.
        out: Folder to save the critic in; None keeps it in memory.
        options: Options of the critic.
        kind_options: Options that ``kind`` was made with, kept for verbs that read the folder.
        progress: Progress of the training.
    """
    if out is not None:
        check_output(out, CRITIC_FOLDER)
    rows, labels, groups = sheet.part(held_out=False)
    critic = make_critic(name, kind, options or {})
    fit_with_progress(critic, rows, labels, groups, sheet.part_weights(held_out=False), progress)
    read, ignored = critic.numbers()
    training = {
        "critic": name,
        "kind": kind.name,
        "sheet": sheet.source,
        "sheet_hash": content_hash(
            [sheet.rows.to_pylist(), sheet.labels.tolist(), sheet.held_out.tolist()]
        ),
        "training_rows": rows.num_rows,
        **({"sampled_from": sheet.sampled_from} if sheet.sampled_from else {}),
        "share_valid": round(float(np.mean(sheet.labels)), 6),
        "read": sheet.how,
        "options": published(published_options(options or {}), Path.cwd()),
        "kind_options": published(published_options(kind_options or {}), Path.cwd()),
        "numbers": {"read": read, "ignored": ignored},
        **_left_out(sheet),
        "annotators": len(sheet.annotators),
        "agreement_alpha": None if sheet.agreement is None else round(sheet.agreement, 6),
    }
    held_out = held_out_rows(critic, sheet)
    if unscored := int(sheet.held_out.sum()) - held_out.num_rows:
        training["unscored_left_out"] = unscored
    group = str(sheet.how.get("group") or kind.group_column)
    buckets = novelty(rows, held_out, kind.columns, group)
    held_out = held_out.append_column(NOVELTY, pa.array(buckets, pa.string()))
    trained = TrainedCritic(critic, held_out, training, frozenset(map(group_hash, groups)))
    if out is not None:
        save_critic(trained, out)
    return trained


def _left_out(sheet: LabelSheet) -> dict[str, Any]:
    """Count rows of a sheet that are in neither part or were joined.

    Name the first `_NAMED` wrong ones.
    """
    return {
        "conflicts_left_out": len(sheet.conflicts),
        "conflicts": sheet.conflicts[:_NAMED],
        "repeated_rows": sheet.repeated,
        "unsure_left_out": sheet.unsure,
        "unlabelled_left_out": sheet.unlabelled,
        "unweighed_left_out": sheet.unweighed,
        "leaks_left_out": len(sheet.leaks),
        "leaks": sheet.leaks[:_NAMED],
    }
