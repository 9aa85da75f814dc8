"""Read labelled texts from corpora and tables, and texts from text files."""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

from synthkd.corpora.read import load_corpus
from synthkd.corpora.write import MANIFEST
from synthkd.errors import InputError, StudentError, nearest
from synthkd.keys import fraction
from synthkd.rows import BATCH, is_empty, read_rows, text_cell, text_lines
from synthkd.rows.sampling import RowSample
from synthkd.students.base import LabelledTexts, normal_class_name

#: Column of the number of a line, of texts that stand one a line.
LINE = "line"
#: Rows of each class that a sample keeps, if it has so many.
LEAST_OF_CLASS = 20
#: Pairs of classes that are named in a message.
_SHOWN = 3


def read_labelled_texts(
    path: Path | str, text: str = "text", label: str = "label"
) -> LabelledTexts:
    """Read the rows of a CSV, JSONL or Parquet file, or the accepted rows of a corpus.

    Labels that differ in blanks or Unicode form alone are one class (`normal_class_name`), which is
    logged. Labels that differ in case alone are two classes, which is logged too.

    Args:
        path: The file or corpus.
        text: Column of the texts.
        label: Column of the labels.

    Raises:
        InputError: A cell is missing, empty, or a list or object.
        StudentError: There are no rows.
    """
    rows = list(_labelled_rows(Path(path), text, label))
    return LabelledTexts(tuple(one for one, _ in rows), tuple(name for _, name in rows))


def sample_labelled_texts(
    path: Path | str, size: int, seed: int = 0, text: str = "text", label: str = "label"
) -> tuple[LabelledTexts, int]:
    """Read a sample of the rows as `read_labelled_texts` does, and count all of them.

    All rows are read and checked, those of the sample are kept: see `sampled_texts`. A file without
    more rows is read as it is.

    Args:
        path: The file or corpus.
        size: Rows of the sample.
        seed: Seed of the draws.
        text: Column of the texts.
        label: Column of the labels.
    """
    sample = RowSample[tuple[str, str]](size, LEAST_OF_CLASS)
    for one, name in _labelled_rows(Path(path), text, label):
        sample.add((one, name), _draw(seed, one, name), name)
    rows = sample.rows()
    texts = LabelledTexts(tuple(one for one, _ in rows), tuple(name for _, name in rows))
    return texts, sample.seen


def sampled_texts(rows: LabelledTexts, size: int, seed: int = 0) -> LabelledTexts:
    """Return a sample of rows, in their order.

    The draw of a row is a hash of seed, label and text: the order of rows does not matter. Of each
    class stay `LEAST_OF_CLASS` rows, if it has so many.
    """
    if len(rows) <= size:
        return rows
    sample = RowSample[int](size, LEAST_OF_CLASS)
    for number, (one, name) in enumerate(zip(rows.texts, rows.labels, strict=True)):
        sample.add(number, _draw(seed, one, name), name)
    return rows.take(sample.rows())


def _draw(seed: int, text: str, label: str) -> float:
    return fraction(f"sample {seed}|{label}|{text}")


def _labelled_rows(path: Path, text: str, label: str) -> Iterator[tuple[str, str]]:
    """Yield texts and labels; say at the end how labels were read."""
    count = 0
    labels: set[str] = set()
    spellings: Counter[str] = Counter()
    for where, row in located_rows(path):
        one = row_text(row, text, where, path, count)
        spelling = row_text(row, label, where, path, count)
        name = normal_class_name(spelling)
        if not name:
            raise InputError(f"{where}: an empty {label}")
        if name != spelling:
            spellings[spelling] += 1
        labels.add(name)
        count += 1
        yield one, name
    if not count:
        raise StudentError(f"{path}: no rows to learn from")
    _log_spellings(path, label, spellings, labels)


def _log_spellings(path: Path, label: str, spellings: Counter[str], labels: Set[str]) -> None:
    """Log labels read as another spelling, and classes that differ in case alone."""
    log = logging.getLogger("synthkd")
    if spellings:
        rows = sum(spellings.values())
        named = ", ".join(
            f"{spelling!r} as {normal_class_name(spelling)!r}"
            for spelling, _ in spellings.most_common(_SHOWN)
        )
        log.warning(
            "%s: %s differ in blanks or Unicode form alone, and are read as one class: %s%s",
            path, f"{label}s of {rows:,} {'row' if rows == 1 else 'rows'}", named,
            ", …" if len(spellings) > _SHOWN else "",
        )  # fmt: skip
    alike: dict[str, list[str]] = {}
    for name in sorted(labels):
        alike.setdefault(unicodedata.normalize("NFKC", name).casefold(), []).append(name)
    twins = [names for names in alike.values() if len(names) > 1]
    if twins:
        named = ", ".join(" and ".join(map(repr, names)) for names in twins[:_SHOWN])
        log.warning(
            "%s: classes that differ in case or width alone are classes of their own: %s%s; write"
            " them alike if they are one",
            path, named, ", …" if len(twins) > _SHOWN else "",
        )  # fmt: skip


def row_text(row: dict[str, Any], column: str, where: str, path: Path, before: int = 1) -> str:
    """Return the text of a cell.

    Raises:
        InputError: The column is missing, or the cell is empty or no text.
    """
    if column not in row:
        raise InputError(
            f"{where if before else path}: no column {column!r}{nearest(column, list(row))}"
        )
    text = text_cell(row[column], where, column)
    if text is None or is_empty(text):
        raise InputError(f"{where}: an empty {column}; give it, or leave the row out")
    return text


def located_rows(path: Path, batch: int = BATCH) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield rows with their places, such as `FILE row 3`.

    Of a corpus, the accepted rows; in a `.txt` file, each line is a text.
    """
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
    """Yield the lines that are not blank, with their numbers."""
    for number, line in enumerate(text_lines(path), 1):
        if line.strip():
            yield {LINE: number, "text": line.rstrip("\n")}


def _rows(path: Path, batch: int) -> Iterator[list[dict[str, Any]]]:
    """Yield batches of rows; of a corpus, its accepted ones."""
    if not (path / MANIFEST).is_file():
        yield from read_rows(path, batch=batch)
        return
    for part in load_corpus(path).batches(size=batch):
        yield part.to_pylist()
