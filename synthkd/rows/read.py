"""Read rows from CSV, JSONL, Parquet or text files, a batch at a time, with errors that name the row."""

from __future__ import annotations

import csv
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd.errors import InputError, nearest
from synthkd.reporting.safe_text import from_cell
from synthkd.rows.cells import arrow_values, text_cell
from synthkd.rows.class_labels import class_labels, named

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 2048
Rows = list[dict[str, Any]]
FORMATS = ".csv, .tsv, .jsonl, .parquet, .yaml, .txt, .md, .rst"
#: A file of text is one row: ``document_id`` and ``text``.
TEXTS = (".txt", ".md", ".rst")
#: Characters of text files that a batch holds, about.
_TEXT_BATCH = 1 << 22
#: Characters of a cell in CSV at most: with more, a quotation mark is missing. Python's own limit is 131,072.
_LONGEST_CELL = 1 << 27
#: How deep lists and objects of a row may be nested: what reads them all goes down one call for each.
_DEEPEST = 100


def read_rows(path: Path, columns: list[str] | None = None, batch: int = BATCH) -> Iterator[Rows]:
    """Read batches of rows as dicts. A folder stands for its Parquet files in the order of their names, or else for the text
    files in it and in the folders below; a text's ``document_id`` is its path from there.

    A cell with NaN is None, as an empty one is; bytes that are UTF-8 are text. What has no value in Python is an
    `Unread`, which matters only where it is used; `text_cell` makes text of a cell.

    Raises `InputError` for a file that is missing, broken, not UTF-8, lacks a column or has it twice.
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


def read_tables(
    path: Path, columns: list[str], batch: int = BATCH, also: Sequence[str] = ()
) -> Iterator[pa.Table]:
    """Read as `read_rows` does, into Arrow tables whose ``columns`` are text (null where a cell is empty). Parquet brings its
    other columns along as they are, other formats those of ``also`` that they have, as text. All tables have one schema."""
    import pyarrow as pa

    schema = None
    for file in _files(path):
        for part in _table_parts(file, columns, batch, also):
            schema = schema or part.schema
            try:
                yield part.select(schema.names).cast(schema)
            except (pa.ArrowException, KeyError) as error:
                raise InputError(
                    f"{file}: columns or types change on the way: {_first_line(error)}"
                ) from None


def _table_parts(file: Path, columns: list[str], batch: int, also: Sequence[str]) -> Iterator[pa.Table]:
    import pyarrow as pa

    done = 0
    if file.suffix.lower() == ".parquet":
        for part in _batches(file, None, batch, columns):
            table = pa.Table.from_batches([part])
            for name in columns:
                if not pa.types.is_string(part.schema.field(name).type):
                    values = arrow_values(part.column(name), str(file), name, done + 1)
                    texts = pa.array(_texts_of(values, file, done, name), pa.string())
                    table = table.set_column(part.schema.get_field_index(name), name, texts)
            done += len(part)
            yield table
        return
    taken: list[str] | None = None
    for rows in read_rows(file, None if also else columns, batch):
        for number, row in enumerate(rows, done + 1):
            if not all(name in row for name in columns):
                _need(Path(f"{file} row {number}") if number > 1 else file, columns, list(row))
        here = [name for name in also if name not in columns and any(name in row for row in rows)]
        taken = here if taken is None else taken
        if late := [name for name in here if name not in taken]:
            raise InputError(
                f"{file}: {late[0]!r} begins after row {done}; give it from the first row on, as null"
            )
        names = [*columns, *taken]
        found = {name: _texts_of([row.get(name) for row in rows], file, done, name) for name in names}
        done += len(rows)
        yield pa.table(found, pa.schema([(name, pa.string()) for name in names]))


def _texts_of(values: list[Any], file: Path, done: int, name: str) -> list[str | None]:
    return [text_cell(value, f"{file} row {done + number}", name) for number, value in enumerate(values, 1)]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _files(path: Path) -> list[Path]:
    try:
        if path.is_symlink() and not path.exists():
            raise InputError(f"{path}: a link to {os.readlink(path)!r}, which is not there")
        if not path.exists():
            raise InputError(f"{_short(path)}: no such file")
        if not path.is_dir():
            if not path.is_file():
                raise InputError(f"{path}: not a file, but a pipe or a device; write the rows to a file")
            return [path]
        # In a corpus, what was accepted is what another run reads.
        files = sorted(path.glob("data/accepted-*.parquet")) or sorted(path.glob("*.parquet"))
        files = files or text_files(path)
    except (OSError, RuntimeError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{_short(path)}: not readable: {said}") from None
    if not files:
        raise InputError(
            f"{path}: no Parquet files in this folder, and no text files ({', '.join(TEXTS)}) below it"
        )
    return files


def _short(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 300 else f"{text[:300]} …"


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Put errors of opening and decoding a text file into ours, with the line of a wrong byte."""
    try:
        yield
    except UnicodeDecodeError:
        raise InputError(f"{path}{_not_utf8(path)}; save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: not readable: {error.strerror or error}") from None


def _not_utf8(path: Path) -> str:
    """The line and byte of a file where it is not UTF-8, in words."""
    start = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):
                return ": UTF-16, not UTF-8"
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return f" line {number}: not UTF-8 (byte {start + error.start})"
            start += len(line)
    return ": not UTF-8"


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
        # The bytes of a name need not be UTF-8.
        name = os.fsencode(name).decode("utf-8", "replace")
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
    with _reading(path):
        text = path.read_bytes().decode("utf-8-sig")
    if (place := text.find("\0")) >= 0:
        raise InputError(f"{path}: binary, not text (a zero byte at {place})")
    if not text.strip():
        raise InputError(f"{path}: empty; leave the file out")
    return text


def _need(path: Path, columns: list[str] | None, found: list[str]) -> None:
    for column in columns or []:
        if column not in found:
            raise InputError(f"{path}: no column {column!r}{nearest(column, found)}")


def _refuse_twice(place: str, names: Sequence[str], columns: list[str] | None) -> None:
    """Refuse columns of one name, of which one would hide the other: a join went wrong."""
    for name, count in Counter(names).items():
        if count > 1 and name and (columns is None or name in columns):
            raise InputError(f"{place}: two columns have the name {name!r}; rename one or leave it out")


def _parquet(path: Path, columns: list[str] | None, batch: int) -> Iterator[Rows]:
    done = 0
    for part in _batches(path, columns, batch, columns):
        names = part.schema.names
        values = [
            arrow_values(column, str(path), name, done + 1)
            for name, column in zip(names, part.columns, strict=True)
        ]
        yield [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)] or [{}] * len(part)
        done += len(part)


def _batches(
    path: Path, columns: list[str] | None, batch: int, needed: list[str] | None
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            _need(path, needed, file.schema_arrow.names)
            _refuse_twice(str(path), file.schema_arrow.names, needed)
            labels, done = class_labels(file.schema_arrow), 0
            for part in file.iter_batches(batch_size=batch, columns=columns):
                yield named(part, labels, path, done) if labels else part
                done += len(part)
    except (pa.ArrowException, OSError, ValueError) as error:  # A name of a column may be no UTF-8.
        raise InputError(f"{path}: not readable as Parquet: {_first_line(error)}") from None


def _csv(path: Path, columns: list[str] | None, delimiter: str) -> Iterator[dict[str, Any]]:
    allow_long_cells()
    line = 1
    with _reading(path), path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(_without_zeros(path, file), delimiter=delimiter, strict=True)
        try:
            names = next((row for row in reader if row), [])
            if not names:
                raise InputError(f"{path}: empty; a first line with column names is needed")
            if len(names) == 1 and (other := next((mark for mark in ";\t|" if mark in names[0]), None)):
                raise InputError(
                    f"{path}: its columns are divided by {other!r}, not by {delimiter!r}; save it with commas, or as .tsv with tabs"
                )
            _need(path, columns, names)
            _refuse_twice(f"{path} line {reader.line_num}", names, columns)
            unnamed = [place for place, name in enumerate(names) if not name] if names.count("") > 1 else []
            line = reader.line_num + 1
            for row in reader:
                if not row:
                    line = reader.line_num + 1
                    continue
                if len(row) != len(names):
                    what = "more fields" if len(row) > len(names) else "fewer fields"
                    raise InputError(f"{path} line {line}: {what} than the header's {len(names)}")
                if any(row[place].strip() for place in unnamed):
                    raise InputError(
                        f"{path} line {line}: a cell of a column without a name; name it in the header"
                    )
                cells = dict(zip(names, row, strict=True))
                yield {name: from_cell(cells[name]) for name in columns or cells}
                line = reader.line_num + 1
        except csv.Error as error:
            said = "a cell has no end: a quotation mark is missing" if _endless(error) else error
            raise InputError(f"{path} line {line}: not valid CSV: {said}") from None


def allow_long_cells() -> None:
    """Let Python's CSV reader take cells of documents. The limit is one for the whole process, and readers take turns: it is
    only ever raised."""
    if csv.field_size_limit() < _LONGEST_CELL:
        csv.field_size_limit(_LONGEST_CELL)


def _endless(error: csv.Error) -> bool:
    return "field limit" in str(error) or "unexpected end of data" in str(error)


def _without_zeros(path: Path, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise InputError(f"{path} line {number}: a zero byte; this is no text, or not UTF-8")
        yield line


def _jsonl(path: Path, columns: list[str] | None) -> Iterator[dict[str, Any]]:
    with _reading(path), path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            row = _json(f"{path} line {number}", line)
            if not isinstance(row, dict):
                raise InputError(f"{path} line {number}: a JSON object is needed on each line")
            if columns is not None:
                if not all(name in row for name in columns):
                    _need(Path(f"{path} line {number}"), columns, list(row))
                row = {name: row[name] for name in columns}
            if "NaN" in line:
                row = {name: None if value != value else value for name, value in row.items()}
            yield row


class _Twice(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        name = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise _Twice(f"the key {name!r} stands in one object twice; leave one out")
    return found


#: Made once: `json.loads` makes one for each text.
_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _json(place: str, line: str) -> Any:
    try:
        if line.count("[") + line.count("{") > _DEEPEST and _depth(line) > _DEEPEST:
            raise InputError(f"{place}: lists and objects are nested deeper than {_DEEPEST}")
        row = _DECODER.decode(line)
        return _whole(row) if "\\ud" in line or "\\uD" in line else row
    except _Twice as error:
        raise InputError(f"{place}: {error}") from None
    except ValueError as error:
        said = "a number of more than 4,300 digits" if "integer string" in str(error) else error
        raise InputError(f"{place}: not valid JSON: {said}") from None


def _depth(text: str) -> int:
    """How deep a JSON text is nested, or more: brackets inside of strings are left out."""
    depth = deepest = 0
    for part in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', text):
        depth += (part[0] in "[{") - (part[0] in "]}")
        deepest = max(deepest, depth)
    return deepest


def _whole(row: Any) -> Any:
    """A row in which half of a surrogate pair, which no file can hold, is a replacement character, as in the journal."""
    text = json.dumps(row, ensure_ascii=False).encode("utf-16", "surrogatepass")
    return json.loads(text.decode("utf-16", "replace"))


def _yaml(path: Path, columns: list[str] | None) -> Iterator[dict[str, Any]]:
    """A list of mappings: small files that people write, such as a taxonomy."""
    from synthkd import safeyaml

    try:
        with _reading(path):
            rows = safeyaml.read(path)
    except safeyaml.YamlError as error:
        raise InputError(f"{path}{error.where}: {error}") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path}: a list of mappings is needed, one for each row")
    for number, row in enumerate(rows, 1):
        for name in row:
            if not isinstance(name, str):
                raise InputError(f"{path} row {number}: the key {name!r} is no text; quote it")
        _need(path, columns, list(row))
        yield {name: None if row[name] != row[name] else row[name] for name in columns or row}


def _grouped(rows: Iterator[dict[str, Any]], batch: int) -> Iterator[Rows]:
    group: Rows = []
    for row in rows:
        group.append(row)
        if len(group) == batch:
            yield group
            group = []
    if group:
        yield group
