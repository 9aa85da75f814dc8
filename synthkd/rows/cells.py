"""The text of a cell of any file, or the reason why it has none.

A table's cell may be a number, a date, bytes, a list or an object. Its text is made here and
nowhere else, so that Python's way of writing a value (``['a']``, ``b'a'``, ``None``, ``nan``)
enters no prompt, key, label or corpus.

    text                   itself; the words ``nan``, ``None`` and ``NA`` are words (Nan is a name)
    null, NaN, NaT         none: the cell is empty
    integer, float         the digits; a whole float as an integer, since pandas makes 3.0 of 3
                           beside a gap
    true, false            ``true``, ``false``, as Arrow, JSON and YAML write them
    decimal                the digits
    date, time             ISO 8601, with a blank before the time
    UUID                   the hex form
    bytes                  decoded, if they are UTF-8 (Spark and Hive write such columns)
    list, object           refused, as are durations and other bytes
"""

from __future__ import annotations

import datetime
import math
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from synthkd.errors import InputError

#: Below this, every whole float stands for one integer.
_EXACT = 2.0**53


class CellError(ValueError):
    """A cell has no text; the message describes the cell, such as ``a list of 2``."""


class UnreadableCell:
    """A cell without a value in Python, such as bytes that are not UTF-8.

    Only the use of the cell is an error.

    Attributes:
        description: The cell in words, to follow "is".
        content: The cell's content for a hash.
        place: File, row and column.
    """

    __slots__ = ("content", "description", "place")

    def __init__(self, description: str, content: str, place: str = "") -> None:
        self.description, self.content, self.place = description, content, place

    def __str__(self) -> str:
        raise InputError(f"{self.place or 'a cell'}: is {self.description}")

    def __repr__(self) -> str:
        return f"UnreadableCell({self.description!r})"


def cell_text(value: Any) -> str | None:
    """Return a cell's text; None if the cell is empty (null, NaN).

    Raises:
        CellError: If the cell is a list, an object, a duration, or bytes that are not UTF-8.
    """
    if type(value) is str or value is None:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | Decimal):
        return _number_text(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str):
        return str(value)
    if isinstance(value, datetime.date | datetime.time):
        return _time_text(value)
    if isinstance(value, bytes | bytearray):
        try:
            return bytes(value).decode("utf-8")
        except UnicodeDecodeError:
            raise CellError("bytes that are not UTF-8") from None
    if isinstance(value, uuid.UUID):
        return str(value)
    scalar = getattr(value, "item", None)
    if scalar is not None and getattr(value, "shape", None) == ():  # A scalar of numpy.
        return cell_text(scalar())
    raise CellError(describe_cell(value))


def _number_text(value: float | Decimal) -> str | None:
    if math.isnan(value) if isinstance(value, float) else value.is_nan():
        return None
    if math.isinf(value):
        raise CellError("an infinite number")
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(float(value))


def _time_text(value: datetime.date | datetime.time) -> str | None:
    if value != value:  # pandas' NaT.
        return None
    return value.isoformat(" ") if isinstance(value, datetime.datetime) else value.isoformat()


def describe_cell(value: Any) -> str:
    """Describe a value without a text in a few words, such as ``a list of 2``."""
    if isinstance(value, UnreadableCell):
        return value.description
    if isinstance(value, Mapping):
        names = ", ".join(map(str, list(value)[:3])) + (", …" if len(value) > 3 else "")
        return f"an object ({names})" if value else "an empty object"
    if isinstance(value, Sequence | set | frozenset) or hasattr(value, "tolist"):
        return f"a list of {len(value):,}" if len(value) else "an empty list"
    if isinstance(value, datetime.timedelta):
        return "a duration"
    return f"a value of the type {type(value).__name__}"


def is_empty(value: Any) -> bool:
    """Tell if a cell is empty: null, NaN, or a text of blanks."""
    try:
        text = cell_text(value)
    except CellError:
        return False
    return text is None or not text.strip()


def text_cell(value: Any, place: str, column: str) -> str | None:
    """Return the text of a cell of a file; None if the cell is empty.

    Args:
        value: The cell.
        place: File and row: ``heads.parquet row 3``.
        column: Name of the column.

    Raises:
        InputError: If the cell has no text; the message names file, row, column and a remedy.
    """
    try:
        return cell_text(value)
    except CellError as error:
        raise InputError(
            f"{place}: {column!r} is {error}, where a text is needed{_remedy(value)}"
        ) from None


def _remedy(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; put the part that is meant into a column of its own"
    if isinstance(value, list | tuple):
        return "; give each part a row, or join them to one text"
    if isinstance(value, datetime.timedelta):
        return "; write it as a number or a text"
    return ""
