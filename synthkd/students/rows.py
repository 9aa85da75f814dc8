"""Read labelled texts: a corpus of the kind `example`, or any table with a text and a label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synthkd.corpora.read import load_corpus
from synthkd.corpora.write import MANIFEST
from synthkd.errors import InputError, StudentError, nearest
from synthkd.rows import read_rows
from synthkd.students.base import Floats, Texts


def read_texts(path: Path, text: str = "text", label: str = "label") -> Texts:
    """The rows of a CSV, JSONL or Parquet file, or the accepted ones of a corpus. Raises `InputError` with file and row."""
    texts: list[str] = []
    labels: list[str] = []
    number = 0
    for rows in _rows(path):
        for row in rows:
            number += 1
            for column, values in ((text, texts), (label, labels)):
                if column not in row:
                    at = f" row {number}" if number > 1 else ""
                    raise InputError(f"{path}{at}: no column {column!r}{nearest(column, list(row))}")
                if row[column] is None or not str(row[column]).strip():
                    raise InputError(f"{path} row {number}: an empty {column}")
                values.append(str(row[column]))
    if not texts:
        raise StudentError(f"{path}: no rows to learn from")
    return Texts(tuple(texts), tuple(labels))


def joined(parts: Sequence[Texts]) -> Texts:
    """Several lots of rows as one; weights and soft labels only where all have them."""

    def all_of(name: str) -> Floats | None:
        found = [getattr(part, name) for part in parts]
        return np.concatenate(found) if found and all(one is not None for one in found) else None

    return Texts(
        tuple(text for part in parts for text in part.texts),
        tuple(label for part in parts for label in part.labels),
        weights=all_of("weights"),
        soft=all_of("soft"),
    )


def _rows(path: Path) -> Iterator[list[dict[str, Any]]]:
    """Batches of rows; a corpus stands for its accepted ones."""
    if not (path / MANIFEST).is_file():
        yield from read_rows(path)
        return
    for batch in load_corpus(path).dataset().to_batches():
        yield batch.to_pylist()
