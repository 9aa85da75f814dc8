"""Read rows from CSV, JSONL, Parquet or text files, a batch at a time, with errors that name the row."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd.display import from_cell
from synthkd.errors import InputError, nearest

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 2048
Rows = list[dict[str, Any]]
FORMATS = ".csv, .tsv, .jsonl, .parquet, .yaml, .txt, .md, .rst"
#: A file of text is one row: ``document_id`` and ``text``.
TEXTS = (".txt", ".md", ".rst")
#: Characters of text files that a batch holds, about.
_TEXT_BATCH = 1 << 22


def read_rows(path: Path, columns: list[str] | None = None, batch: int = BATCH) -> Iterator[Rows]:
    """Batches of rows as dicts. A folder stands for its Parquet files in the order of their names, or else for the text
    files in it and in the folders below; a text's ``document_id`` is its path from there.

    Raises `InputError` for a file that is missing, broken, not UTF-8 or lacks a column.
    """
    files = _files(path)
    if files[0].suffix.lower() in TEXTS:
        yield from _texts(path, files, columns, batch)
        return
    for file in files:
        suffix = file.suffix.lower()
        if suffix == ".parquet":
            yield from _parquet(file, columns, batch)
        elif suffix in (".csv", ".tsv"):
            yield from _grouped(_csv(file, columns, "\t" if suffix == ".tsv" else ","), batch)
        elif suffix in (".jsonl", ".ndjson"):
            yield from _grouped(_jsonl(file, columns), batch)
        elif suffix in (".yaml", ".yml"):
            yield from _grouped(_yaml(file, columns), batch)
        else:
            raise InputError(f"{file}: unknown format {suffix!r}; known are {FORMATS}")


def read_tables(path: Path, columns: list[str], batch: int = BATCH) -> Iterator[pa.Table]:
    """As `read_rows`, in Arrow tables: a Parquet file's rows never become Python objects. All have one schema."""
    import pyarrow as pa

    schema = None
    for file in _files(path):
        if file.suffix.lower() == ".parquet":
            parts = (pa.Table.from_batches([part]) for part in _batches(file, None, batch, columns))
        else:
            parts = (pa.Table.from_pylist(rows) for rows in read_rows(file, columns, batch))
        for part in parts:
            schema = schema or part.schema
            try:
                yield part.select(schema.names).cast(schema)
            except (pa.ArrowInvalid, KeyError) as error:
                raise InputError(f"{file}: columns or types change on the way: {error}") from None


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if not path.is_dir():
        return [path]
    # In a corpus, what was accepted is what another run reads.
    files = sorted(path.glob("data/accepted-*.parquet")) or sorted(path.glob("*.parquet"))
    files = files or text_files(path)
    if not files:
        raise InputError(
            f"{path}: no Parquet files in this folder, and no text files ({', '.join(TEXTS)}) below it"
        )
    return files


def text_files(path: Path) -> list[Path]:
    """The text files in a folder and below, without hidden ones, in the order of their paths."""
    return sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() in TEXTS
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )


def _texts(path: Path, files: list[Path], columns: list[str] | None, batch: int) -> Iterator[Rows]:
    """A row for each file; a batch ends early where texts are long."""
    group: Rows = []
    size = 0
    for file in files:
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        row = {"document_id": name, "text": read_text(file)}
        _need(file, columns, list(row))
        group.append({column: row[column] for column in columns or row})
        size += len(row["text"])
        if len(group) == batch or size > _TEXT_BATCH:
            yield group
            group, size = [], 0
    if group:
        yield group


def read_text(path: Path) -> str:
    """A file of text as it stands, line ends included. Raises `InputError` for one that is empty or no UTF-8 text."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: not readable: {error.strerror}") from None
    if (place := text.find("\0")) >= 0:
        raise InputError(f"{path}: binary, not text (a zero byte at {place})")
    if not text.strip():
        raise InputError(f"{path}: empty; leave the file out")
    return text


def _need(path: Path, columns: list[str] | None, found: list[str]) -> None:
    for column in columns or []:
        if column not in found:
            raise InputError(f"{path}: no column {column!r}{nearest(column, found)}")


def _parquet(path: Path, columns: list[str] | None, batch: int) -> Iterator[Rows]:
    for part in _batches(path, columns, batch, columns):
        yield part.to_pylist()


def _batches(
    path: Path, columns: list[str] | None, batch: int, needed: list[str] | None
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            _need(path, needed, file.schema_arrow.names)
            yield from file.iter_batches(batch_size=batch, columns=columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not readable as Parquet: {str(error).splitlines()[0]}") from None


def _csv(path: Path, columns: list[str] | None, delimiter: str) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter, strict=True)
            names = list(reader.fieldnames or [])
            if not names:
                raise InputError(f"{path}: empty; a first line with column names is needed")
            _need(path, columns, names)
            for row in reader:
                if None in row or None in row.values():
                    raise InputError(
                        f"{path} line {reader.line_num}: {_width(row)} than the header's {len(names)}"
                    )
                yield {name: from_cell(row[name]) for name in columns or names}
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{path} line {reader.line_num}: not valid CSV: {error}") from None


def _width(row: dict[Any, Any]) -> str:
    return "more fields" if None in row else "fewer fields"


def _jsonl(path: Path, columns: list[str] | None) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                    if "\\ud" in line or "\\uD" in line:
                        row = _whole(row)
                except ValueError as error:
                    raise InputError(f"{path} line {number}: not valid JSON: {error}") from None
                if not isinstance(row, dict):
                    raise InputError(f"{path} line {number}: a JSON object is needed on each line")
                _need(path, columns, list(row))
                yield {name: row[name] for name in columns or row}
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None


def _whole(row: Any) -> Any:
    """A row in which half of a surrogate pair, which no file can hold, is a replacement character, as in the journal."""
    text = json.dumps(row, ensure_ascii=False).encode("utf-16", "surrogatepass")
    return json.loads(text.decode("utf-16", "replace"))


def _yaml(path: Path, columns: list[str] | None) -> Iterator[dict[str, Any]]:
    """A list of mappings: small files that people write, such as a taxonomy."""
    from synthkd import safeyaml

    try:
        rows = safeyaml.read(path)
    except safeyaml.YamlError as error:
        raise InputError(f"{path}{error.where}: {error}") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path}: a list of mappings is needed, one for each row")
    for row in rows:
        _need(path, columns, list(row))
        yield {name: row[name] for name in columns or row}


def _grouped(rows: Iterator[dict[str, Any]], batch: int) -> Iterator[Rows]:
    group: Rows = []
    for row in rows:
        group.append(row)
        if len(group) == batch:
            yield group
            group = []
    if group:
        yield group
