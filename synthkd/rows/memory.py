"""Rows that are in memory: lists of dicts, DataFrames, Arrow tables, data sets, iterables.

They are written to a file of JSON lines and read from there, so that all that holds for files
holds for them: ids, messages, flat memory. Tables come as Arrow streams (``__arrow_c_stream__``,
which pandas, polars, pyarrow and DuckDB have) or row by row (`datasets`, lists, generators).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

from synthkd.errors import InputError, SynthKDError
from synthkd.rows.arrow import arrow_values
from synthkd.rows.cells import CellError, UnreadableCell, cell_text
from synthkd.rows.checks import first_line, refuse_duplicates
from synthkd.storage import TemporaryFolder


@runtime_checkable
class ArrowStream(Protocol):
    """A table that exports itself as a stream of Arrow batches."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any: ...


#: Rows as Python has them: a path, a table, or an iterable of rows as mappings.
RowSource: TypeAlias = "str | os.PathLike[str] | ArrowStream | Iterable[Mapping[str, Any]]"

#: The name of a file of rows that were given in memory.
GIVEN_ROWS = "rows.jsonl"
_JSON = (str, int, float, bool, type(None))
_EXAMPLE = "give a list of dicts, such as [{'head': 'a knife'}], a DataFrame, a table or a path"


def is_path(source: Any) -> bool:
    """Return True if rows are named by a path and are not in memory."""
    return isinstance(source, str | os.PathLike)


def source_rows(source: RowSource, label: str = "rows") -> Iterator[dict[str, Any]]:
    """Yield rows that are in memory as dicts.

    Args:
        source: A table or an iterable of mappings.
        label: What messages call the rows.

    Raises:
        InputError: The source is no table of rows, or a row is no mapping.
    """
    if is_path(source):
        raise InputError(f"{label}: {os.fspath(source)!r} is a path; {_EXAMPLE}")  # type: ignore[arg-type]
    if isinstance(source, Mapping):
        raise InputError(f"{label}: {_mapping_problem(source)}")
    if _is_pandas(source):
        yield from _pandas_rows(source, label)
    elif isinstance(source, ArrowStream):
        yield from _arrow_rows(source, label)
    elif isinstance(source, Iterable):
        for number, row in enumerate(source, 1):
            if not isinstance(row, Mapping):
                raise InputError(f"{label} row {number}: {_short(row)} is no row; {_EXAMPLE}")
            yield dict(row)
    elif hasattr(source, "collect"):
        raise InputError(f"{label}: a {type(source).__name__} has no rows yet; give `.collect()`")
    else:
        raise InputError(f"{label}: {_short(source)} holds no rows; {_EXAMPLE}")


def write_given_rows(source: RowSource, path: Path, label: str = "rows") -> int:
    """Write rows that are in memory as JSON lines, and return their number.

    Numbers, truth values, lists and objects stay what they are; dates and the like become text as
    in a cell of any file; NaN becomes null.

    Raises:
        InputError: The source is no table of rows, or a cell has no value that a file can hold.
    """
    count = 0
    with path.open("wb") as file:
        for count, row in enumerate(source_rows(source, label), 1):
            file.write(_line(row, f"{label} row {count}"))
    return count


@contextmanager
def rows_in_file(source: RowSource, label: str = "rows") -> Iterator[Path]:
    """Yield the file of rows; rows in memory are written to one for as long as it is needed.

    Errors about that file name the rows by ``label``.
    """
    if is_path(source):
        yield Path(os.fspath(source))  # type: ignore[arg-type]
        return
    with TemporaryFolder() as folder:
        path = Path(folder) / GIVEN_ROWS
        write_given_rows(source, path, label)
        try:
            yield path
        except SynthKDError as error:
            error.args = tuple(
                one.replace(str(path), label) if isinstance(one, str) else one for one in error.args
            )
            raise


def _is_pandas(source: Any) -> bool:
    module = type(source).__module__.partition(".")[0]
    return module == "pandas" and hasattr(source, "columns")


def _pandas_rows(frame: Any, label: str, batch: int = 4096) -> Iterator[dict[str, Any]]:
    """Yield the rows of a DataFrame without its index; columns of mixed types are no problem."""
    names = list(frame.columns)
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"{label}: the column {name!r} has no name; name it with `.rename`")
    refuse_duplicates(label, names, None)
    for start in range(0, len(frame), batch):
        for row in frame.iloc[start : start + batch].to_dict("records"):
            yield {
                name: None if type(value).__name__ in ("NAType", "NaTType") else value
                for name, value in row.items()
            }


def _arrow_rows(source: ArrowStream, label: str) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    try:
        reader = pa.RecordBatchReader.from_stream(source)
    except (pa.ArrowException, TypeError, AttributeError) as error:
        raise InputError(
            f"{label}: {_short(source)} is no table ({first_line(error)}); {_EXAMPLE}"
        ) from None
    names = reader.schema.names
    refuse_duplicates(label, names, None)
    before = 0
    for part in reader:
        columns = [
            arrow_values(column, label, name, before + 1)
            for name, column in zip(names, part.columns, strict=True)
        ]
        for values in zip(*columns, strict=True):
            yield dict(zip(names, values, strict=True))
        before += part.num_rows


def _line(row: Mapping[str, Any], place: str) -> bytes:
    for name in row:
        if not isinstance(name, str):
            raise InputError(f"{place}: the column {name!r} is no text; name columns by texts")
    values = {name: _plain(row[name], place, name) for name in row}
    try:
        return f"{json.dumps(values, ensure_ascii=False)}\n".encode()
    except UnicodeEncodeError:  # Half of a surrogate pair, which readers of files replace.
        return f"{json.dumps(values)}\n".encode()


def _plain(value: Any, place: str, name: str) -> Any:
    """Return a value as JSON holds it."""
    if type(value) in _JSON:
        return None if value != value else value
    if isinstance(value, Mapping):
        return {str(key): _plain(inner, place, name) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner, place, name) for inner in value]
    if isinstance(value, UnreadableCell):
        raise InputError(f"{place}: {name!r} is {value.description}; leave it out, or convert it")
    to_list = getattr(value, "tolist", None)
    if to_list is not None:  # Arrays and scalars of numpy.
        return _plain(to_list(), place, name)
    try:
        return cell_text(value)
    except CellError as error:
        raise InputError(
            f"{place}: {name!r} is {error}; leave the column out, or convert it to text"
        ) from None


def _mapping_problem(source: Mapping[Any, Any]) -> str:
    if source and all(hasattr(value, "num_rows") for value in source.values()):
        name = next(iter(source))
        return f"several splits ({', '.join(map(str, source))}); choose one, such as data[{name!r}]"
    if source and all(isinstance(value, list | tuple) for value in source.values()):
        return f"a dict of columns is no list of rows; give pyarrow.table(…) of it, or {_EXAMPLE}"
    return f"a dict is one row; {_EXAMPLE}"


def _short(value: Any) -> str:
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    return f"a value of the type {type(value).__name__}"
