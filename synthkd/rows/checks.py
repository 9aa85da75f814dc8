"""Checks and errors that all formats of rows share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synthkd.errors import InputError, nearest

Rows = list[dict[str, Any]]


@contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Raise errors of opening and decoding a text file as InputError with the line."""
    try:
        yield
    except UnicodeDecodeError:
        raise InputError(f"{path}{_wrong_byte(path)}; save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: not readable: {error.strerror or error}") from None


def _wrong_byte(path: Path) -> str:
    """Return the line and byte at which a file is not UTF-8, to follow the path."""
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


def text_lines(path: Path, newline: str | None = None) -> Iterator[str]:
    """Yield the lines of a UTF-8 file.

    Raises InputError, with the line, for a file that is no text.
    """
    with reading_errors(path), path.open(encoding="utf-8-sig", newline=newline) as file:
        for number, line in enumerate(file, 1):
            if "\0" in line:
                raise InputError(
                    f"{path} line {number}: a zero byte; this is no text, or not UTF-8"
                )
            yield line


def require_columns(place: str | Path, columns: Sequence[str] | None, names: Sequence[str]) -> None:
    """Raise InputError if one of the columns is not among the names of a file or row."""
    for column in columns or []:
        if column not in names:
            raise InputError(f"{place}: no column {column!r}{nearest(column, list(names))}")


def refuse_duplicates(
    place: str | Path, names: Sequence[str], columns: Sequence[str] | None
) -> None:
    """Raise InputError if two columns have one name: one would hide the other."""
    for name, count in Counter(names).items():
        if count > 1 and name and (columns is None or name in columns):
            raise InputError(
                f"{place}: two columns have the name {name!r}; rename one or leave it out"
            )


def in_batches(rows: Iterator[dict[str, Any]], size: int) -> Iterator[Rows]:
    """Group rows into lists of ``size``."""
    batch: Rows = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its type."""
    return (str(error).splitlines() or [type(error).__name__])[0]
