"""Values of Arrow columns in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from synthkd.rows.cells import UnreadableCell

if TYPE_CHECKING:
    import pyarrow as pa


def arrow_values(column: pa.Array, place: str, name: str, first: int) -> list[Any]:
    """Return the values of an Arrow column in Python.

    NaN becomes None, and bytes that are UTF-8 become text.

    A cell that has no value in Python becomes an `UnreadableCell`, so that only its use is an
    error.

    Args:
        column: The column.
        place: The file, for messages.
        name: Name of the column.
        first: Number of the first row.
    """
    import pyarrow as pa

    column = _unwrapped(column)
    kind = column.type
    try:
        values: list[Any] = column.to_pylist()
    except Exception:  # noqa: BLE001 (many kinds: years, time zones, bytes that are no text …)
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


def _unwrapped(column: pa.Array) -> pa.Array:
    """Return a column without extension types and dictionaries.

    Times in microseconds if nothing is lost.
    """
    import pyarrow as pa

    if isinstance(column.type, pa.BaseExtensionType):
        if column.type.extension_name == "arrow.uuid":
            return column  # Arrow itself makes UUIDs of its values.
        return _unwrapped(column.storage)
    if pa.types.is_dictionary(column.type):
        return _unwrapped(column.dictionary_decode())
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        target = pa.timestamp("us", column.type.tz)
    elif pa.types.is_duration(column.type) and column.type.unit == "ns":
        target = pa.duration("us")
    else:
        return column
    try:
        # Python's times have no nanoseconds; Arrow would use pandas' times if pandas is installed.
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
    """Return a cell of a column in which some cells have no Python value.

    A time such as the year 10000 as its text.
    """
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
            return UnreadableCell("not UTF-8", error.object.hex(), place)
        problem = (str(error).splitlines() or [type(error).__name__])[0]
        return UnreadableCell(f"not readable ({cell.type}): {problem}", str(cell.type), place)


def _decoded(value: Any, place: str) -> Any:
    """Decode bytes, inside of lists and objects too."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return UnreadableCell("bytes that are not UTF-8", value.hex(), place)
    if isinstance(value, list):
        return [_decoded(part, place) for part in value]
    if isinstance(value, tuple):
        return tuple(_decoded(part, place) for part in value)
    if isinstance(value, dict):
        return {name: _decoded(part, place) for name, part in value.items()}
    return value
