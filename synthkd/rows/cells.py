"""Turn a cell of any file into text, or say why it has none: one place for all that reads rows.

A table's cell may be a number, a date, bytes, a list or an object. Text is made of it here and nowhere else, so that
Python's way of writing a value (``['a']``, ``b'a'``, ``None``, ``nan``) enters no prompt, key, label or corpus.

=====================================  ==========================================================================
cell                                   text
=====================================  ==========================================================================
text                                   itself; the words ``nan``, ``None`` and ``NA`` are words (Nan is a name)
null, NaN (a float), NaT               none: the cell is empty
integer; float                         its digits; a whole float as an integer (pandas makes 3.0 of 3 beside a gap)
true, false                            ``true``, ``false``, as Arrow, JSON and YAML write them
decimal; date, time; UUID              its digits; ISO 8601 with a blank before the time; its hex form
bytes                                  decoded, if they are UTF-8 (Spark and Hive write such columns)
list, object, duration, other bytes    refused
=====================================  ==========================================================================
"""

from __future__ import annotations

import datetime
import math
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from synthkd.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

#: Whole floats below this are integers without doubt.
_EXACT = 2.0**53


class CellError(ValueError):
    """A cell has no text; the message says what it is: ``a list of 2``."""


class Unread:
    """A cell that Python has no value for, such as bytes that are not UTF-8. It matters only where it is used.

    Attributes:
        what: The cell in words, to follow "is".
        content: What stands for the cell in a hash.
        place: File, row and column.
    """

    __slots__ = ("content", "place", "what")

    def __init__(self, what: str, content: str, place: str = "") -> None:
        self.what, self.content, self.place = what, content, place

    def __str__(self) -> str:
        raise InputError(f"{self.place or 'a cell'}: is {self.what}")

    def __repr__(self) -> str:
        return f"Unread({self.what!r})"


def cell_text(value: Any) -> str | None:
    """Return a cell's text; None if the cell is empty (null, NaN).

    Raises:
        CellError: The cell has no text: it is a list, an object, a duration, or bytes that are not UTF-8.
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
    if scalar is not None and getattr(value, "shape", None) == ():  # A number of numpy.
        return cell_text(scalar())
    raise CellError(described(value))


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


def described(value: Any) -> str:
    """Return what a value without text is, in a few words."""
    if isinstance(value, Unread):
        return value.what
    if isinstance(value, Mapping):
        names = ", ".join(map(str, list(value)[:3])) + (", …" if len(value) > 3 else "")
        return f"an object ({names})" if value else "an empty object"
    if isinstance(value, Sequence | set | frozenset) or hasattr(value, "tolist"):
        return f"a list of {len(value):,}" if len(value) else "an empty list"
    if isinstance(value, datetime.timedelta):
        return "a duration"
    return f"a value of the type {type(value).__name__}"


def is_empty(value: Any) -> bool:
    """Whether a cell holds nothing: null, NaN, or a text of blanks."""
    try:
        text = cell_text(value)
    except CellError:
        return False
    return text is None or not text.strip()


def text_cell(value: Any, place: str, column: str) -> str | None:
    """Return `cell_text` of a cell of a file.

    Args:
        value: The cell.
        place: Where it stands: ``heads.parquet row 3``.
        column: Name of its column.

    Raises:
        InputError: The cell has no text; the message names file, row, column and a remedy.
    """
    try:
        return cell_text(value)
    except CellError as error:
        raise InputError(f"{place}: {column!r} is {error}, where a text is needed{remedy(value)}") from None


def remedy(value: Any) -> str:
    """Return what to do about a cell without text, to end a message."""
    if isinstance(value, Mapping):
        return "; put the part that is meant into a column of its own"
    if isinstance(value, list | tuple):
        return "; give each part a row, or join them to one text"
    if isinstance(value, datetime.timedelta):
        return "; write it as a number or a text"
    return ""


# Arrow


def arrow_values(column: pa.Array, place: str, name: str, first: int) -> list[Any]:
    """Return the values of an Arrow column as Python has them; NaN is None, bytes that are UTF-8 are text.

    A cell that cannot be read is an `Unread`, so that it matters only where it is used.

    Args:
        column: The column.
        place: Its file, for messages.
        name: Its name.
        first: Number of its first row.
    """
    import pyarrow as pa

    column = _stored(column)
    kind = column.type
    try:
        values: list[Any] = column.to_pylist()
    except Exception:  # noqa: BLE001 (of many kinds: years, time zones, bytes that are no text …)
        values = [
            _one_value(cell, f"{place} row {first + number}: column {name!r}")
            for number, cell in enumerate(column)
        ]
    if pa.types.is_floating(kind):
        return [None if value is None or value != value else float(value) for value in values]
    if pa.types.is_nested(kind) or _is_bytes(kind):
        where = f"{place} row"
        return [
            _decoded(value, f"{where} {first + number}: column {name!r}")
            for number, value in enumerate(values)
        ]
    return values


def _stored(column: pa.Array) -> pa.Array:
    """A column without its wrapping: extension types, dictionaries; times in microseconds where nothing is lost."""
    import pyarrow as pa

    if isinstance(column.type, pa.BaseExtensionType):
        if column.type.extension_name == "arrow.uuid":
            return column  # Its values are UUIDs.
        return _stored(column.storage)
    if pa.types.is_dictionary(column.type):
        return _stored(column.dictionary_decode())
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        target = pa.timestamp("us", column.type.tz)
    elif pa.types.is_duration(column.type) and column.type.unit == "ns":
        target = pa.duration("us")
    else:
        return column
    try:
        # Python's times have no nanoseconds; Arrow would make pandas' own of them, where pandas is installed.
        return column.cast(target)
    except pa.ArrowException:
        return column.cast(pa.string()) if pa.types.is_timestamp(column.type) else column


def _is_bytes(kind: pa.DataType) -> bool:
    import pyarrow as pa

    views = getattr(pa.types, "is_binary_view", lambda _: False)
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or views(kind)
    )


def _one_value(cell: Any, place: str) -> Any:
    """A cell of a column that holds cells which Python has no type for, such as the year 10000: those as their text."""
    import pyarrow as pa

    try:
        return cell.as_py()
    except Exception as error:  # noqa: BLE001
        try:
            if pa.types.is_temporal(cell.type):
                return str(cell.cast(pa.string()).as_py())
        except pa.ArrowException:
            pass
        if isinstance(error, UnicodeDecodeError):
            return Unread("not UTF-8", error.object.hex(), place)
        said = (str(error).splitlines() or [type(error).__name__])[0]
        return Unread(f"not readable ({cell.type}): {said}", str(cell.type), place)


def _decoded(value: Any, place: str) -> Any:
    """Bytes as text, inside of lists and objects too."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return Unread("bytes that are not UTF-8", value.hex(), place)
    if isinstance(value, list):
        return [_decoded(part, place) for part in value]
    if isinstance(value, tuple):
        return tuple(_decoded(part, place) for part in value)
    if isinstance(value, dict):
        return {name: _decoded(part, place) for name, part in value.items()}
    return value
