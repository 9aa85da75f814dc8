"""Near duplicates among accepted rows, and of rows that people made: the most likely stays.

Signatures and texts lie in files while it works. In memory stay about `BYTES` a row, and 256 more
for a row that meets another in some band (at a threshold of 0.8).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from synthkd.errors import RecipeError
from synthkd.filters.corpus_level import LastFilter
from synthkd.options import BaseOptions
from synthkd.storage import TemporaryFolder
from synthkd.text.minhash import Bands, Numbers, drop_near_duplicates
from synthkd.text.normal_forms import SHINGLE

if TYPE_CHECKING:
    import pyarrow as pa

    from synthkd.kinds.base import Kind

_ROW = np.dtype([("rank", "f8"), ("key", "S16"), ("id", "S8"), ("begin", "i8")])
#: Bytes of a row in memory: what decides who stays and where its text begins, its place in order, a
#: band's sort.
BYTES = _ROW.itemsize + 32


class Spool:
    """Rows in files, until it is closed."""

    def __init__(self, bands: Bands) -> None:
        self.bands = bands
        self._folder = TemporaryFolder()
        folder = Path(self._folder.name)
        self._paths = [folder / f"{band:03d}" for band in range(self.bands.count)]
        self._files: list[IO[bytes]] = [path.open("wb") for path in self._paths]
        self._texts = (folder / "texts").open("w+b")
        self._parts: list[Numbers] = []
        self._end = 0

    def close(self) -> None:
        for file in (*self._files, self._texts):
            file.close()
        self._folder.cleanup()

    def add(
        self, texts: Sequence[str], names: Sequence[str], within: Sequence[str] | None, **rank: Any
    ) -> None:
        """Take in rows: texts, names for reasons, and the values inside which they are compared."""
        hashes = self.bands.of(texts)
        if within is not None:
            hashes ^= np.array([_hash(value) for value in within], np.uint64)[:, None]
        for band, file in enumerate(self._files):
            file.write(np.ascontiguousarray(hashes[:, band]).tobytes())
        rows = np.zeros(len(texts), _ROW)
        for field, values in rank.items():
            rows[field] = values
        for i, (name, text) in enumerate(zip(names, texts, strict=True)):
            blob = f"{name}\0{text}".encode("utf-8", "surrogatepass")
            rows["begin"][i], self._end = self._end, self._end + len(blob)
            self._texts.write(blob)
        self._parts.append(rows)

    def decide(self, fixed: int) -> Iterator[tuple[int, str, float]]:
        """Rows that are near a better one: number, that one's name, similarity."""
        rows = np.concatenate(self._parts) if self._parts else np.zeros(0, _ROW)
        self._parts.clear()
        for file in (*self._files, self._texts):
            file.flush()
        order = np.lexsort((rows["id"], rows["key"], rows["rank"], np.arange(len(rows)) >= fixed))
        ends = np.append(rows["begin"][1:], self._end)

        def blob(row: int) -> list[str]:
            begin = int(rows["begin"][row])
            self._texts.seek(begin)
            return (
                self._texts.read(int(ends[row]) - begin)
                .decode("utf-8", "surrogatepass")
                .split("\0", 1)
            )

        for row, other, similarity in drop_near_duplicates(
            self._band, order, fixed, lambda row: blob(row)[1], self.bands
        ):
            yield row, blob(other)[0], similarity

    def _band(self, band: int) -> Numbers:
        return np.fromfile(self._paths[band], np.uint64)


class NearDuplicate(LastFilter):
    """Nearly the same text as a likelier accepted row, or as a real row of the recipe.

    ``threshold``: Jaccard similarity of the runs of ``size`` characters in the normalised texts.
    ``within``: compare only rows that share this column (`label`, say). ``column``: the compared
    text. Decided last, over all that was accepted.
    """

    name: ClassVar[str] = "near_duplicate"

    class Options(BaseOptions):
        threshold: float = Field(
            0.8, gt=0, le=1, description="Jaccard similarity from which texts are nearly equal."
        )
        size: int = Field(SHINGLE, ge=1, description="Characters of the runs that are compared.")
        within: str | None = Field(
            None, description="Compare only rows that share the value of this column."
        )
        column: str | None = Field(None, description="Column of the text. Default: the kind's own.")

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.bands = Bands(self.options.threshold, self.options.size)
        self.within, self.column = self.options.within, self.options.column
        self._spool: Spool | None = None
        self._fixed = 0

    def columns(self, kind: Kind) -> list[str]:
        text = self.column or kind.rule_column or "text"
        known = {*kind.columns, *kind.details, "text"}
        for name in (text, self.within):
            if name is not None and name not in known:
                raise RecipeError(
                    f"rule 'near_duplicate': rows of the kind {kind.name!r} have no column {name!r}"
                )
        return list(
            dict.fromkeys(
                [text, *([self.within] if self.within else []), "id", "completion_key", "logprob"]
            )
        )

    def take(self, batch: pa.RecordBatch, kind: Kind) -> None:
        spool = self._begun(kind)
        rows = batch.to_pydict()
        keys = rows["completion_key"]
        spool.add(
            [str(text or "") for text in rows[self.column or kind.rule_column or "text"]],
            keys,
            [str(value or "") for value in rows[self.within]] if self.within else None,
            rank=[np.inf if p is None else -p for p in rows["logprob"]],
            key=[key.encode()[:16] for key in keys],
            id=[one.encode()[:8] for one in rows["id"]],
        )

    def _begun(self, kind: Kind) -> Spool:
        """Return the rows so far; real rows are the first of them."""
        if self._spool is None:
            self._spool = Spool(self.bands)
            real = kind.real
            self._fixed = len(real)
            within = [row.label for row in real] if self.within == "label" else [""] * len(real)
            if real:
                self._spool.add(
                    [r.text for r in real], [r.place for r in real], within if self.within else None
                )
        return self._spool

    def settle(self, kind: Kind) -> Iterable[tuple[int, str]]:
        if self._spool is None:
            return []
        spool, self._spool = self._spool, None
        try:
            return [
                (row - self._fixed, f"near {name} ({similarity:.2f})")
                for row, name, similarity in spool.decide(self._fixed)
            ]
        finally:
            spool.close()


def _hash(text: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big"
    )
