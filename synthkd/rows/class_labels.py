"""Names of the classes in a Parquet file that the `datasets` library wrote: it keeps numbers, and the names beside them.

The number 0 of a column whose names are ``valid`` and ``invalid`` says valid. Read as a number it would say the opposite.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

#: Key of the metadata, and the longest text that is read of it.
_KEY, _LONGEST = b"huggingface", 1 << 24

Names = dict[str, list[str]]


def class_labels(schema: pa.Schema) -> Names:
    """The names of each column of whole numbers that is a `ClassLabel`, in the order of their numbers."""
    import pyarrow as pa

    said = (schema.metadata or {}).get(_KEY, b"")
    if not said or len(said) > _LONGEST:
        return {}
    try:
        features = json.loads(said)["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    if not isinstance(features, dict):
        return {}
    found = {
        field.name: _names(features.get(field.name)) for field in schema if pa.types.is_integer(field.type)
    }
    return {column: names for column, names in found.items() if names}


def _names(feature: Any) -> list[str]:
    """The names of a `ClassLabel`; none of another feature."""
    if not isinstance(feature, dict) or feature.get("_type") != "ClassLabel":
        return []
    names = feature.get("names")
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []


def named(part: pa.RecordBatch, labels: Names, path: Path, done: int) -> pa.RecordBatch:
    """Put names in the place of numbers; -1, which `datasets` writes for a row without a label, is an empty cell.

    Args:
        part: Rows of the file.
        labels: What `class_labels` found.
        path: The file, for messages.
        done: How many rows of it came before.
    """
    import pyarrow as pa

    for column, names in labels.items():
        place = part.schema.get_field_index(column)
        if place < 0:
            continue
        found: list[str | None] = []
        for number, value in enumerate(part.column(place).to_pylist(), done + 1):
            if value is not None and not -1 <= value < len(names):
                raise InputError(
                    f"{path} row {number:,}: {column!r} is {value}, and the file names the classes 0 to {len(names) - 1}"
                )
            found.append(None if value is None or value < 0 else names[value])
        part = part.set_column(place, pa.field(column, pa.string()), pa.array(found, pa.string()))
    return part
