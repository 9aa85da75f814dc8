"""Rows of a corpus, chosen by split, condition and columns: to show them, or to write a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd.corpora.read import Corpus, load_corpus
from synthkd.corpora.where import condition
from synthkd.errors import InputError, nearest
from synthkd.recipe import Recipe
from synthkd.reporting.safe_text import csv_line, json_text, raw_stream, to_cell
from synthkd.storage import storage_errors

if TYPE_CHECKING:
    import pyarrow as pa

#: Formats that `export` writes.
FORMATS = ("csv", "jsonl", "parquet")
#: The path that stands for standard output.
STDOUT = Path("-")


@dataclass(frozen=True)
class RowChoice:
    """The rows and columns that a user asks for.

    Attributes:
        splits: `accepted`, `rejected` or both.
        where: A condition as in SQL.
        columns: Names of columns; None for all.
        limit: Rows at most.
    """

    splits: tuple[str, ...] = ("accepted",)
    where: str | None = None
    columns: tuple[str, ...] | None = None
    limit: int | None = None


def corpus_at(path: Path) -> Corpus:
    """Open a corpus, or the corpus of a recipe."""
    if path.suffix in (".yaml", ".yml") and path.is_file():
        path = Recipe.load(path).corpus_path
    return load_corpus(path)


def chosen_batches(corpus: Corpus, choice: RowChoice) -> Iterator[pa.RecordBatch]:
    """Yield the chosen rows, batch by batch.

    Raises:
        InputError: The condition cannot be read, or a column is unknown.
    """
    schema = corpus.schema(choice.splits[0])
    for name in choice.columns or ():
        if name not in schema.names:
            raise InputError(f"--columns: no column {name!r}{nearest(name, list(schema.names))}")
    kept = None if choice.where is None else condition(choice.where, schema)
    left = choice.limit
    columns = list(choice.columns or schema.names)
    for split in choice.splits:
        for batch in _kept_batches(corpus, split, columns, kept):
            part = batch if left is None else batch.slice(0, left)
            left = None if left is None else left - part.num_rows
            if part.num_rows:
                yield part
            if left == 0:
                return


def _kept_batches(
    corpus: Corpus, split: str, columns: list[str], kept: Any
) -> Iterator[pa.RecordBatch]:
    """Yield columns of the rows of a split, with their provenance, that keep to a condition."""
    import pyarrow as pa

    if kept is None:
        yield from corpus.batches(split, columns)
        return
    for batch in corpus.batches(split):
        yield from pa.Table.from_batches([batch]).filter(kept).select(columns).to_batches()


def chosen_rows(corpus: Corpus, choice: RowChoice) -> list[dict[str, Any]]:
    """Return the chosen rows."""
    return [row for batch in chosen_batches(corpus, choice) for row in batch.to_pylist()]


def export_rows(
    corpus: Corpus, choice: RowChoice, out: Path, format_: str | None = None, formulas: bool = False
) -> int:
    """Write the chosen rows as CSV, JSON lines or Parquet, and return their number.

    Args:
        corpus: The corpus.
        choice: The rows and columns.
        out: A file that does not exist yet, or `-` for standard output.
        format_: One of `FORMATS`. Default: what the file's name says; JSON lines on standard
            output.
        formulas: Write texts that a spreadsheet takes for formulas as they are.

    Raises:
        InputError: Unknown format, or the file exists.
    """
    is_stream = out == STDOUT
    name = format_ or ("jsonl" if is_stream else out.suffix.lower().lstrip("."))
    if name not in FORMATS:
        raise InputError(
            f"{out}: unknown format {name!r}; name a file that ends in .csv, .jsonl or .parquet, or"
            " add --format"
        )
    batches = chosen_batches(corpus, choice)
    columns = list(choice.columns or corpus.schema(choice.splits[0]).names)
    if is_stream:
        if name == "parquet":
            raise InputError("Parquet cannot go to standard output; name a file with --out")
        # Exact in a pipe, clean on a terminal.
        stream = sys.stdout if sys.stdout.isatty() else raw_stream(sys.stdout)
        return _write_text(stream, batches, columns, name, formulas)
    if out.exists():
        raise InputError(f"{out} already exists; name another file, or remove it")
    if not out.parent.is_dir():
        raise InputError(f"{out}: no such folder {str(out.parent)!r}; make it first")
    # The condition and the columns are checked before the file is made.
    first = next(batches, None)
    with storage_errors(out):
        if name == "parquet":
            return _write_parquet(out, first, batches, corpus, choice, columns)
        with out.open("w", encoding="utf-8", newline="") as file:
            return _write_text(file, _again(first, batches), columns, name, formulas)


def _again(first: pa.RecordBatch | None, others: Iterator[pa.RecordBatch]) -> Iterator[Any]:
    if first is not None:
        yield first
    yield from others


def _write_text(
    file: Any, batches: Iterator[pa.RecordBatch], columns: list[str], name: str, formulas: bool
) -> int:
    count = 0
    if name == "csv":
        file.write(csv_line(columns))
    for batch in batches:
        for row in batch.to_pylist():
            count += 1
            if name == "csv":
                cells = ("" if row[one] is None else to_cell(str(row[one]), formulas)
                         for one in columns)  # fmt: skip
                file.write(csv_line(cells))
            else:
                file.write(f"{json_text(row)}\n")
    file.flush()
    return count


def _write_parquet(
    out: Path,
    first: pa.RecordBatch | None,
    others: Iterator[pa.RecordBatch],
    corpus: Corpus,
    choice: RowChoice,
    columns: list[str],
) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    full = corpus.schema(choice.splits[0])
    schema = pa.schema([full.field(name) for name in columns])
    count = 0
    with pq.ParquetWriter(out, schema) as writer:
        for batch in _again(first, others):
            writer.write_batch(batch.cast(schema))
            count += batch.num_rows
    return count
