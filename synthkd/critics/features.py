"""Rows to a sparse matrix: hashed n-grams of the parts and their pairs, and what the teacher's numbers say.

All rows of a batch are hashed at once. With ``P`` the running sum of ``byte[i] * A**i``, the hash of any piece of
text is ``(P[end] - P[start]) * A**-start`` (Rabin and Karp's, modulo 2**64), so that n-grams, words and whole texts
are differences of one array. A linear model sees only sums, so each number also comes as a one-hot of its quantile
bin.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from synthkd.artifacts.arrays import Array

BITS = 18
#: Quantile bins of each number.
BINS = 10
NUMERIC = ("logprob", "logprob_per_token", "recurrence", "length")
#: Columns that `Scales.dense` makes of them.
WIDTH = len(NUMERIC) * (BINS + 2)
#: The arrays of `Scales` in a critic's file.
SCALES = {
    "mean": Array("float64", (len(NUMERIC),)),
    "deviation": Array("float64", (len(NUMERIC),), 1e-12),
    "edges": Array("float64", (len(NUMERIC), BINS - 1)),
}
#: Sizes of character n-grams, in bytes of UTF-8.
SIZES = (2, 3, 4)
#: Words of a part that are paired with those of another.
_PAIRED = 8
_EDGES = " \t.,;:!\"'`“”‘’"
Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Hashes = np.ndarray[Any, np.dtype[np.uint64]]

#: An odd number has an inverse modulo 2**64.
_A = 0x9E3779B97F4A7C15
_A_INVERSE = pow(_A, -1, 1 << 64)
_MIX = np.uint64(0xD6E8FEB86659FD93)


class Features(NamedTuple):
    """One entry for each occurrence: its row and its column, below 2**BITS."""

    rows: Ints
    columns: Ints


def hashed(rows: pa.Table | pa.RecordBatch, columns: Sequence[str]) -> Features:
    """The symbolic features of a batch. Each names its part, so equal words in two parts stay apart."""
    parts = {name: _Part(_texts(rows.column(name))) for name in columns}
    relation = parts.pop("relation", None)
    found = list(_features(list(parts.values()), relation))
    width = np.uint64(64 - BITS)
    return Features(
        np.concatenate([place for place, _ in found]),
        np.concatenate([(_mixed(value) >> width).astype(np.int64) for _, value in found]),
    )


def _features(parts: list[_Part], relation: _Part | None) -> Iterator[tuple[Ints, Hashes]]:
    """Rows and hashes of each family of features; ``seed`` keeps the families apart."""
    r = relation.whole if relation else None
    if r is not None:
        yield np.arange(len(r)), _seeded(r, 1)
    for number, part in enumerate(parts):
        seed = 16 * (number + 1)
        yield from _with_relation(part.every, part.whole, r, seed)
        yield from _with_relation(part.word_rows, part.words, r, seed + 2)
        yield part.pair_rows, _seeded(part.pairs, seed + 4)
        for size in SIZES:
            place, value = part.grams(size)
            yield place, _seeded(value, seed + 4 + size)
    for i, left in enumerate(parts):
        for j, right in enumerate(parts[i + 1 :], i + 1):
            seed = 16 * (len(parts) + 1 + i * len(parts) + j)
            yield left.every, _joined(left.whole, right.whole, seed)
            place, a, b = _crossed(left, right)
            both = _joined(left.words[a], right.words[b], seed + 1)
            yield from _with_relation(place, both, r, seed + 2)


def _with_relation(place: Ints, value: Hashes, relation: Hashes | None, seed: int) -> Iterator[Any]:
    """The features by themselves, and under their row's relation."""
    yield place, _seeded(value, seed)
    if relation is not None:
        yield place, _joined(relation[place], value, seed + 1)


class _Part:
    """One column of a batch: its texts between blanks, as bytes, with the running sum over them."""

    def __init__(self, texts: pa.Array) -> None:
        offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
        self.data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
        self.starts = (offsets[:-1] - offsets[0]).astype(np.int64)
        self.ends = (offsets[1:] - offsets[0]).astype(np.int64)
        self.every = np.arange(len(texts))
        self._rows = np.repeat(self.every, self.ends - self.starts)
        powers, self._inverse = _powers(_room(len(self.data)))
        self._sums = np.zeros(len(self.data) + 1, np.uint64)
        np.cumsum(self.data * powers[: len(self.data)], out=self._sums[1:])
        self.whole = self._hash(self.starts + 1, self.ends - 1)
        self._cut_words()

    def _hash(self, start: Ints, end: Ints) -> Hashes:
        """Hashes of the pieces from ``start`` to before ``end``."""
        value: Hashes = (self._sums[end] - self._sums[start]) * self._inverse[start]
        return value

    def _cut_words(self) -> None:
        """Words lie between blanks. ``first`` and ``count`` say where those of each row are."""
        blanks = np.flatnonzero(self.data == 32)
        start, end = blanks[:-1] + 1, blanks[1:]
        inside = (self._rows[blanks[:-1]] == self._rows[blanks[1:]]) & (end > start)
        start, end = start[inside], end[inside]
        self.word_rows = self._rows[start]
        self.words = self._hash(start, end)
        self.count = np.bincount(self.word_rows, minlength=len(self.every))
        self.first = np.cumsum(self.count) - self.count
        next_to = np.flatnonzero(self.word_rows[:-1] == self.word_rows[1:])
        self.pair_rows = self.word_rows[next_to]
        self.pairs = self._hash(start[next_to], end[next_to + 1])

    def grams(self, size: int) -> tuple[Ints, Hashes]:
        """Rows and hashes of the n-grams, the blanks around the text included."""
        last = max(len(self.data) - size + 1, 0)
        start = np.flatnonzero(self._rows[:last] == self._rows[size - 1 : size - 1 + last])
        return self._rows[start], self._hash(start, start + size)


def _crossed(left: _Part, right: _Part) -> tuple[Ints, Ints, Ints]:
    """Rows, and which words: each of the first of one part with each of the first of the other."""
    wide = np.minimum(right.count, _PAIRED)
    pairs = np.minimum(left.count, _PAIRED) * wide
    place = np.repeat(left.every, pairs)
    within = np.arange(len(place)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    width = np.maximum(wide, 1)[place]
    return place, left.first[place] + within // width, right.first[place] + within % width


def _texts(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Each text in plain form: NFKC, lower case, single blanks, no punctuation at its edges; a blank on each side."""
    import pyarrow.compute as pc

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    plain = pc.fill_null(column.cast(pa.string()), "")
    plain = pc.utf8_lower(pc.utf8_normalize(plain, form="NFKC"))
    plain = pc.utf8_trim(pc.replace_substring_regex(plain, r"\s+", " "), characters=_EDGES)
    return pc.binary_join_element_wise("", plain, "", " ")


@lru_cache(maxsize=2)
def _powers(count: int) -> tuple[Hashes, Hashes]:
    """The powers of A and of its inverse."""
    with np.errstate(over="ignore"):
        return tuple(
            np.cumprod(np.full(count, base, np.uint64) ** (np.arange(count) > 0), dtype=np.uint64)
            for base in (_A, _A_INVERSE)
        )  # type: ignore[return-value]


def _room(size: int) -> int:
    """Rounded up, so that few sizes are ever made."""
    return 1 << max(size + 1, 1 << 16).bit_length()


def _seeded(value: Hashes, seed: int) -> Hashes:
    made: Hashes = value + np.uint64(seed * 0xC2B2AE3D27D4EB4F & (1 << 64) - 1)
    return made


def _joined(left: Hashes, right: Hashes, seed: int) -> Hashes:
    return _seeded(_mixed(left) + right * np.uint64(0xFF51AFD7ED558CCD), seed)


def _mixed(value: Hashes) -> Hashes:
    """Every bit of the value on the upper bits of the result."""
    value = (value ^ (value >> np.uint64(32))) * _MIX
    mixed: Hashes = (value ^ (value >> np.uint64(32))) * _MIX
    return mixed


def numbers(rows: pa.Table | pa.RecordBatch, columns: Sequence[str]) -> Floats:
    """(rows, len(NUMERIC)) numbers; NaN where one is not known."""
    import pyarrow.compute as pc

    count = rows.num_rows
    logprob, length = _column(rows, "logprob", count), _column(rows, "tokens", count)
    recurrence = np.log1p(_column(rows, "recurrence", count))
    text = pc.fill_null(rows.column(columns[-1]).cast(pa.string()), "")
    characters = np.asarray(pc.utf8_length(text), dtype=np.float64)
    return np.stack([logprob, logprob / np.maximum(length, 1), recurrence, np.log1p(characters)], axis=1)


def _column(rows: pa.Table | pa.RecordBatch, name: str, count: int) -> Floats:
    if name not in rows.schema.names:
        return np.full(count, np.nan)
    column = rows.column(name).cast(pa.float64())
    values: Floats = np.array(
        column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy(),
        dtype=np.float64,
    )
    return values


@dataclass(frozen=True)
class Scales:
    """Training statistics of the numbers: means and deviations (4,), bin edges (4, BINS - 1)."""

    mean: Floats
    deviation: Floats
    edges: Floats

    @classmethod
    def of(cls, values: Floats) -> Scales:
        """Statistics of training numbers (rows, 4); a column that is all missing gets neutral ones."""
        known = [column[~np.isnan(column)] for column in values.T]
        known = [column if len(column) else np.zeros(1) for column in known]
        inner = np.linspace(0, 1, BINS + 1)[1:-1]
        return cls(
            np.array([column.mean() for column in known]),
            np.array([column.std() or 1.0 for column in known]),
            np.array([np.quantile(column, inner) for column in known]),
        )

    def dense(self, values: Floats) -> Floats:
        """(rows, 4 * (BINS + 2)): the standardised number, a missing flag and the bin's one-hot."""
        missing = np.isnan(values)
        scaled = np.where(missing, 0.0, (values - self.mean) / self.deviation).clip(-5, 5)
        blocks = [scaled, missing.astype(np.float64)]
        for i in range(values.shape[1]):
            bins = np.searchsorted(self.edges[i], np.nan_to_num(values[:, i]), side="right")
            hot = np.eye(BINS)[bins]
            hot[missing[:, i]] = 0
            blocks.append(hot)
        return np.concatenate(blocks, axis=1)
