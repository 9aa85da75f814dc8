"""Hashes of words and n-grams of whole columns of texts.

All texts of a column are hashed at once. With ``P`` the running sum of ``byte[i] * A**i``, the hash
of any piece of text is ``(P[end] - P[start]) * A**-start`` (Rabin and Karp's, modulo 2**64), so
that n-grams, words and whole texts are differences of one array.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

_EDGES = " \t.,;:!\"'`“”‘’"
Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Hashes = np.ndarray[Any, np.dtype[np.uint64]]

#: An odd number has an inverse modulo 2**64.
_A = 0x9E3779B97F4A7C15
_A_INVERSE = pow(_A, -1, 1 << 64)
_MIX = np.uint64(0xD6E8FEB86659FD93)


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


def folded_texts(column: pa.Array | pa.ChunkedArray) -> pa.Array:
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


def family_hashes(value: Hashes, seed: int) -> Hashes:
    """Return hashes of the same values of another family (n,)."""
    seeded: Hashes = value + np.uint64(seed * 0xC2B2AE3D27D4EB4F & (1 << 64) - 1)
    return seeded


def joined_hashes(left: Hashes, right: Hashes, seed: int) -> Hashes:
    """Return a hash of each pair (n,)."""
    return family_hashes(mixed_bits(left) + right * np.uint64(0xFF51AFD7ED558CCD), seed)


def mixed_bits(value: Hashes) -> Hashes:
    """Let every bit of a value influence the upper bits of the result."""
    value = (value ^ (value >> np.uint64(32))) * _MIX
    mixed: Hashes = (value ^ (value >> np.uint64(32))) * _MIX
    return mixed
