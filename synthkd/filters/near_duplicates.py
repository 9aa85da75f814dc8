"""Near duplicates among accepted rows, and of rows that people made: the most likely stays.

Signatures, texts and names lie in files while the rule works. In memory stay about `BYTES` a row
while the order is found, then about 20 and what `near_search` needs for rows that meet another.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from synthkd.errors import RecipeError
from synthkd.filters.corpus_level import LastFilter
from synthkd.options import BaseOptions
from synthkd.storage import TemporaryFolder
from synthkd.text.minhash import Bands
from synthkd.text.near_search import cores, drop_near_duplicates
from synthkd.text.normal_columns import normal_texts
from synthkd.text.normal_forms import SHINGLE
from synthkd.text.shingle_sets import Numbers, as_column

if TYPE_CHECKING:
    import pyarrow as pa

    from synthkd.kinds.base import Kind

_ROW = np.dtype([("rank", "f8"), ("key", ">u8", 2), ("id", ">u8")])
#: Bytes of a row in memory: what decides who stays, and the sort.
BYTES = _ROW.itemsize + 48
#: Rows that a thread takes at a time.
_PART = 1 << 13


class _Texts:
    """Strings in a file, read by their numbers."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("w+b", buffering=0)
        self._lock = Lock()
        self._lengths: list[Numbers] = []
        self._begins = np.zeros(1, np.int64)

    def add(self, texts: pa.Array) -> None:
        """Append strings of 64-bit offsets."""
        offsets = np.frombuffer(texts.buffers()[1], np.int64, len(texts) + 1, texts.offset * 8)
        self._file.write((texts.buffers()[2] or b"")[int(offsets[0]) : int(offsets[-1])])
        self._lengths.append(np.diff(offsets).astype(np.uint32))

    def end(self) -> None:
        """Say that all strings are there."""
        lengths = np.concatenate([np.zeros(1, np.uint32), *self._lengths])
        self._lengths.clear()
        self._begins = np.cumsum(lengths, dtype=np.int64)

    def read(self, numbers: Numbers) -> pa.Array:
        """Return the strings of some numbers, after `end`; several threads may read."""
        import pyarrow as pa

        begins, ends = self._begins[numbers], self._begins[numbers + 1]
        # In the order of the file, which its reader is fastest in.
        order = np.argsort(begins, kind="stable")
        places = zip(begins[order].tolist(), ends[order].tolist(), strict=True)
        data = [self._read(begin, end - begin) for begin, end in places]
        offsets = np.zeros(len(data) + 1, np.int64)
        np.cumsum((ends - begins)[order], out=offsets[1:])
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return pa.LargeStringArray.from_buffers(
            len(data), pa.py_buffer(offsets), pa.py_buffer(b"".join(data))
        ).take(pa.array(back))

    def _read(self, begin: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), size, begin)
        with self._lock:  # Windows has no reads that leave the position alone.
            self._file.seek(begin)
            return self._file.read(size)

    def close(self) -> None:
        self._file.close()


class Spool:
    """Rows in files, until it is closed.

    Args:
        bands: The bands of the signatures.
        threads: Threads that make signatures and compare texts. Default: one for each core.
    """

    def __init__(self, bands: Bands, threads: int | None = None) -> None:
        self.bands, self.threads = bands, threads or cores()
        self._folder = TemporaryFolder()
        folder = Path(self._folder.name)
        self._paths = [folder / f"{band:03d}" for band in range(bands.count)]
        self._files: list[IO[bytes]] = [path.open("wb") for path in self._paths]
        self._rows_path, self._within_path = folder / "rows", folder / "within"
        self._rows, self._within = self._rows_path.open("wb"), self._within_path.open("wb")
        self._forms, self._names = _Texts(folder / "forms"), _Texts(folder / "names")
        self._pool = ThreadPoolExecutor(self.threads)
        self._pending: deque[Future[tuple[pa.Array, Numbers]]] = deque()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        for file in (*self._files, self._rows, self._within):
            file.close()
        self._forms.close()
        self._names.close()
        self._folder.cleanup()

    def add(self, texts: pa.Array, names: pa.Array, within: pa.Array | None, **rank: Any) -> None:
        """Take in rows: texts, names for reasons, and the values inside which they are compared."""
        for i in range(0, len(texts), _PART):
            self._pending.append(self._pool.submit(self._signed, texts.slice(i, _PART)))
        self._write(2 * self.threads)
        self._names.add(names.cast("large_string"))
        if within is not None:
            self._within.write(np.array([_hash(one) for one in within.to_pylist()], np.uint64).data)
        rows = np.zeros(len(texts), _ROW)
        for field, values in rank.items():
            rows[field] = values
        self._rows.write(rows.tobytes())

    def _signed(self, texts: pa.Array) -> tuple[pa.Array, Numbers]:
        forms = normal_texts(texts)
        return forms, self.bands.of(forms)

    def _write(self, pending: int) -> None:
        """Write what is ready, until only so many parts are pending."""
        while len(self._pending) > pending:
            forms, hashes = self._pending.popleft().result()
            self._forms.add(forms)
            for band, file in enumerate(self._files):
                file.write(np.ascontiguousarray(hashes[:, band]).data)

    def decide(self, fixed: int) -> Iterator[tuple[int, str, float]]:
        """Yield rows that are near a better one: number, that one's name, similarity.

        The rows come in the order of their numbers.
        """
        self._write(0)
        for file in (*self._files, self._rows, self._within):
            file.flush()
        self._forms.end()
        self._names.end()
        within = np.fromfile(self._within_path, np.uint64)
        found = drop_near_duplicates(
            lambda band: np.fromfile(self._paths[band], np.uint32),
            self._order(fixed), fixed, self._forms.read, self.bands,
            within if len(within) else None, self.threads,
        )  # fmt: skip
        order = np.argsort(found.rows)
        for i in range(0, len(order), _PART):
            part = order[i : i + _PART]
            yield from zip(
                found.rows[part].tolist(),
                self._names.read(found.others[part]).to_pylist(),
                found.similarities[part].tolist(),
                strict=True,
            )

    def _order(self, fixed: int) -> Numbers:
        """Return the rows in the order in which they are kept, the fixed ones first."""
        rows = np.fromfile(self._rows_path, _ROW)
        high, low = rows["key"][:, 0].astype(np.uint64), rows["key"][:, 1].astype(np.uint64)
        ids, rank = rows["id"].astype(np.uint64), rows["rank"].copy()
        del rows
        rank[:fixed] = -np.inf
        order = np.lexsort((ids, low, high, rank))
        # A row may be as likely as a fixed one.
        order = np.concatenate([np.arange(fixed), order[order >= fixed]])
        return order.astype(np.uint32)


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
        import pyarrow as pa
        import pyarrow.compute as pc

        spool = self._begun(kind)
        logprobs = batch.column("logprob").cast(pa.float64()).to_numpy(zero_copy_only=False)
        keys = batch.column("completion_key")
        spool.add(
            _filled(batch.column(self.column or kind.rule_column or "text")),
            keys,
            _filled(batch.column(self.within)) if self.within else None,
            rank=np.where(np.isnan(logprobs), np.inf, -logprobs),
            key=_number(pc.binary_slice(keys.cast(pa.binary()), 0, 16), 16),
            id=_number(pc.binary_slice(batch.column("id").cast(pa.binary()), 0, 8), 8)[:, 0],
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
                    as_column([row.text for row in real]),
                    as_column([row.place for row in real]),
                    as_column(within) if self.within else None,
                )
        return self._spool

    def settle(self, kind: Kind) -> Iterable[tuple[int, str]]:
        if self._spool is None:
            return
        spool, self._spool = self._spool, None
        try:
            for row, name, similarity in spool.decide(self._fixed):
                yield row - self._fixed, f"near {name} ({similarity:.2f})"
        finally:
            spool.close()


def _filled(column: pa.Array) -> pa.Array:
    """Return a column as strings, empty where it is null."""
    import pyarrow as pa

    try:
        return column.cast(pa.large_string()).fill_null("")
    except pa.ArrowNotImplementedError:
        return as_column([str(value or "") for value in column.to_pylist()])


def _number(column: pa.Array, size: int) -> Numbers:
    """Return the first bytes of strings as numbers of 64 bits, in their order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    padded = pc.binary_join_element_wise(column, pa.scalar(b"\0" * size), b"")
    fixed = pc.binary_slice(padded, 0, size).cast(pa.binary(size))
    data = np.frombuffer(fixed.buffers()[1], np.uint8)[fixed.offset * size :]
    return data[: len(column) * size].view(">u8").reshape(len(column), size // 8)


def _hash(text: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big"
    )
