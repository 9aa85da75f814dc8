"""Sketches of a stream, of bounded size: a uniform sample and the number of distinct values.

Neither depends on the order of the rows.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

#: Values up to which `Distinct` is exact; beyond it the standard error is about 1 / sqrt(this) =
#: 0.4 %.
EXACT = 65_536
_ODD = np.uint64(0x9E3779B97F4A7C15)
Hashes = np.ndarray[Any, np.dtype[np.uint64]]


class TextSample:
    """A uniform sample: the rows with the smallest hash of id and completion."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.count = 0
        self._hashes: Hashes = np.zeros(0, np.uint64)
        self._texts: list[str] = []

    def add(self, hashes: Hashes, texts: pa.Array) -> None:
        """Add the rows of a batch: (rows,) hashes and texts."""
        self.count += len(hashes)
        places = np.arange(len(hashes))
        if len(self._hashes) == self.size:
            places = places[hashes < self._hashes[-1]]
        if len(places) > self.size:
            places = places[np.argpartition(hashes[places], self.size)[: self.size]]
        if not len(places):
            return
        all_hashes = np.concatenate([self._hashes, hashes[places]])
        all_texts = self._texts + texts.take(pa.array(places)).to_pylist()
        order = sorted(range(len(all_texts)), key=lambda i: (all_hashes[i], all_texts[i]))[
            : self.size
        ]
        self._hashes = all_hashes[order]
        self._texts = [all_texts[i] for i in order]

    def first(self, rows: int) -> list[str]:
        """Return the first texts of the sample: a smaller uniform sample."""
        return self._texts[:rows]


class DistinctCounter:
    """The number of distinct values, exact up to `EXACT`.

    Above, it is estimated from the smallest hashes (Bar-Yossef et al. 2002).
    """

    def __init__(self) -> None:
        self._smallest: Hashes = np.zeros(0, np.uint64)
        self._cut = False

    def add(self, values: pa.Array) -> None:
        """Add a column."""
        unique = pc.unique(values).drop_null().to_pylist()
        smallest = np.unique(np.concatenate([self._smallest, _hashes(unique)]))
        self._cut = self._cut or len(smallest) > EXACT
        self._smallest = smallest[:EXACT]

    def estimate(self) -> int:
        """Return the number."""
        if not self._cut:
            return len(self._smallest)
        return round((EXACT - 1) / (float(self._smallest[-1]) / 2.0**64))


def candidate_hashes(batch: pa.RecordBatch) -> Hashes:
    """Return a hash of each row's id and completion key."""
    ids, keys = (_of_hex(batch.column(name)) for name in ("id", "completion_key"))
    with np.errstate(over="ignore"):
        mixed = (ids ^ (keys * _ODD)) * _ODD
    return np.asarray(mixed ^ (mixed >> np.uint64(29)), np.uint64)


def _of_hex(column: pa.Array) -> Hashes:
    """Return the first 16 hex digits of each value as a number; other texts by their hash."""
    digits = "".join(pc.fill_null(pc.utf8_slice_codeunits(column, 0, 16), "").to_pylist())
    if len(digits) == 16 * len(column):
        try:
            return np.frombuffer(bytes.fromhex(digits), ">u8").astype(np.uint64)
        except ValueError:
            pass
    return _hashes([str(value) for value in column.to_pylist()])


def _hashes(values: list[Any]) -> Hashes:
    digest = hashlib.blake2b
    joined = b"".join(
        digest(str(value).encode("utf-8", "replace"), digest_size=8).digest() for value in values
    )
    return np.frombuffer(joined, ">u8").astype(np.uint64)
