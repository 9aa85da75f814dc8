"""Rows of CSV, JSONL, YAML and Parquet files."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd import safeyaml
from synthkd.errors import InputError
from synthkd.reporting.safe_text import from_cell
from synthkd.rows.arrow import arrow_values
from synthkd.rows.checks import (
    Rows,
    first_line,
    reading_errors,
    refuse_duplicates,
    require_columns,
    text_lines,
)
from synthkd.rows.class_labels import class_labels, replace_class_numbers
from synthkd.rows.corpus_files import CorpusFile

if TYPE_CHECKING:
    import pyarrow as pa

#: Characters of a CSV cell at most; in a longer one a quotation mark is missing. Python's own limit
#: is 131,072.
_LONGEST_CELL = 1 << 27
#: Depth of nested lists and objects at most, since whatever reads them calls itself for each level.
_DEEPEST = 100


# CSV


def csv_rows(path: Path, columns: list[str] | None, delimiter: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a CSV file whose first line names its columns."""
    allow_long_cells()
    line = 1
    reader = csv.reader(text_lines(path, newline=""), delimiter=delimiter, strict=True)
    try:
        names = next((row for row in reader if row), [])
        if not names:
            raise InputError(f"{path}: empty; a first line with column names is needed")
        if len(names) == 1 and (other := next((mark for mark in ";\t|" if mark in names[0]), None)):
            raise InputError(
                f"{path}: its columns are divided by {other!r}, not by {delimiter!r}; save it with"
                " commas, or as .tsv with tabs"
            )
        require_columns(path, columns, names)
        refuse_duplicates(f"{path} line {reader.line_num}", names, columns)
        unnamed = (
            [place for place, name in enumerate(names) if not name] if names.count("") > 1 else []
        )
        line = reader.line_num + 1
        for row in reader:
            if not row:
                line = reader.line_num + 1
                continue
            if len(row) != len(names):
                problem = "more fields" if len(row) > len(names) else "fewer fields"
                raise InputError(f"{path} line {line}: {problem} than the header's {len(names)}")
            if any(row[place].strip() for place in unnamed):
                raise InputError(
                    f"{path} line {line}: a cell of a column without a name; name it in the header"
                )
            cells = dict(zip(names, row, strict=True))
            yield {name: from_cell(cells[name]) for name in columns or cells}
            line = reader.line_num + 1
    except csv.Error as error:
        endless = "field limit" in str(error) or "unexpected end of data" in str(error)
        problem = "a cell has no end: a quotation mark is missing" if endless else str(error)
        raise InputError(f"{path} line {line}: not valid CSV: {problem}") from None


def allow_long_cells() -> None:
    """Let Python's CSV reader take cells that hold documents.

    The limit is one for the whole process, and readers take turns, so it is only ever raised.
    """
    if csv.field_size_limit() < _LONGEST_CELL:
        csv.field_size_limit(_LONGEST_CELL)


# JSONL


def jsonl_rows(path: Path, columns: list[str] | None) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file with one JSON object a line."""
    for number, line in enumerate(text_lines(path), 1):
        if not line.strip():
            continue
        place = f"{path} line {number}"
        row = _parse_json(place, line)
        if not isinstance(row, dict):
            raise InputError(f"{place}: a JSON object is needed on each line")
        if columns is not None:
            if not all(name in row for name in columns):
                require_columns(place, columns, list(row))
            row = {name: row[name] for name in columns}
        if "NaN" in line:
            row = {name: None if value != value else value for name, value in row.items()}
        yield row


class _DuplicateKeyError(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        name = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise _DuplicateKeyError(f"the key {name!r} stands in one object twice; leave one out")
    return row


# Made once: `json.loads` would make one for each line.
_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _parse_json(place: str, line: str) -> Any:
    try:
        if line.count("[") + line.count("{") > _DEEPEST and _depth(line) > _DEEPEST:
            raise InputError(f"{place}: lists and objects are nested deeper than {_DEEPEST}")
        row = _DECODER.decode(line)
        return _without_lone_surrogates(row) if "\\ud" in line or "\\uD" in line else row
    except _DuplicateKeyError as error:
        raise InputError(f"{place}: {error}") from None
    except ValueError as error:
        problem = "a number of more than 4,300 digits" if "integer string" in str(error) else error
        raise InputError(f"{place}: not valid JSON: {problem}") from None


def _depth(text: str) -> int:
    """Return an upper bound of a JSON text's depth; brackets inside of strings are left out."""
    depth = deepest = 0
    for part in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', text):
        depth += (part[0] in "[{") - (part[0] in "]}")
        deepest = max(deepest, depth)
    return deepest


def _without_lone_surrogates(row: Any) -> Any:
    """Replace lone surrogates, which no file can hold, as the journal does."""
    text = json.dumps(row, ensure_ascii=False).encode("utf-16", "surrogatepass")
    return json.loads(text.decode("utf-16", "replace"))


# YAML


def yaml_rows(path: Path, columns: list[str] | None) -> Iterator[dict[str, Any]]:
    """Yield the mappings of a YAML list: a small file that people write, such as a taxonomy."""
    try:
        with reading_errors(path):
            rows = safeyaml.read_yaml(path)
    except safeyaml.YamlError as error:
        raise InputError(f"{path}{error.where}: {error}") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path}: a list of mappings is needed, one for each row")
    for number, row in enumerate(rows, 1):
        for name in row:
            if not isinstance(name, str):
                raise InputError(f"{path} row {number}: the key {name!r} is no text; quote it")
        require_columns(path, columns, list(row))
        yield {name: None if row[name] != row[name] else row[name] for name in columns or row}


# Parquet


def parquet_rows(path: Path, columns: list[str] | None, batch: int) -> Iterator[Rows]:
    """Yield batches of rows of a Parquet file."""
    rows_before = 0
    for part in parquet_batches(path, columns, batch, columns):
        names = part.schema.names
        values = [
            arrow_values(column, str(path), name, rows_before + 1)
            for name, column in zip(names, part.columns, strict=True)
        ]
        yield [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)] or [
            {}
        ] * len(part)
        rows_before += len(part)


def parquet_batches(
    path: Path, columns: list[str] | None, batch: int, required: list[str] | None
) -> Iterator[pa.RecordBatch]:
    """Yield Arrow batches of a Parquet file, class numbers replaced by names.

    A file of a corpus has its provenance too.

    Args:
        path: The file.
        columns: Columns to read; None reads all.
        batch: Rows of a batch.
        required: Columns that the file must have once.
    """
    import pyarrow as pa

    try:
        with CorpusFile.open(path) as file:
            schema = file.schema
            require_columns(path, required, schema.names)
            refuse_duplicates(path, schema.names, required)
            labels, rows_before = class_labels(schema), 0
            for part in file.batches(columns, batch):
                yield replace_class_numbers(part, labels, path, rows_before) if labels else part
                rows_before += len(part)
    except (pa.ArrowException, OSError, ValueError) as error:  # A column's name may not be UTF-8.
        raise InputError(f"{path}: not readable as Parquet: {first_line(error)}") from None
