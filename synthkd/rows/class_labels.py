"""Class names in Parquet files of the `datasets` library.

The library stores numbers, and their names in the metadata.

The number 0 of a column whose names are ``valid`` and ``invalid`` means valid; read as a number it
would mean the opposite.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

#: Key of the metadata, and the longest text of it that is read.
_KEY, _LONGEST = b"huggingface", 1 << 24

ClassNames = dict[str, list[str]]


def class_labels(schema: pa.Schema) -> ClassNames:
    """Return the class names of each integer column that is a `ClassLabel`, by number."""
    import pyarrow as pa

    metadata = (schema.metadata or {}).get(_KEY, b"")
    if not metadata or len(metadata) > _LONGEST:
        return {}
    try:
        features = json.loads(metadata)["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    if not isinstance(features, dict):
        return {}
    columns = {
        field.name: _names(features.get(field.name))
        for field in schema
        if pa.types.is_integer(field.type)
    }
    return {column: names for column, names in columns.items() if names}


def _names(feature: Any) -> list[str]:
    """Return the names of a `ClassLabel`; an empty list for another feature."""
    if not isinstance(feature, dict) or feature.get("_type") != "ClassLabel":
        return []
    names = feature.get("names")
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []


def replace_class_numbers(
    batch: pa.RecordBatch, labels: ClassNames, path: Path, rows_before: int
) -> pa.RecordBatch:
    """Replace class numbers by names.

    The number -1, which `datasets` writes for an unlabelled row, becomes an empty cell.

    Args:
        batch: Rows of the file.
        labels: Result of `class_labels`.
        path: The file, for messages.
        rows_before: Number of the file's rows before the batch.

    Raises:
        InputError: If a number has no name.
    """
    import pyarrow as pa

    for column, names in labels.items():
        place = batch.schema.get_field_index(column)
        if place < 0:
            continue
        texts: list[str | None] = []
        for row, value in enumerate(batch.column(place).to_pylist(), rows_before + 1):
            if value is not None and not -1 <= value < len(names):
                raise InputError(
                    f"{path} row {row:,}: {column!r} is {value}, and the file names the classes 0"
                    f" to {len(names) - 1}"
                )
            texts.append(None if value is None or value < 0 else names[value])
        batch = batch.set_column(place, pa.field(column, pa.string()), pa.array(texts, pa.string()))
    return batch
