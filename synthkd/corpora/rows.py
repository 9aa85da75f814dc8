"""`CandidateRows`: rows of a corpus, as dicts, as a table, or as another library's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from operator import index as whole_number
from typing import TYPE_CHECKING, Any, overload

import pyarrow as pa

from synthkd.corpora.where import condition
from synthkd.errors import InputError, nearest, require_extra
from synthkd.keys import fraction
from synthkd.reporting.tables import html_table

if TYPE_CHECKING:
    import pyarrow.compute as pc

#: Rows and characters of a cell that a notebook shows.
_SHOWN, _LONGEST = 8, 120
#: Rows of a batch in which rows are made into dicts.
_BATCH = 4096


class CandidateRows:
    """Rows of a corpus, in the order of its files; a sequence of dicts.

    They are read when they are first used. Each row has the columns of the corpus; `columns` are
    those of its kind.

    Args:
        read: Reads the rows, with a condition if one is given.
        schema: The columns of the rows.
        columns: Columns that are shown first.
        what: What the rows are, such as `accepted`.
        errors: Context in which files are read.
    """

    def __init__(
        self,
        read: Callable[[pc.Expression | None], pa.Table],
        schema: pa.Schema,
        columns: Sequence[str],
        what: str,
        errors: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._read, self._errors = read, errors
        self.schema = schema
        self.columns, self.what = tuple(columns), what

    @classmethod
    def of_table(cls, table: pa.Table, columns: Sequence[str], what: str) -> CandidateRows:
        """Return the rows of a table."""
        return cls(
            lambda chosen: table if chosen is None else table.filter(chosen),
            table.schema, columns, what,
        )  # fmt: skip

    @cached_property
    def _table(self) -> pa.Table:
        with self._errors():
            return self._read(None)

    def _some(self, table: pa.Table, what: str | None = None) -> CandidateRows:
        return CandidateRows.of_table(table, self.columns, what or self.what)

    # A sequence of rows

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self._table.to_batches(max_chunksize=_BATCH):
            yield from batch.to_pylist()

    @overload
    def __getitem__(self, key: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, key: slice) -> CandidateRows: ...
    @overload
    def __getitem__(self, key: str) -> pa.ChunkedArray: ...
    def __getitem__(self, key: int | slice | str) -> Any:
        """Return a row by its place, some rows by a slice, or a column by its name."""
        if isinstance(key, str):
            return self.column(key)
        size = len(self)
        if isinstance(key, slice):
            start, stop, step = key.indices(size)
            if step == 1:
                return self._some(self._table.slice(start, max(0, stop - start)))
            return self._some(self._table.take(pa.array(range(start, stop, step), pa.int64())))
        try:
            place = whole_number(key)
        except TypeError:
            raise InputError(
                f"rows are found by a number, a slice or a column's name, not by a"
                f" {type(key).__name__}; `where` finds them by a condition"
            ) from None
        if not -size <= place < size:
            raise IndexError(f"row {place:,} of {size:,} {self.what} rows")
        row: dict[str, Any] = self._table.slice(place % size, 1).to_pylist()[0]
        return row

    # Choosing rows and columns

    def where(self, text: str | None = None, /, **values: Any) -> CandidateRows:
        """Return the rows that keep to a condition.

        Args:
            text: A condition as in SQL, such as ``relation = 'IsA' and score < 0.3``.
            values: Columns and the value that each must have; None for an empty cell.

        Raises:
            InputError: The condition cannot be read, or names an unknown column.
        """
        chosen = None if text is None else condition(text, self.schema)
        for name, value in values.items():
            one = self._equals(name, value)
            chosen = one if chosen is None else chosen & one
        if chosen is None:
            raise InputError(
                'where: no condition; give one as in SQL, such as "score < 0.3", or a column\'s'
                " value, such as relation='IsA'"
            )
        with self._errors():
            return self._some(self._read(chosen))

    def _equals(self, name: str, value: Any) -> pc.Expression:
        import pyarrow.compute as pc

        self._check(name)
        field = pc.field(name)
        if value is None:
            return field.is_null()
        try:
            return field == pa.scalar(value, self.schema.field(name).type)
        except (pa.ArrowException, TypeError, ValueError):
            kind = self.schema.field(name).type
            raise InputError(f"where: {name!r} holds {kind}; {value!r:.60} is none") from None

    def _check(self, name: str) -> None:
        if name not in self.schema.names:
            raise InputError(f"no column {name!r}{nearest(name, list(self.schema.names))}")

    def select(self, columns: Sequence[str]) -> CandidateRows:
        """Return the rows with these columns alone."""
        for name in columns:
            self._check(name)
        table = self._table.select(list(columns))
        return CandidateRows.of_table(table, list(columns), self.what)

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column as an Arrow array."""
        self._check(name)
        return self._table.column(name)

    def sample(self, n: int = 10, seed: int = 0) -> CandidateRows:
        """Return some rows, drawn by the hash of their ids: the same whatever their order.

        Args:
            n: Rows; all if there are fewer.
            seed: Another seed gives other rows.
        """
        if n < 0:
            raise InputError(f"sample: {n} rows cannot be drawn; give 0 or more")
        ids = self.column("id").to_pylist()
        draws = [fraction(f"rows {seed}|{number if one is None else one}") for number, one in
                 enumerate(ids)]  # fmt: skip
        places = sorted(sorted(range(len(ids)), key=draws.__getitem__)[:n])
        return self._some(self._table.take(pa.array(places, pa.int64())))

    # Other libraries

    def to_arrow(self) -> pa.Table:
        """Return the rows as a pyarrow table."""
        return self._table

    def to_pylist(self) -> list[dict[str, Any]]:
        """Return the rows as a list of dicts."""
        rows: list[dict[str, Any]] = self._table.to_pylist()
        return rows

    def to_pandas(self) -> Any:
        """Return the rows as a pandas DataFrame.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        require_extra("to_pandas", "data", "pandas")
        return self._table.to_pandas()

    def to_polars(self) -> Any:
        """Return the rows as a polars DataFrame.

        Raises:
            MissingExtraError: polars is not installed.
        """
        require_extra("to_polars", "polars", "polars")
        import polars

        return polars.from_arrow(self._table)

    def to_dataset(self) -> Any:
        """Return the rows as a `datasets.Dataset`.

        Raises:
            MissingExtraError: datasets is not installed.
        """
        require_extra("to_dataset", "data", "datasets")
        import datasets

        return datasets.Dataset(self._table.replace_schema_metadata(None))

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return len(self)

    @property
    def column_names(self) -> list[str]:
        """Names of all columns."""
        return list(self.schema.names)

    def __repr__(self) -> str:
        return f"<{len(self):,} {self.what} rows: {', '.join(self.columns)}>"

    def _repr_html_(self) -> str:
        further = ("score", "rejected_by", "reason") if self.what != "accepted" else ("score",)
        names = [*self.columns, *(name for name in further if name in self.schema.names)]
        names = list(dict.fromkeys(names))
        first = self._table.slice(0, _SHOWN).select(names).to_pylist()
        rows = [[cell_shown(row[name]) for name in names] for row in first]
        return html_table([names, *rows], caption=repr(self)[1:-1])


def cell_shown(value: Any) -> str:
    """Return a cell as a table in a notebook shows it."""
    text = f"{value:.3f}" if isinstance(value, float) else "" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
