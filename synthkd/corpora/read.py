"""Read a corpus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa

from synthkd import plugins
from synthkd.corpora.snapshot import CorpusSnapshot
from synthkd.corpora.write import parquet_errors
from synthkd.errors import InputError, UserError
from synthkd.keys import file_hash
from synthkd.kinds.base import Kind
from synthkd.kinds.factory import kind_of_part
from synthkd.reporting.safe_text import clean
from synthkd.reporting.tables import html_table


@dataclass(frozen=True)
class Corpus:
    """A corpus on disk; rows are read when they are first used.

    Attributes:
        path: Its folder.
    """

    path: Path

    def __init__(self, path: str | PathLike[str]) -> None:
        object.__setattr__(self, "path", Path(path))

    @cached_property
    def _snapshot(self) -> CorpusSnapshot:
        return CorpusSnapshot(self.path)

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest: recipe, counts, hashes."""
        return self._snapshot.manifest

    @property
    def hash(self) -> str:
        """Content hash of the data files."""
        return str(self.manifest["corpus_hash"])

    def dataset(self, split: str = "accepted") -> Any:
        """Return a split as a pyarrow dataset, which is lazy and can be filtered.

        The dataset reads the files that existed when the corpus was opened, even if the corpus is
        replaced later.

        Args:
            split: ``accepted`` or ``rejected``.

        Raises:
            StorageError: If a file is missing, damaged, or not of the manifest.
        """
        if split not in ("accepted", "rejected"):
            raise InputError(f"no split {split!r} in a corpus; there are accepted and rejected")
        return self._snapshot.dataset(split)

    def table(self, split: str = "accepted") -> pa.Table:
        """Return all rows of a split as a pyarrow table."""
        with self._reading():
            return self.dataset(split).to_table()

    def head(self, rows: int, columns: list[str]) -> list[dict[str, Any]]:
        """Return columns of the first accepted rows."""
        with self._reading():
            first: list[dict[str, Any]] = self.dataset().head(rows, columns=columns).to_pylist()
        return first

    def _kind(self) -> Kind | type[Kind]:
        """Return the kind of the rows; its class if a file that its options name is not here."""
        try:
            return kind_of_part(self.manifest["recipe"]["kind"], self.path)
        except (UserError, OSError):
            kind: type[Kind] = plugins.find("kinds", self.manifest["kind"]["name"])
            return kind

    def _reading(self) -> AbstractContextManager[None]:
        return parquet_errors(self.path, "publish the corpus again")

    @cached_property
    def diversity(self) -> dict[str, Any]:
        """Diversity after each stage, from the manifest; computed for corpora without it."""
        from synthkd.corpora.diversity import corpus_diversity

        figures = self.manifest.get("diversity")
        return dict(figures) if figures else corpus_diversity(self.path, self._kind())

    @property
    def accepted(self) -> pa.Table:
        return self.table("accepted")

    @property
    def rejected(self) -> pa.Table:
        return self.table("rejected")

    def find(self, candidate: str) -> Iterator[dict[str, Any]]:
        """Yield the accepted and rejected rows whose id begins with ``candidate``."""
        import pyarrow.dataset as ds

        for split in ("accepted", "rejected"):
            field = ds.field("id")
            upper = candidate + "~"
            with self._reading():
                rows = self.dataset(split).to_table(filter=(field >= candidate) & (field < upper))
            yield from rows.to_pylist()

    def verify(self) -> None:
        """Compare the hashes of all files with the manifest.

        Raises:
            InputError: With the first file that differs.
        """
        for name, expected in self.manifest["files"].items():
            path = self.path / name
            if not path.is_file() or file_hash(path) != expected:
                raise InputError(f"{path}: missing, cut or altered since the corpus was written")

    def __len__(self) -> int:
        return int(self.manifest["counts"]["accepted"])

    def __repr__(self) -> str:
        rejected = self.manifest["counts"]["candidates"] - len(self)
        return f"<Corpus {clean(self.path)}: {len(self):,} accepted, {rejected:,} rejected>"

    def _repr_html_(self) -> str:
        columns = [*self.manifest["kind"]["columns"], "score", "recurrence"]
        rows = [[_short(row[name]) for name in columns] for row in self.head(8, columns)]
        return html_table([columns, *rows], caption=repr(self)[1:-1])

    def __reduce__(self) -> tuple[type[Corpus], tuple[Path]]:
        return Corpus, (self.path,)


def load_corpus(path: str | Path) -> Corpus:
    """Open the folder of a corpus. Reads stay consistent even if the folder is replaced later.

    Raises:
        InputError: If there is no corpus.
        StorageError: If its manifest is damaged.
    """
    corpus = Corpus(Path(path))
    _ = corpus.manifest
    return corpus


def _short(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
