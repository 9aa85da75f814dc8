"""The folder of a trained critic: saved whole, loaded only if nothing in it was altered."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from synthkd import plugins
from synthkd.artifacts.arrays import read_table
from synthkd.artifacts.folder import CRITIC_ARTIFACT, check_hashes, write_hashes
from synthkd.artifacts.settings import Count, Name, PluginName, Settings, read_object, read_settings
from synthkd.critics.base import CriticModel
from synthkd.critics.card import critic_card
from synthkd.critics.files import CONFIG
from synthkd.critics.labels import NUMBERS, SOURCE, verdict_column
from synthkd.critics.options import OF_MEMBERS, options_of_load
from synthkd.critics.plots import precision_picture, reliability_picture
from synthkd.critics.splits import NOVELTY
from synthkd.critics.trained_critic import GROUP, TrainedCritic, checked_scores
from synthkd.errors import CriticError
from synthkd.kinds.base import Kind
from synthkd.labels.candidates import SIBLINGS
from synthkd.storage import CRITIC_FOLDER, replaced_folder, write_json, write_text

HELD_OUT, FACTS, SEEN = "held_out.parquet", "facts.json", "trained_on.parquet"
#: Held-out rows that a loaded critic scores again.
_PROBES = 16
#: Largest median difference of these scores. Single rows may differ by more on another machine,
#: since a number on the edge of a bin is rounded to one side or the other.
_TOLERANCE = 0.02
#: Columns of the held-out rows that are not the kind's.
_NOT_COLUMNS = {*NUMBERS, *SIBLINGS, SOURCE, "score", "weight", NOVELTY, GROUP}
_Names = Annotated[list[Annotated[str, Field(max_length=1 << 20)]], Field(max_length=1000)]


class Numbers(Settings):
    """Number columns that a critic reads, and those that it ignores."""

    read: _Names = Field(default_factory=list)
    ignored: _Names = Field(default_factory=list)


class Facts(Settings):
    """Facts of a training: what was read, how many rows, what was left out."""

    critic: PluginName
    kind: Name
    sheet: Name
    sheet_hash: Name
    training_rows: Count
    sampled_from: Count = 0
    share_valid: Annotated[float, Field(ge=0, le=1)]
    read: dict[str, Any]
    options: dict[str, Any]
    kind_options: dict[str, Any] = Field(default_factory=dict)
    numbers: Numbers = Field(default_factory=lambda: Numbers())
    conflicts_left_out: Count
    conflicts: _Names
    repeated_rows: Count
    unsure_left_out: Count
    unlabelled_left_out: Count
    unweighed_left_out: Count
    leaks_left_out: Count
    leaks: _Names
    annotators: Count
    agreement_alpha: Annotated[float, Field(ge=-1e6, le=1)] | None
    calibrated_on: Name | None = None
    calibration_unsure_left_out: Count = 0
    unscored_left_out: Count = 0


def save_critic(trained: TrainedCritic, folder: Path) -> None:
    """Write critic, held-out rows, card and pictures; the folder is complete or not there."""
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
    folder: str | Path, kind: Kind, options: Mapping[str, Any] | None = None, base: Path = Path()
) -> TrainedCritic:
    """Load the folder of a trained critic.

    Args:
        folder: Folder that `save_critic` wrote.
        kind: Kind that the critic was trained for.
        options: Options of the critic's `load` that a folder does not hold: ``teacher``,
            ``journal`` and ``limits`` of a judge, ``encoder`` of a frozen encoder.
        base: Start of relative paths in the options of a judge.

    Raises:
        CriticError: The folder is damaged, altered or for another kind.
    """
    folder = Path(folder)
    facts, training = read_facts(folder), read_object(folder / FACTS, CRITIC_ARTIFACT)
    check_hashes(folder, CRITIC_ARTIFACT)
    if facts.kind != kind.name:
        raise CriticError(f"{folder}: trained for the kind {facts.kind!r}, not {kind.name!r}")
    critic_class: type[CriticModel] = plugins.find("critics", facts.critic)
    own = options_of_load(critic_class, options or {})
    if critic_class.load_options & {"folder", OF_MEMBERS}:
        own.setdefault("folder", str(base))
    with CRITIC_ARTIFACT.fitting(folder):
        critic = critic_class.load(folder, kind, **own)
    held_out, seen = (
        read_table(folder / HELD_OUT, CRITIC_ARTIFACT),
        read_table(folder / SEEN, CRITIC_ARTIFACT),
    )
    not_columns = {*_NOT_COLUMNS, verdict_column(kind)} - set(kind.columns)
    columns = [name for name in held_out.schema.names if name not in not_columns]
    if columns != list(kind.columns):
        raise CriticError(
            f"{folder}: trained on the columns {columns}, the kind has {list(kind.columns)}"
        )
    _check_held_out(folder / HELD_OUT, held_out, verdict_column(kind))
    if (
        seen.schema.names != ["group"]
        or seen.schema.types != [pa.int64()]
        or seen.column("group").null_count
    ):
        raise CRITIC_ARTIFACT.refuse(folder / SEEN, "not hashes of groups")
    trained = TrainedCritic(critic, held_out, training, frozenset(seen.column("group").to_pylist()))
    if not critic.asks:
        _check_scores(trained, folder)
    return trained


def read_facts(folder: Path) -> Facts:
    """Read which critic a folder holds and the facts of its training."""
    if not (folder / FACTS).is_file():
        if (folder / CONFIG).is_file():
            raise CRITIC_ARTIFACT.refuse(folder / FACTS, "missing")
        raise CriticError(f"{folder}: no critic here; `synthkd critic train` makes one")
    return read_settings(folder / FACTS, Facts, CRITIC_ARTIFACT)


def _check_held_out(path: Path, rows: pa.Table, verdict: str) -> None:
    """Refuse held-out rows without a probability, a verdict or a positive weight."""
    for name in ("score", verdict, *(name for name in ("weight",) if name in rows.schema.names)):
        if name not in rows.schema.names:
            raise CRITIC_ARTIFACT.refuse(path, f"no column {name!r}")
        column = rows.column(name)
        wanted = pa.bool_() if name == verdict else pa.float64()
        if column.type != wanted or column.null_count:
            raise CRITIC_ARTIFACT.refuse(path, f"{name}: {wanted} without nulls is needed")
        if name == verdict:
            continue
        values = column.to_numpy()
        least, most = (0.0, 1.0) if name == "score" else (1e-300, 1e300)
        if not (np.isfinite(values) & (values >= least) & (values <= most)).all():
            raise CRITIC_ARTIFACT.refuse(path, f"{name}: a value out of range")


def _check_scores(trained: TrainedCritic, folder: Path) -> None:
    """Refuse a critic that does not reproduce its saved held-out scores."""
    probe = trained.held_out.slice(0, _PROBES)
    with CRITIC_ARTIFACT.fitting(folder), np.errstate(all="ignore"):
        scores = checked_scores(trained.critic, probe.drop_columns(["score"]))
    if len(scores) and np.median(np.abs(scores - probe.column("score").to_numpy())) > _TOLERANCE:
        raise CRITIC_ARTIFACT.refuse(
            folder, "it scores its held-out rows differently from when it was trained"
        )
