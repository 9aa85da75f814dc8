"""Read a corpus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from synthkd import plugins
from synthkd.corpora.write import MANIFEST
from synthkd.display import clean, html_text
from synthkd.errors import InputError
from synthkd.keys import file_hash
from synthkd.storage import read_json


@dataclass(frozen=True)
class Corpus:
    """A corpus on disk. Nothing is read until it is asked for."""

    path: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What was done, with hashes."""
        return dict(read_json(self.path / MANIFEST))

    @property
    def hash(self) -> str:
        """Content hash of the data files."""
        return str(self.manifest["corpus_hash"])

    def dataset(self, split: str = "accepted") -> Any:
        """The rows of ``accepted`` or ``rejected`` as a pyarrow dataset: lazy, filterable."""
        # Imported here: it takes as long as all the rest of synthkd, and brings pandas where that is installed.
        import pyarrow.dataset as ds

        return ds.dataset([str(path) for path in self._files(split)], format="parquet")

    def table(self, split: str = "accepted") -> pa.Table:
        """All rows of a split as a pyarrow table."""
        return self.dataset(split).to_table()

    @cached_property
    def diversity(self) -> dict[str, Any]:
        """Diversity after each stage, as the manifest has it; counted anew where a corpus is older than that."""
        from synthkd.corpora.diversity import corpus_diversity

        found = self.manifest.get("diversity")
        return (
            dict(found)
            if found
            else corpus_diversity(self.path, plugins.find("kinds", self.manifest["kind"]["name"]))
        )

    @property
    def accepted(self) -> pa.Table:
        return self.table("accepted")

    @property
    def rejected(self) -> pa.Table:
        return self.table("rejected")

    def find(self, candidate: str) -> Iterator[dict[str, Any]]:
        """Every row whose id begins with ``candidate``, accepted or not."""
        import pyarrow.dataset as ds

        for split in ("accepted", "rejected"):
            field = ds.field("id")
            upper = candidate + "~"
            yield from (
                self.dataset(split).to_table(filter=(field >= candidate) & (field < upper)).to_pylist()
            )

    def verify(self) -> None:
        """Check every file against the manifest; `InputError` names the first that differs."""
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
        rows = self.dataset().head(8, columns=columns).to_pylist()
        head = "".join(f"<th>{html_text(name)}</th>" for name in columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html_text(_short(row[name]))}</td>" for name in columns) + "</tr>"
            for row in rows
        )
        return f"<p>{html_text(repr(self)[1:-1])}</p><table><tr>{head}</tr>{body}</table>"

    def _files(self, split: str) -> list[Path]:
        if split not in ("accepted", "rejected"):
            raise InputError(f"no split {split!r} in a corpus; there are accepted and rejected")
        files = sorted((self.path / "data").glob(f"{split}-*.parquet"))
        if not files:
            raise InputError(f"{self.path}: no {split} files; the corpus is not whole")
        return files


def load_corpus(path: str | Path) -> Corpus:
    """Open a corpus folder."""
    path = Path(path)
    if not (path / MANIFEST).is_file():
        raise InputError(f"{path}: no corpus here (no {MANIFEST})")
    return Corpus(path)


def _short(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
