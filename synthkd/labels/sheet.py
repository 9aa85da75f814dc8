"""The label sheet: a CSV file with one row for each verdict of each annotator.

A verdict is appended and synced before the next row is shown; undoing it truncates the file. A
partial row of a killed process is truncated when the sheet is opened. One process writes at a time.
Probabilities and weights depend on the final number of labels, so `weights.write_weights` fills
them in when a session ends, by replacing the file.
"""

from __future__ import annotations

import csv
import io
import os
import re
import stat
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from synthkd.errors import CriticError, StorageError
from synthkd.labels.candidates import NUMBERS, SIBLINGS, SOURCES, sheet_text
from synthkd.labels.verdicts import SPELLINGS, verdict_of
from synthkd.reporting.safe_text import csv_line, from_cell, to_cell
from synthkd.rows import allow_long_cells, read_rows, text_cell
from synthkd.storage import storage_errors, write_text

try:
    import fcntl
except ImportError:  # Windows: without this protection
    fcntl = None  # type: ignore[assignment]

#: Columns after `id`, the kind's columns and the numbers.
META = ("verdict", "annotator", "time", "chosen", "probability", "weight", "design", "why")
#: Columns that are added to a sheet when rows have them.
OPTIONAL = {*NUMBERS, *SIBLINGS, *SOURCES, "score"}
#: Columns whose numbers are written as numbers, also negative ones.
_NUMERIC = {*NUMBERS, *SIBLINGS, "score", "probability", "weight"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|nan)")
Record = dict[str, str]


class Sheet:
    """An open label sheet; ``records`` has all its rows as text. Use as a context manager."""

    def __init__(self, path: Path, columns: Sequence[str], formulas: bool = False) -> None:
        """Open a sheet, or create it.

        Args:
            path: The CSV file.
            columns: Columns that describe a row, besides `id` and `META`.
            formulas: Write formulas of spreadsheets unescaped.
        """
        self.formulas = formulas
        self.path = path
        self.columns = ["id", *columns, *META]
        self.records: list[Record] = []
        self._ends: list[int] = []
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Do not block on a pipe.
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o644)
        try:
            if not stat.S_ISREG(os.fstat(self._file).st_mode):
                raise StorageError(
                    f"{path}: not a file, but a pipe or a device; name another label sheet"
                )
            self._lock()
            self._read()
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Sheet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def append(self, record: Record) -> None:
        """Append a verdict and sync the file."""
        record = {name: str(record.get(name, "")) for name in self.columns}
        self._write(self._line(record))
        self.records.append(record)

    def undo(self, annotator: str) -> Record | None:
        """Remove and return the last verdict, if this annotator gave it."""
        if not self.records or self.records[-1]["annotator"] != annotator:
            return None
        self._ends.pop()
        with storage_errors(self.path):
            os.ftruncate(self._file, self._ends[-1])
            os.fsync(self._file)
        return self.records.pop()

    def rewrite(self) -> None:
        """Replace the file by one of all records, atomically."""
        lines = [_line(self.columns), *map(self._line, self.records)]
        write_text(self.path, b"".join(lines).decode("utf-8"))
        with storage_errors(self.path):
            os.close(self._file)
            self._file = os.open(self.path, os.O_RDWR)
        self._lock()
        self.records = []
        self._read()

    def first_records(self) -> dict[str, Record]:
        """Return the first record of each id, in the order of the file."""
        first: dict[str, Record] = {}
        for record in self.records:
            first.setdefault(record["id"], record)
        return first

    def labelled_by(self, annotator: str) -> set[str]:
        """Return the ids that an annotator labelled."""
        return {record["id"] for record in self.records if record["annotator"] == annotator}

    def _line(self, record: Record) -> bytes:
        return _line([self._cell(name, record[name]) for name in self.columns])

    def _cell(self, column: str, text: str) -> str:
        number = column in _NUMERIC and _NUMBER.fullmatch(text)
        return text if number else str(to_cell(text, self.formulas))

    def _lock(self) -> None:
        if fcntl is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise StorageError(
                    f"{self.path}: another process is labelling in this sheet; end it, or name"
                    " another sheet"
                ) from None

    def _read(self) -> None:
        with storage_errors(self.path):
            data = self.path.read_bytes()
        whole = _whole(data)
        if not whole:
            if data and not _line(self.columns).startswith(data):
                raise CriticError(f"{self.path}: this file is not a label sheet; name another one")
            self._cut(0)
            self._ends = []
            self._write(_line(self.columns))
            return
        allow_long_cells()
        try:
            rows = list(csv.reader(io.StringIO(whole.decode("utf-8-sig"), newline=""), strict=True))
        except (UnicodeDecodeError, csv.Error) as error:
            raise CriticError(f"{self.path}: not a CSV file in UTF-8 ({error})") from None
        new = self._new_columns(rows[0])
        self._cut(len(whole))
        self._ends = _ends(whole)
        for number, row in enumerate(rows[1:], 2):
            if len(row) != len(self.columns):
                raise CriticError(
                    f"{self.path} row {number}: {len(row)} fields, the header has"
                    f" {len(self.columns)}"
                )
            record = dict(zip(self.columns, map(from_cell, row), strict=True))
            if not verdict_of(record["verdict"]):
                raise CriticError(
                    f"{self.path} row {number}: verdict {record['verdict']!r} is none; write"
                    f" {SPELLINGS}"
                )
            self.records.append(record)
        if new:
            self.columns = [*self.columns, *new]
            self.records = [dict.fromkeys(new, "") | record for record in self.records]
            self.rewrite()

    def _new_columns(self, header: list[str]) -> list[str]:
        """Return columns that the sheet lacks, such as a score that was added later."""
        new = [name for name in self.columns if name not in header]
        missing = [name for name in new if name not in OPTIONAL]
        if missing:
            raise CriticError(
                f"{self.path}: no column {missing[0]!r}, so nothing can be added to this sheet;"
                " name another one"
            )
        self.columns = header
        return new

    def _cut(self, size: int) -> None:
        with storage_errors(self.path):
            if os.fstat(self._file).st_size > size:
                os.ftruncate(self._file, size)
                os.fsync(self._file)

    def _write(self, line: bytes) -> None:
        end = self._ends[-1] if self._ends else 0
        with storage_errors(self.path):
            try:
                os.lseek(self._file, end, os.SEEK_SET)
                written = 0
                while written < len(line):
                    written += os.write(self._file, line[written:])
                os.fsync(self._file)
            except OSError:
                os.ftruncate(self._file, end)
                raise
        self._ends.append(end + len(line))


def is_sheet(path: Path) -> bool:
    """Return whether a file has a column of verdicts."""
    if not path.is_file():
        return False
    return any("verdict" in row for rows in read_rows(path, batch=1) for row in rows[:1])


def read_sheet(path: Path) -> list[Record]:
    """Read the labelled rows of a sheet in CSV, JSONL or Parquet, as text.

    Raises:
        CriticError: For an unknown verdict, or a row without an id.
    """
    records: list[Record] = []
    number = 0
    for rows in read_rows(path):
        for row in rows:
            number += 1
            cell = row.get("verdict", row.get("label"))
            verdict = verdict_of(cell)
            if verdict is None:
                raise CriticError(f"{path} row {number}: {cell!r} is no verdict; write {SPELLINGS}")
            for name in ("id", "annotator"):
                row[name] = text_cell(row.get(name), f"{path} row {number}", name) or ""
            if not row["id"]:
                raise CriticError(
                    f"{path} row {number}: no `id`; annotators are compared by the ids of rows"
                )
            if verdict:
                text = {name: sheet_text(value) for name, value in row.items()}
                records.append(dict.fromkeys(META, "") | text | {"verdict": verdict})
    return records


def votes_by_row(records: Iterable[Record]) -> dict[str, dict[str, str]]:
    """Return row -> annotator -> verdict; an annotator's later verdict replaces an earlier one."""
    votes: dict[str, dict[str, str]] = {}
    for record in records:
        votes.setdefault(record["id"], {})[record["annotator"]] = record["verdict"]
    return votes


def timestamp() -> str:
    """Return the current time in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _line(fields: Sequence[str]) -> bytes:
    return csv_line(fields).encode("utf-8", "replace")


def _whole(data: bytes) -> bytes:
    """Return the data up to the end of the last complete row."""
    ends = _ends(data)
    return data[: ends[-1]] if ends else b""


def _ends(data: bytes) -> list[int]:
    """Return the end of each row: a line feed outside quotes."""
    ends, quotes, start = [], 0, 0
    while (place := data.find(b"\n", start)) >= 0:
        quotes += data.count(b'"', start, place)
        start = place + 1
        if quotes % 2 == 0:
            ends.append(start)
    return ends
