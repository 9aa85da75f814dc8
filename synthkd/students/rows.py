"""Read labelled texts: a corpus of the kind `labelled_text`, a table with a text and a label, or a file with a text a line."""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synthkd.corpora.read import load_corpus
from synthkd.corpora.write import MANIFEST
from synthkd.errors import InputError, StudentError, nearest
from synthkd.rows import BATCH, is_empty, read_rows, text_cell, text_lines
from synthkd.students.base import Floats, LabelledTexts, normal_class_name

#: Column of the number of a line, of texts that stand one a line.
LINE = "line"
#: Pairs of classes that are named in a message.
_SHOWN = 3


def read_labelled_texts(path: Path, text: str = "text", label: str = "label") -> LabelledTexts:
    """The rows of a CSV, JSONL or Parquet file, or the accepted ones of a corpus. Raises `InputError` with file and row.

    Labels that differ in blanks or Unicode form alone are one class (`class_name`), which is logged; those that differ in
    case alone are two, which is logged too. A label that is a list or an object is refused.
    """
    texts: list[str] = []
    labels: list[str] = []
    spellings: Counter[str] = Counter()
    for where, row in located_rows(path):
        texts.append(row_text(row, text, where, path, len(texts)))
        said = row_text(row, label, where, path, len(labels))
        name = normal_class_name(said)
        if not name:
            raise InputError(f"{where}: an empty {label}")
        if name != said:
            spellings[said] += 1
        labels.append(name)
    if not texts:
        raise StudentError(f"{path}: no rows to learn from")
    _tell(path, label, spellings, labels)
    return LabelledTexts(tuple(texts), tuple(labels))


def _tell(path: Path, label: str, spellings: Counter[str], labels: Sequence[str]) -> None:
    """Log the labels that were read as another spelling, and the classes that differ in case or width alone."""
    log = logging.getLogger("synthkd")
    if spellings:
        rows = sum(spellings.values())
        named = ", ".join(
            f"{said!r} as {normal_class_name(said)!r}" for said, _ in spellings.most_common(_SHOWN)
        )
        log.warning(
            "%s: %s differ in blanks or Unicode form alone, and are read as one class: %s%s",
            path, f"{label}s of {rows:,} {'row' if rows == 1 else 'rows'}", named,
            ", …" if len(spellings) > _SHOWN else "",
        )  # fmt: skip
    alike: dict[str, list[str]] = {}
    for name in sorted(set(labels)):
        alike.setdefault(unicodedata.normalize("NFKC", name).casefold(), []).append(name)
    twins = [names for names in alike.values() if len(names) > 1]
    if twins:
        named = ", ".join(" and ".join(map(repr, names)) for names in twins[:_SHOWN])
        log.warning(
            "%s: classes that differ in case or width alone are classes of their own: %s%s; write them alike if they are one",
            path, named, ", …" if len(twins) > _SHOWN else "",
        )  # fmt: skip


def row_text(row: dict[str, Any], column: str, where: str, path: Path, before: int = 1) -> str:
    """The text of a row's cell; refuse a column that is not there, an empty cell, and one that is no text."""
    if column not in row:
        raise InputError(f"{where if before else path}: no column {column!r}{nearest(column, list(row))}")
    text = text_cell(row[column], where, column)
    if text is None or is_empty(text):
        raise InputError(f"{where}: an empty {column}; give it, or leave the row out")
    return text


def located_rows(path: Path, batch: int = BATCH) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows with their places, ``FILE row 3``. A corpus stands for its accepted rows; in a `.txt`, each line is a text."""
    if path.suffix.lower() == ".txt" and path.is_file():
        for row in _lines(path):
            yield f"{path} line {row[LINE]}", row
        return
    number = 0
    for rows in _rows(path, batch):
        for row in rows:
            number += 1
            yield f"{path} row {number:,}", row


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file that are not blank, with their numbers."""
    for number, line in enumerate(text_lines(path), 1):
        if line.strip():
            yield {LINE: number, "text": line.rstrip("\n")}


def joined(parts: Sequence[LabelledTexts]) -> LabelledTexts:
    """Several lots of rows as one; weights and soft labels only where all have them."""

    def all_of(name: str) -> Floats | None:
        found = [getattr(part, name) for part in parts]
        return np.concatenate(found) if found and all(one is not None for one in found) else None

    return LabelledTexts(
        tuple(text for part in parts for text in part.texts),
        tuple(label for part in parts for label in part.labels),
        weights=all_of("weights"),
        soft=all_of("soft"),
    )


def _rows(path: Path, batch: int) -> Iterator[list[dict[str, Any]]]:
    """Batches of rows; a corpus stands for its accepted ones."""
    if not (path / MANIFEST).is_file():
        yield from read_rows(path, batch=batch)
        return
    for part in load_corpus(path).dataset().to_batches():
        yield part.to_pylist()
