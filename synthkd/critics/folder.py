"""A critic's own files: arrays (safetensors), settings (JSON), and the hashes of all files of the folder.

Nothing in them can run code. What was altered or cut is refused, and what a stranger wrote is bounded by a schema.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from synthkd.artifacts.arrays import Arrays, read_arrays, write_arrays
from synthkd.artifacts.folder import CRITIC, check_hashes, write_hashes
from synthkd.artifacts.settings import (
    Columns,
    Count,
    Name,
    PluginName,
    Settings,
    checked_settings,
    read_object,
)
from synthkd.errors import CriticError
from synthkd.storage.write import write_json

ARRAYS, CONFIG = "critic.safetensors", "critic.json"


class CriticSettings(Settings):
    """Settings of every critic; each critic adds its own fields."""

    critic: PluginName
    version: int
    kind: Name = ""
    columns: Columns = Field(default_factory=list)


S = TypeVar("S", bound=CriticSettings)


def write_files(folder: Path, arrays: Arrays, config: dict[str, Any]) -> None:
    """Write both into an existing folder, and after them the hashes of all files that are there."""
    write_arrays(folder / ARRAYS, arrays)
    write_json(folder / CONFIG, config)
    write_hashes(folder)


def read_files(folder: Path, critic: str, version: int, settings: type[S]) -> tuple[Arrays, S]:
    """Read what `write_files` wrote, the settings as the model ``settings``."""
    if not (folder / CONFIG).is_file():
        raise CriticError(f"{folder}: no critic here (no {CONFIG})")
    check_hashes(folder, CRITIC)
    found = read_object(folder / CONFIG, CRITIC)
    if found.get("critic") != critic or found.get("version") != version:
        raise CriticError(f"{folder / CONFIG}: not a critic `{critic}` of this version; train it again")
    checked = checked_settings(folder / CONFIG, found, settings, CRITIC)
    return read_arrays(folder / ARRAYS, CRITIC), checked


def check_columns(folder: Path, settings: CriticSettings, kind: Any) -> None:
    """Refuse a critic of another kind, or of other columns of it."""
    if settings.kind != kind.name:
        raise CriticError(f"{folder}: trained for the kind {settings.kind!r}, not {kind.name!r}")
    if settings.columns != list(kind.columns):
        raise CriticError(
            f"{folder}: trained on the columns {settings.columns}, the kind has {list(kind.columns)}"
        )


_Names = Annotated[list[Annotated[str, Field(max_length=1 << 20)]], Field(max_length=1000)]


class Numbers(Settings):
    """Columns of numbers that a critic reads, and those that its training rows lacked or did not differ in."""

    read: _Names = Field(default_factory=list)
    ignored: _Names = Field(default_factory=list)


class Facts(Settings):
    """Facts of a training: what was read, how many rows, what was left out."""

    critic: PluginName
    kind: Name
    sheet: Name
    sheet_hash: Name
    training_rows: Count
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


def check_held_out(path: Path, held: pa.Table, verdict: str) -> None:
    """Refuse held-out rows without a probability, a verdict or a positive weight each: every promise rests on them."""
    for name in ("score", verdict, *(name for name in ("weight",) if name in held.schema.names)):
        if name not in held.schema.names:
            raise CRITIC.refuse(path, f"no column {name!r}")
        column = held.column(name)
        wanted = pa.bool_() if name == verdict else pa.float64()
        if column.type != wanted or column.null_count:
            raise CRITIC.refuse(path, f"{name}: {wanted} without nulls is needed")
        if name == verdict:
            continue
        values = column.to_numpy()
        least, most = (0.0, 1.0) if name == "score" else (1e-300, 1e300)
        if not (np.isfinite(values) & (values >= least) & (values <= most)).all():
            raise CRITIC.refuse(path, f"{name}: a value that it cannot have")
