"""Parquet files of a corpus: the content of rows and their provenance, read as one.

A corpus has the content of its accepted rows in `data/accepted-*.parquet`, and what is known of
their making in `provenance/accepted-*.parquet`: the files of one number have the same ids in the
same order. Rejected rows, and all rows of older corpora, are whole in `data`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd.errors import StorageError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

DATA, PROVENANCE = "data", "provenance"
#: Columns of a row's outcome, which are empty for accepted rows and left out of their files.
OUTCOME = ("rejected_by", "reason")
_KEY = "id"


def provenance_name(name: str) -> str:
    """Return the name of the provenance of a file of rows, both from the corpus' folder."""
    return PROVENANCE + name.removeprefix(DATA)


def provenance_path(path: Path) -> Path | None:
    """Return the file with the provenance of a corpus' file; None if the rows are whole."""
    if path.parent.name != DATA:
        return None
    beside = path.parent.parent / PROVENANCE / path.name
    return (
        beside if beside.is_file() and (beside.parent.parent / "manifest.json").is_file() else None
    )


class CorpusFile:
    """A Parquet file of rows, joined with its provenance by id if it has one.

    Args:
        rows: The file of rows.
        provenance: The file with their provenance; None if the rows are whole.
        place: What messages call the file.
    """

    def __init__(
        self, rows: pq.ParquetFile, provenance: pq.ParquetFile | None, place: str | Path
    ) -> None:
        self.rows, self.provenance, self.place = rows, provenance, place
        self._opened = ExitStack()

    @classmethod
    def open(cls, path: Path) -> CorpusFile:
        """Open a Parquet file, of a corpus or of any other folder."""
        import pyarrow.parquet as pq

        with ExitStack() as stack:
            rows = stack.enter_context(pq.ParquetFile(path))
            beside = provenance_path(path)
            provenance = None if beside is None else stack.enter_context(pq.ParquetFile(beside))
            file = cls(rows, provenance, path)
            file._opened = stack.pop_all()
        return file

    def __enter__(self) -> CorpusFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def schema(self) -> pa.Schema:
        """The schema of whole rows, with the columns of the outcome if there is a provenance."""
        import pyarrow as pa

        schema = self.rows.schema_arrow
        if self.provenance is None:
            return schema
        beside = self.provenance.schema_arrow
        fields = [*schema, *(one for one in beside if one.name not in schema.names)]
        names = {one.name for one in fields}
        fields += [pa.field(name, pa.string()) for name in OUTCOME if name not in names]
        return pa.schema(fields, schema.metadata)

    def batches(
        self, columns: Sequence[str] | None = None, size: int = 65_536
    ) -> Iterator[pa.RecordBatch]:
        """Yield rows in batches.

        Args:
            columns: Columns to read; None for all.
            size: Rows of a batch at most.

        Raises:
            StorageError: Rows and provenance differ.
        """
        own = set(self.rows.schema_arrow.names)
        if self.provenance is None or (columns is not None and own.issuperset(columns)):
            yield from self.rows.iter_batches(size, columns=columns)
            return
        schema = self.schema.remove_metadata()
        wanted = [name for name in schema.names if columns is None or name in columns]
        for number in range(self.rows.num_row_groups):
            table = self._row_group(number, wanted, schema)
            yield from table.to_batches(max_chunksize=size)

    def _row_group(self, number: int, wanted: Sequence[str], schema: pa.Schema) -> pa.Table:
        import pyarrow as pa

        assert self.provenance is not None
        own = [name for name in self.rows.schema_arrow.names if name in wanted or name == _KEY]
        beside = [
            name
            for name in self.provenance.schema_arrow.names
            if name == _KEY or (name in wanted and name not in own)
        ]
        if number >= self.provenance.num_row_groups:
            raise self._differ()
        rows = self.rows.read_row_group(number, columns=own)
        others = self.provenance.read_row_group(number, columns=beside)
        if not rows.column(_KEY).equals(others.column(_KEY)):
            raise self._differ()
        arrays: dict[str, Any] = dict(zip(others.column_names, others.columns, strict=True))
        arrays |= zip(rows.column_names, rows.columns, strict=True)
        empty = {name: pa.nulls(rows.num_rows, pa.string()) for name in OUTCOME}
        return pa.table(
            [arrays[name] if name in arrays else empty[name] for name in wanted],
            schema=pa.schema([schema.field(name) for name in wanted]),
        ).combine_chunks()

    def _differ(self) -> StorageError:
        return StorageError(
            f"{self.place}: its ids and those of its provenance differ; it was altered (publish the"
            " corpus again)"
        )
