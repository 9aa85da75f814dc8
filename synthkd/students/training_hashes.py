"""Hashes of training rows: they recognise a row again, and do not reveal it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synthkd.artifacts.arrays import read_table
from synthkd.artifacts.folder import Artifact
from synthkd.keys import fraction
from synthkd.kinds.base import Kind
from synthkd.text.normal_forms import normal_text

#: File of the hashes in the folder of a student or of its export.
FILE = "trained_on.parquet"
_SCHEMA = pa.schema([("row", pa.int64())])


def text_hashes(texts: Iterable[str]) -> list[int]:
    """Return a hash of each text in normal form."""
    return [_hash(normal_text(text)) for text in texts]


def kind_row_hashes(rows: Iterable[Mapping[str, Any]], kind: Kind) -> list[int]:
    """Return a hash of the identity of each row of a kind."""
    return [_hash(kind.identity(row)) for row in rows]


def _hash(text: str) -> int:
    return int(fraction(f"trained on|{text}") * 2**62)


def write_training_hashes(folder: Path, hashes: Iterable[int]) -> None:
    """Write the hashes into an artefact's folder, unless there are none."""
    if distinct := sorted(set(hashes)):
        pq.write_table(
            pa.table({"row": pa.array(distinct, pa.int64())}), folder / FILE, compression="zstd"
        )


def read_training_hashes(folder: Path, artifact: Artifact) -> frozenset[int]:
    """Read the hashes of an artefact's folder; empty if the training rows are unknown."""
    path = folder / FILE
    if not path.is_file():
        return frozenset()
    table = read_table(path, artifact)
    if table.schema.remove_metadata() != _SCHEMA or table.column("row").null_count:
        raise artifact.refuse(path, "not hashes of rows")
    return frozenset(table.column("row").to_pylist())
