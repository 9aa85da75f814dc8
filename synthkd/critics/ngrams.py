"""Rows to hashed n-grams, words and pairs of words of their columns.

All rows of a batch are hashed at once. With ``P`` the running sum of ``byte[i] * A**i``, the hash
of any piece of text is ``(P[end] - P[start]) * A**-start`` (Rabin and Karp's, modulo 2**64), so
that n-grams, words and whole texts are differences of one array.

Features fall into blocks (`BLOCKS`). A model scales each block of a row to unit length, so that the
many pairs of words across columns do not outweigh the few words themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

#: Number of columns of the feature matrix, as a power of two.
BITS = 18
#: Blocks of hashed features: the relation; whole texts; words and pairs of neighbours; words under
#: the relation; character n-grams; whole texts and words across columns.
BLOCKS = 6
_RELATION, _WHOLE, _WORDS, _RELATED, _GRAMS, _ACROSS = range(BLOCKS)
#: Sizes of character n-grams, in bytes of UTF-8.
SIZES = (2, 3, 4)
#: Words of a column that are paired with those of another.
_PAIRED = 8
_EDGES = " \t.,;:!\"'`“”‘’"
Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Hashes = np.ndarray[Any, np.dtype[np.uint64]]

#: An odd number has an inverse modulo 2**64.
_A = 0x9E3779B97F4A7C15
_A_INVERSE = pow(_A, -1, 1 << 64)
_MIX = np.uint64(0xD6E8FEB86659FD93)


class HashedNgrams(NamedTuple):
    """Occurrences of features: row and column (below 2**BITS) of each.

    ``blocks`` are the consecutive entries of each of the `BLOCKS`.
    """

    rows: Ints
    columns: Ints
    blocks: list[slice]


def hashed_ngrams(rows: pa.Table | pa.RecordBatch, columns: Sequence[str]) -> HashedNgrams:
    """Hash the features of a batch; equal words in two columns are two features."""
    parts = {name: HashedColumn(_texts(rows.column(name))) for name in columns}
    relation = parts.pop("relation", None)
    families = sorted(_features(list(parts.values()), relation), key=lambda family: family[0])
    width = np.uint64(64 - BITS)
    sizes = np.zeros(BLOCKS, dtype=np.int64)
    for block, place, _ in families:
        sizes[block] += len(place)
    ends = np.cumsum(sizes).tolist()
    return HashedNgrams(
        np.concatenate([place for _, place, _ in families]),
        np.concatenate([(mixed_bits(value) >> width).astype(np.int64) for _, _, value in families]),
        [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)],
    )


def _features(
    parts: list[HashedColumn], relation: HashedColumn | None
) -> Iterator[tuple[int, Ints, Hashes]]:
    """Yield block, rows and hashes of each family of features; ``seed`` keeps families apart."""
    r = relation.whole if relation else None
    if r is not None:
        yield _RELATION, np.arange(len(r)), _seeded(r, 1)
    for number, part in enumerate(parts):
        seed = 16 * (number + 1)
        yield from _with_relation(_WHOLE, _WHOLE, part.every, part.whole, r, seed)
        yield from _with_relation(_WORDS, _RELATED, part.word_rows, part.words, r, seed + 2)
        yield _WORDS, part.pair_rows, _seeded(part.pairs, seed + 4)
        for size in SIZES:
            place, value = part.grams(size)
            yield _GRAMS, place, _seeded(value, seed + 4 + size)
    for i, left in enumerate(parts):
        for j, right in enumerate(parts[i + 1 :], i + 1):
            seed = 16 * (len(parts) + 1 + i * len(parts) + j)
            yield _ACROSS, left.every, joined_hashes(left.whole, right.whole, seed)
            place, a, b = _crossed(left, right)
            both = joined_hashes(left.words[a], right.words[b], seed + 1)
            yield from _with_relation(_ACROSS, _ACROSS, place, both, r, seed + 2)


def _with_relation(
    alone: int, related: int, place: Ints, value: Hashes, relation: Hashes | None, seed: int
) -> Iterator[tuple[int, Ints, Hashes]]:
    """Yield features by themselves, and joined with their row's relation."""
    yield alone, place, _seeded(value, seed)
    if relation is not None:
        yield related, place, joined_hashes(relation[place], value, seed + 1)


class HashedColumn:
    """Texts of one column, each between blanks, as bytes with the running sum over them."""

    def __init__(self, texts: pa.Array) -> None:
        offsets = np.frombuffer(texts.buffers()[1], np.int32)[
            texts.offset : texts.offset + len(texts) + 1
        ]
        self.data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
        self.starts = (offsets[:-1] - offsets[0]).astype(np.int64)
        self.ends = (offsets[1:] - offsets[0]).astype(np.int64)
        self.every = np.arange(len(texts))
        self.byte_rows = np.repeat(self.every, self.ends - self.starts)
        powers, self._inverse = _powers(_room(len(self.data)))
        self._sums = np.zeros(len(self.data) + 1, np.uint64)
        np.cumsum(self.data * powers[: len(self.data)], out=self._sums[1:])
        self.whole = self.hashes(self.starts + 1, self.ends - 1)
        self._cut_words()

    def hashes(self, start: Ints, end: Ints) -> Hashes:
        """Return hashes of the pieces from ``start`` up to ``end``."""
        value: Hashes = (self._sums[end] - self._sums[start]) * self._inverse[start]
        return value

    def _cut_words(self) -> None:
        """Find the words between blanks; ``first`` and ``count`` locate those of each row."""
        blanks = np.flatnonzero(self.data == 32)
        start, end = blanks[:-1] + 1, blanks[1:]
        inside = (self.byte_rows[blanks[:-1]] == self.byte_rows[blanks[1:]]) & (end > start)
        start, end = start[inside], end[inside]
        self.word_rows = self.byte_rows[start]
        self.words = self.hashes(start, end)
        self.count = np.bincount(self.word_rows, minlength=len(self.every))
        self.first = np.cumsum(self.count) - self.count
        next_to = np.flatnonzero(self.word_rows[:-1] == self.word_rows[1:])
        self.pair_rows = self.word_rows[next_to]
        self.pairs = self.hashes(start[next_to], end[next_to + 1])

    def grams(self, size: int) -> tuple[Ints, Hashes]:
        """Return rows and hashes of the n-grams, blanks around the text included."""
        last = max(len(self.data) - size + 1, 0)
        start = np.flatnonzero(self.byte_rows[:last] == self.byte_rows[size - 1 : size - 1 + last])
        return self.byte_rows[start], self.hashes(start, start + size)


def _crossed(left: HashedColumn, right: HashedColumn) -> tuple[Ints, Ints, Ints]:
    """Pair the first words of two columns: rows, places in the left, places in the right."""
    wide = np.minimum(right.count, _PAIRED)
    pairs = np.minimum(left.count, _PAIRED) * wide
    place = np.repeat(left.every, pairs)
    within = np.arange(len(place)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    width = np.maximum(wide, 1)[place]
    return place, left.first[place] + within // width, right.first[place] + within % width


def _texts(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Normalise texts: NFKC, lower case, single blanks, bare edges, a blank on each side."""
    import pyarrow.compute as pc

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    plain = pc.fill_null(column.cast(pa.string()), "")
    plain = pc.utf8_lower(pc.utf8_normalize(plain, form="NFKC"))
    plain = pc.utf8_trim(pc.replace_substring_regex(plain, r"\s+", " "), characters=_EDGES)
    return pc.binary_join_element_wise("", plain, "", " ")


@lru_cache(maxsize=2)
def _powers(count: int) -> tuple[Hashes, Hashes]:
    """Return the first powers of A and of its inverse."""
    with np.errstate(over="ignore"):
        return tuple(
            np.cumprod(np.full(count, base, np.uint64) ** (np.arange(count) > 0), dtype=np.uint64)
            for base in (_A, _A_INVERSE)
        )  # type: ignore[return-value]


def _room(size: int) -> int:
    """Round a size up, so that few arrays of powers are made."""
    return 1 << max(size + 1, 1 << 16).bit_length()


def _seeded(value: Hashes, seed: int) -> Hashes:
    seeded: Hashes = value + np.uint64(seed * 0xC2B2AE3D27D4EB4F & (1 << 64) - 1)
    return seeded


def joined_hashes(left: Hashes, right: Hashes, seed: int) -> Hashes:
    """Return a hash of each pair (n,)."""
    return _seeded(mixed_bits(left) + right * np.uint64(0xFF51AFD7ED558CCD), seed)


def mixed_bits(value: Hashes) -> Hashes:
    """Let every bit of a value influence the upper bits of the result."""
    value = (value ^ (value >> np.uint64(32))) * _MIX
    mixed: Hashes = (value ^ (value >> np.uint64(32))) * _MIX
    return mixed
