"""Cast columns as every critic reads them: texts as strings, numbers as floats."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa

from synthkd.critics.labels import NUMBERS
from synthkd.errors import CriticError, InputError
from synthkd.kinds.base import Kind
from synthkd.labels.candidates import SIBLINGS
from synthkd.rows import text_cell


def cast_columns(rows: pa.Table | pa.RecordBatch, kind: Kind, first: int = 0) -> pa.Table:
    """Cast the kind's columns to strings and the numbers to float64.

    Other columns stay as they are.

    `synthkd.rows` defines the text of other types. An empty cell, NaN or an infinite number becomes
    null.

    Args:
        rows: Candidates.
        kind: Their kind.
        first: Number of rows before these, for error messages.

    Raises:
        CriticError: A cell is no text, or no number.
    """
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
    for place, name in enumerate(table.schema.names):
        column = table.column(place)
        if name in kind.columns and column.type != pa.string():
            table = table.set_column(place, name, _texts(column, name, first))
        elif name in {*NUMBERS, *SIBLINGS}:
            table = table.set_column(place, name, _numbers(column, name, first))
    return table


def present_numbers(rows: pa.Table | pa.RecordBatch) -> set[str]:
    """Return the number columns in which some row has a value."""
    return {
        name
        for name in NUMBERS
        if name in rows.schema.names and rows.column(name).null_count < rows.num_rows
    }


def _texts(column: pa.ChunkedArray, name: str, first: int) -> pa.ChunkedArray | pa.Array:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_large_string(kind) or pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    try:
        texts = [
            text_cell(value, f"row {row:,}", name)
            for row, value in enumerate(column.to_pylist(), first + 1)
        ]
    except InputError as error:
        raise CriticError(str(error)) from None
    return pa.array(texts, pa.string())


def _numbers(column: pa.ChunkedArray, name: str, first: int) -> pa.Array:
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        numbers = np.array(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
        return pa.array(numbers, pa.float64(), mask=~np.isfinite(numbers))
    values = column.to_pylist()
    return pa.array(
        [_number(value, name, number) for number, value in enumerate(values, first + 1)],
        pa.float64(),
    )


def _number(value: Any, name: str, row: int) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise CriticError(
            f"row {row:,}: {name} is {str(value)[:40]!r}, which is no number"
        ) from None
    return number if math.isfinite(number) else None
