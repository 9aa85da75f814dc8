"""Texts that the encoder reads of a row: the verbalised candidate, and its source or its parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from synthkd.critics.labels import SOURCE
from synthkd.encoders.batches import TextPair
from synthkd.errors import CriticError
from synthkd.kinds.base import Kind
from synthkd.kinds.relations import put_names
from synthkd.rows import cell_text


def text_pairs(rows: pa.Table | pa.RecordBatch, kind: Kind, grounded: bool) -> list[TextPair]:
    """Return source and candidate of each row for a cross-encoder.

    The candidate alone if not grounded.
    """
    return [
        (source, sentence) if grounded else (sentence, None)
        for source, sentence in zip(_sources(rows, grounded), sentences(rows, kind), strict=True)
    ]


def sentences(rows: pa.Table | pa.RecordBatch, kind: Kind) -> list[str]:
    """Verbalise candidates, with names for PersonX and PersonY, which encoders do not know."""
    return [put_names(kind.verbalize(row)) for row in _records(rows, kind)]


def compared_texts(
    rows: pa.Table | pa.RecordBatch, kind: Kind, grounded: bool
) -> tuple[list[str], list[str]] | None:
    """Return the texts that a frozen encoder compares: source and candidate, or two columns.

    None for a kind with one column.
    """
    if grounded:
        return _sources(rows, grounded), sentences(rows, kind)
    if len(kind.columns) == 1:
        return None
    first, last = kind.columns[0], kind.columns[-1]
    records = _records(rows, kind)
    # Sheets have the texts of cells where rows of a run have numbers and nulls.
    return (
        [put_names(cell_text(row[first]) or "") for row in records],
        [put_names(cell_text(row[last]) or "") for row in records],
    )


def _records(rows: pa.Table | pa.RecordBatch, kind: Kind) -> list[Mapping[str, Any]]:
    missing = [column for column in kind.columns if column not in rows.schema.names]
    if missing:
        raise CriticError(
            f"the rows have no column {missing[0]!r}; a critic of {kind.name!r} reads it"
        )
    records: list[Mapping[str, Any]] = rows.select(list(kind.columns)).to_pylist()
    return records


def _sources(rows: pa.Table | pa.RecordBatch, grounded: bool) -> list[str]:
    if not grounded:
        return [""] * rows.num_rows
    if SOURCE not in rows.schema.names:
        raise CriticError(f"the rows have no column {SOURCE!r}; this critic was trained to read it")
    return [str(value) for value in rows.column(SOURCE).to_pylist()]
