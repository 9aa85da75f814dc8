"""Read rows of a file or folder in batches, with errors that name the row."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd.errors import InputError
from synthkd.rows.arrow import arrow_values
from synthkd.rows.cells import text_cell
from synthkd.rows.checks import Rows, first_line, in_batches, require_columns
from synthkd.rows.documents import TEXT_SUFFIXES, document_rows, text_files
from synthkd.rows.formats import csv_rows, jsonl_rows, parquet_batches, parquet_rows, yaml_rows

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 2048
FORMATS = ".csv, .tsv, .jsonl, .parquet, .yaml, .txt, .md, .rst"


def read_rows(path: Path, columns: list[str] | None = None, batch: int = BATCH) -> Iterator[Rows]:
    """Read batches of rows as dicts.

    A cell with NaN is None, as an empty cell is; bytes that are UTF-8 are text. A cell that has no
    value in Python is an `UnreadableCell`. Use `text_cell` for the text of a cell.

    Args:
        path: A file, or a folder: its Parquet files in the order of their names, or else the text
            files in and below it, whose ``document_id`` is the path from the folder.
        columns: Columns to read; None reads all.
        batch: Rows of a batch at most.

    Raises:
        InputError: If a file is missing, broken, not UTF-8, or lacks a column or has it twice.
    """
    files = _files(path)
    if files[0].suffix.lower() in TEXT_SUFFIXES:
        yield from document_rows(path, files, columns, batch)
        return
    for file in files:
        suffix = file.suffix.lower()
        if suffix == ".parquet":
            yield from parquet_rows(file, columns, batch)
        elif suffix in (".csv", ".tsv"):
            yield from in_batches(csv_rows(file, columns, "\t" if suffix == ".tsv" else ","), batch)
        elif suffix in (".jsonl", ".ndjson"):
            yield from in_batches(jsonl_rows(file, columns), batch)
        elif suffix in (".yaml", ".yml"):
            yield from in_batches(yaml_rows(file, columns), batch)
        else:
            raise InputError(f"{file}: unknown format {suffix!r}; known are {FORMATS}")


def read_tables(
    path: Path, columns: list[str], batch: int = BATCH, also: Sequence[str] = ()
) -> Iterator[pa.Table]:
    """Read rows as Arrow tables of one schema; see `read_rows`.

    Args:
        path: A file or folder.
        columns: Columns that must be there; they become texts, null if a cell is empty.
        batch: Rows of a table at most.
        also: Columns of other formats than Parquet to read as texts, if they are there. Of Parquet,
            all other columns are read unchanged.
    """
    import pyarrow as pa

    schema = None
    for file in _files(path):
        for part in _table_parts(file, columns, batch, also):
            schema = schema or part.schema
            try:
                yield part.select(schema.names).cast(schema)
            except (pa.ArrowException, KeyError) as error:
                raise InputError(
                    f"{file}: columns or types change on the way: {first_line(error)}"
                ) from None


def _table_parts(
    file: Path, columns: list[str], batch: int, also: Sequence[str]
) -> Iterator[pa.Table]:
    import pyarrow as pa

    rows_before = 0
    if file.suffix.lower() == ".parquet":
        for part in parquet_batches(file, None, batch, columns):
            table = pa.Table.from_batches([part])
            for name in columns:
                if not pa.types.is_string(part.schema.field(name).type):
                    values = arrow_values(part.column(name), str(file), name, rows_before + 1)
                    texts = pa.array(_texts(values, file, rows_before, name), pa.string())
                    table = table.set_column(part.schema.get_field_index(name), name, texts)
            rows_before += len(part)
            yield table
        return
    optional: list[str] | None = None
    for rows in read_rows(file, None if also else columns, batch):
        for number, row in enumerate(rows, rows_before + 1):
            if not all(name in row for name in columns):
                require_columns(f"{file} row {number}" if number > 1 else file, columns, list(row))
        here = [name for name in also if name not in columns and any(name in row for row in rows)]
        optional = here if optional is None else optional
        if late := [name for name in here if name not in optional]:
            raise InputError(
                f"{file}: {late[0]!r} begins after row {rows_before}; give it from the first row"
                " on, as null"
            )
        names = [*columns, *optional]
        texts = {
            name: _texts([row.get(name) for row in rows], file, rows_before, name) for name in names
        }
        rows_before += len(rows)
        yield pa.table(texts, pa.schema([(name, pa.string()) for name in names]))


def _texts(values: list[Any], file: Path, rows_before: int, name: str) -> list[str | None]:
    return [
        text_cell(value, f"{file} row {number}", name)
        for number, value in enumerate(values, rows_before + 1)
    ]


def _files(path: Path) -> list[Path]:
    """Return the files that a path stands for."""
    try:
        if path.is_symlink() and not path.exists():
            raise InputError(f"{path}: a link to {os.readlink(path)!r}, which is not there")
        if not path.exists():
            raise InputError(f"{_shortened(path)}: no such file")
        if not path.is_dir():
            if not path.is_file():
                raise InputError(
                    f"{path}: not a file, but a pipe or a device; write the rows to a file"
                )
            return [path]
        # Another run reads the accepted rows of a corpus.
        files = sorted(path.glob("data/accepted-*.parquet")) or sorted(path.glob("*.parquet"))
        files = files or text_files(path)
    except (OSError, RuntimeError) as error:
        problem = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{_shortened(path)}: not readable: {problem}") from None
    if not files:
        suffixes = ", ".join(TEXT_SUFFIXES)
        raise InputError(
            f"{path}: no Parquet files in this folder, and no text files ({suffixes}) below it"
        )
    return files


def _shortened(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 300 else f"{text[:300]} …"
