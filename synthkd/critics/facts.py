"""Schemas of a critic's `facts.json` and held-out rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from synthkd.artifacts.folder import CRITIC
from synthkd.artifacts.settings import Count, Name, PluginName, Settings

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
