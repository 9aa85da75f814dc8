"""Train a critic from a label sheet, keep it with its held-out scores, and load it again.

The held-out scores stay beside the critic, so that any precision can be asked of it later without training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthkd import plugins
from synthkd.artifacts.arrays import read_table
from synthkd.artifacts.folder import CRITIC, check_hashes, write_hashes
from synthkd.artifacts.settings import read_object, read_settings
from synthkd.critics.base import Critic, Scores
from synthkd.critics.calibration import Curve, Threshold, Unreachable
from synthkd.critics.card import critic_card
from synthkd.critics.columns import as_read
from synthkd.critics.folder import CONFIG, Facts, check_held_out
from synthkd.critics.labels import NUMBERS, LabelSheet, verdict_column
from synthkd.critics.options import OF_MEMBERS, make_critic, options_of_load, published_options
from synthkd.critics.plots import precision_picture, reliability_picture
from synthkd.critics.progress import fit
from synthkd.critics.siblings import SIBLINGS
from synthkd.critics.splits import group_names, novelty
from synthkd.errors import CriticError
from synthkd.keys import content_hash, fraction
from synthkd.kinds.base import Kind
from synthkd.progress import Progress
from synthkd.recipe.published_values import published
from synthkd.storage.ownership import CRITIC as CRITIC_FOLDER
from synthkd.storage.write import check_output, replaced_folder, write_json, write_text

HELD_OUT, FACTS, SEEN = "held_out.parquet", "facts.json", "trained_on.parquet"
#: Held-out rows that a loaded critic scores again, and by how much the middle one may differ. On another machine a few
#: rows may differ by more, since a number that lies on the edge of a bin is rounded to one side or the other.
_PROBES, _NEAR = 16, 0.02
#: Rows that are named in facts and card, of each sort that is left out.
_NAMED = 20
#: Columns of the held-out rows that are not the kind's.
NOVELTY, GROUP = "novelty", "group_hash"
_NOT_COLUMNS = {*NUMBERS, *SIBLINGS, "score", "weight", NOVELTY, GROUP}


@dataclass(frozen=True)
class TrainedCritic:
    """A critic with its held-out rows (kind's columns, ``score``, ``label``, ``weight`` where they differ), facts of
    its training, and hashes of the groups that it was trained on.
    """

    critic: Critic
    held_out: pa.Table
    training: dict[str, Any]
    seen: frozenset[int] = frozenset()

    @cached_property
    def curve(self) -> Curve:
        """Precision and recall of the held-out rows. Raises `CriticError` if there are none."""
        held = self.held_out
        if not held.num_rows:
            raise CriticError(
                f"critic {self.critic.name!r}: trained on all its labelled rows, so that none can check a precision; label"
                " other rows and give it these by `synthkd critic calibrate`"
            )
        weights = held.column("weight").to_numpy() if "weight" in held.schema.names else None
        scores, labels = (
            held.column("score").to_numpy(),
            held.column(verdict_column(self.critic.kind)).to_numpy(),
        )
        return Curve.of(scores, labels, weights, self.groups)

    @property
    def groups(self) -> list[str] | None:
        """The group of each held-out row, or a hash of it; None where they were not kept."""
        kind, held = self.critic.kind, self.held_out
        if GROUP in held.schema.names:
            return [str(value) for value in held.column(GROUP).to_pylist()]
        if self.group_column not in held.schema.names:
            return None
        return group_names(kind, held.select(list(kind.columns)).to_pylist(), self.group_column)

    @property
    def group_column(self) -> str:
        """The column by whose groups the critic's rows were divided, or `none`."""
        return str((self.training.get("read") or {}).get("group") or self.critic.kind.group_column)

    @property
    def fingerprint(self) -> str:
        """Content hash of what was trained on and of the held-out scores: equal for equal critics."""
        scores = [round(float(s), 9) for s in self.held_out.column("score").to_pylist()]
        return content_hash([self.training, scores])

    def threshold(self, precision: float, confidence: float = 0.95) -> Threshold | Unreachable:
        """The loosest threshold that keeps a precision with a confidence, or why there is none."""
        return self.curve.threshold(precision, confidence)

    def score(self, rows: pa.Table | pa.RecordBatch) -> Scores:
        """Probability of being valid for each row; NaN for one that a judge has no verdict on (`Critic.missing`)."""
        return _scored(self.critic, as_read(rows, self.critic.kind))

    def facts(self) -> dict[str, Any]:
        """Figures for manifest, card and table; none of a precision without held-out rows."""
        if not self.held_out.num_rows:
            return {**self.training, "held_out_rows": 0}
        return {
            **self.training,
            "held_out_rows": self.held_out.num_rows,
            "auc": round(self.curve.auc, 6),
            "ece": round(self.curve.ece, 6),
            "precision_at_recall": {
                str(r): round(self.curve.precision_at_recall(r), 6) for r in (0.5, 0.6, 0.7, 0.8, 0.9)
            },
        }


def _scored(critic: Critic, rows: pa.Table | pa.RecordBatch) -> Scores:
    scores = critic.score(rows)
    known = scores[~np.isnan(scores)] if critic.asks else scores
    if len(known) and not (np.isfinite(known) & (known >= 0) & (known <= 1)).all():
        raise CriticError(
            f"critic {critic.name!r}: a score is no probability; its files were altered, {CRITIC.remedy}"
        )
    return scores


def train_critic(
    kind: Kind,
    sheet: LabelSheet,
    name: str = "linear",
    out: Path | None = None,
    options: dict[str, Any] | None = None,
    kind_options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> TrainedCritic:
    """Fit on the training part, score the held-out part; keep it all in the folder ``out`` if one is named.

    ``options`` are the critic's own, ``kind_options`` those that the kind was made with: verbs that read the folder make
    it so again. A sheet without a held-out part trains on all its rows: then no precision can be promised.
    """
    if out is not None:
        check_output(out, CRITIC_FOLDER)
    rows, labels, groups = sheet.part(held_out=False)
    critic = make_critic(name, kind, options or {})
    fit(critic, rows, labels, groups, sheet.part_weights(held_out=False), progress)
    read, ignored = critic.numbers()
    training = {
        "critic": name,
        "kind": kind.name,
        "sheet": sheet.source,
        "sheet_hash": content_hash([sheet.rows.to_pylist(), sheet.labels.tolist(), sheet.held_out.tolist()]),
        "training_rows": rows.num_rows,
        "share_valid": round(float(np.mean(sheet.labels)), 6),
        "read": sheet.how,
        "options": published(published_options(options or {}), Path.cwd()),
        "kind_options": published(published_options(kind_options or {}), Path.cwd()),
        "numbers": {"read": read, "ignored": ignored},
        **_left_out(sheet),
        "annotators": len(sheet.annotators),
        "agreement_alpha": None if sheet.agreement is None else round(sheet.agreement, 6),
    }
    seen = frozenset(map(group_hash, groups))
    held = held_out_rows(critic, sheet)
    if unscored := _without_verdict(sheet, held):
        training["unscored_left_out"] = unscored
    group = str(sheet.how.get("group") or kind.group_column)
    held = held.append_column(NOVELTY, pa.array(novelty(rows, held, kind.columns, group), pa.string()))
    trained = TrainedCritic(critic, held, training, seen)
    if out is not None:
        save_critic(trained, out)
    return trained


def _left_out(sheet: LabelSheet) -> dict[str, Any]:
    """What of the sheet is in neither part or was joined, counted; the first of what is wrong by name."""
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


def held_out_rows(critic: Critic, sheet: LabelSheet) -> pa.Table:
    """The sheet's held-out part with the critic's scores, verdicts, hashes of the groups, and weights if rows differ."""
    held, truth, groups = sheet.part(held_out=True)
    held = held.append_column("score", pa.array(critic.score(held), pa.float64()))
    held = held.append_column(verdict_column(critic.kind), pa.array(truth))
    held = held.append_column(GROUP, pa.array([group_hash(group) for group in groups], pa.int64()))
    if (weights := sheet.part_weights(held_out=True)) is not None:
        held = held.append_column("weight", pa.array(weights, pa.float64()))
    if critic.asks:
        # A row without a verdict is never accepted: what is promised is the precision of those with one.
        held = held.filter(~np.isnan(held.column("score").to_numpy()))
        if (
            truth.any()
            and (found := held.column(verdict_column(critic.kind)).to_numpy()).all() | ~found.any()
        ):
            raise CriticError(
                "the held-out rows whose verdict can be read are all of one sort, or none; label more, or mend the template"
            )
    return held


def _without_verdict(sheet: LabelSheet, held: pa.Table) -> int:
    """Held-out rows that the critic has no score of."""
    return int(sheet.held_out.sum()) - int(held.num_rows)


def group_hash(group: str) -> int:
    """What is kept of a group that a critic was trained on: enough to know it again, and not the group itself."""
    return int(fraction(f"group|{group}") * 2**62)


def save_critic(trained: TrainedCritic, folder: Path) -> None:
    """Write the critic, its held-out rows and its card, whole or not at all."""
    with replaced_folder(folder, CRITIC_FOLDER) as temporary:
        trained.critic.save(temporary)
        pq.write_table(trained.held_out, temporary / HELD_OUT, compression="zstd")
        seen = pa.table({"group": pa.array(sorted(trained.seen), pa.int64())})
        pq.write_table(seen, temporary / SEEN, compression="zstd")
        write_json(temporary / FACTS, trained.training)
        write_text(temporary / "README.md", critic_card(trained))
        if trained.held_out.num_rows:
            write_text(temporary / "precision.svg", precision_picture(trained.curve))
            write_text(temporary / "reliability.svg", reliability_picture(trained.curve))
        write_hashes(temporary)


def load_critic(
    folder: Path, kind: Kind, options: Mapping[str, Any] | None = None, base: Path = Path()
) -> TrainedCritic:
    """Read what `save_critic` wrote; refuse what is altered or was trained for another kind.

    ``options``: what a folder does not say, by names that the critic's `load` takes: ``teacher``, ``journal`` and ``limits``
    of a judge, ``encoder`` of a frozen one. Relative paths in a judge's options start at ``base``.
    """
    facts, training = read_facts(folder), read_object(folder / FACTS, CRITIC)
    check_hashes(folder, CRITIC)
    if facts.kind != kind.name:
        raise CriticError(f"{folder}: trained for the kind {facts.kind!r}, not {kind.name!r}")
    made: type[Critic] = plugins.find("critics", facts.critic)
    own = options_of_load(made, options or {})
    if made.load_options & {"folder", OF_MEMBERS}:
        own.setdefault("folder", str(base))
    with CRITIC.fitting(folder):
        critic = made.load(folder, kind, **own)
    held, seen = read_table(folder / HELD_OUT, CRITIC), read_table(folder / SEEN, CRITIC)
    trained_on = [name for name in held.schema.names if name not in {*_NOT_COLUMNS, verdict_column(kind)}]
    if trained_on != list(kind.columns):
        raise CriticError(f"{folder}: trained on the columns {trained_on}, the kind has {list(kind.columns)}")
    check_held_out(folder / HELD_OUT, held, verdict_column(kind))
    if seen.schema.names != ["group"] or seen.schema.types != [pa.int64()] or seen.column("group").null_count:
        raise CRITIC.refuse(folder / SEEN, "not hashes of groups")
    trained = TrainedCritic(critic, held, training, frozenset(seen.column("group").to_pylist()))
    if not critic.asks:
        _check_scores(trained, folder)
    return trained


def read_facts(folder: Path) -> Facts:
    """Which critic stands in a folder, and what it was trained on."""
    if not (folder / FACTS).is_file():
        if (folder / CONFIG).is_file():
            raise CRITIC.refuse(folder / FACTS, "missing")
        raise CriticError(f"{folder}: no critic here; `synthkd critic train` makes one")
    return read_settings(folder / FACTS, Facts, CRITIC)


def _check_scores(trained: TrainedCritic, folder: Path) -> None:
    """Refuse a critic that scores its first held-out rows otherwise than it did: the threshold was measured with those."""
    probe = trained.held_out.slice(0, _PROBES)
    with CRITIC.fitting(folder), np.errstate(all="ignore"):
        again = _scored(trained.critic, probe.drop_columns(["score"]))
    if len(again) and np.median(np.abs(again - probe.column("score").to_numpy())) > _NEAR:
        raise CRITIC.refuse(folder, "it scores its held-out rows otherwise than when it was trained")
