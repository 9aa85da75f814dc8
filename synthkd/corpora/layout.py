"""The parts of a corpus' folder: sets of Parquet files, and the configurations that readers see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from synthkd.rows.corpus_files import DATA, PROVENANCE


@dataclass
class FileSet:
    """Parquet files of one part of a corpus.

    Attributes:
        config: Name of the configuration under which readers find it.
        folder: Folder within the corpus.
        name: Beginning of the files' names.
        schema: Columns of the files.
        rows: Rows in all.
        size: Bytes of the rows in memory.
        stored: Bytes of the files.
        hashes: SHA-256 of each file, by its path in the corpus.
    """

    config: str
    folder: str
    name: str
    schema: pa.Schema
    rows: int = 0
    size: int = 0
    stored: int = 0
    hashes: dict[str, str] = field(default_factory=dict)

    @property
    def pattern(self) -> str:
        """The glob that the files fit, from the corpus' folder."""
        return f"{self.folder}/{self.name}-*.parquet"

    @classmethod
    def accepted(cls, schema: pa.Schema) -> FileSet:
        """Return the content of accepted rows, which readers see first."""
        return cls("default", DATA, "accepted", schema)

    @classmethod
    def provenance(cls, schema: pa.Schema) -> FileSet:
        """Return how accepted rows were made, joined by id."""
        return cls("provenance", PROVENANCE, "accepted", schema)

    @classmethod
    def rejected(cls, schema: pa.Schema) -> FileSet:
        """Return rejected rows, whole, with their outcomes."""
        return cls("rejected", DATA, "rejected", schema)


def shown_sets(sets: Sequence[FileSet]) -> list[FileSet]:
    """Return the sets with rows, as `datasets` cannot load a configuration without any."""
    return [one for one in sets if one.rows] or list(sets[:1])
