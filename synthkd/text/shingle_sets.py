"""Shingles of many normal forms as hashes, and the exact similarity of many pairs of texts.

A run of characters (see `shingles`) is a number of 64 bits. Two different runs share one with a
probability of 2^-64; sets are compared by 52 bits of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from synthkd.text.normal_forms import normal_text

Numbers = np.ndarray[Any, Any]
#: Sets, or pairs of sets, that are sorted together: their number and a hash fit into 64 bits, and
#: their keys into a processor's cache.
BLOCK = 1 << 12
_HASH_BITS = np.uint64(52)
_STEP, _MIX, _MIX_AGAIN = (
    np.uint64(one) for one in (0xD6E8FEB86659FD93, 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53)
)
_SHIFT = np.uint64(32)
#: Apostrophes and joiners close up.
_CLOSED = (ord("'"), 0x200C, 0x200D)


def as_column(texts: Sequence[str]) -> pa.Array:
    """Return strings as an Arrow column; lone surrogates become what a normal form has for them."""
    try:
        return pa.array(texts, pa.large_string())
    except UnicodeEncodeError:
        return pa.array([normal_text(text) for text in texts], pa.large_string())


def shingle_hashes(forms: pa.Array, size: int) -> tuple[Numbers, Numbers]:
    """Return the hash of every run of ``size`` characters of normal forms, with repeats.

    Args:
        forms: Strings, as `normal_texts` returns them.
        size: Characters of a run.

    Returns:
        Hashes, uint64; and the place of each text's first hash, int64 of shape (texts + 1,).
    """
    codes, lengths = _codes(forms.cast(pa.large_string()))
    # Every text with a space on both sides, and zeros up to the end of its last run.
    ends = np.cumsum(lengths + size + 1)
    starts = ends - (lengths + size + 1)
    inner = np.ones(int(ends[-1]) if len(ends) else 0, dtype=bool)
    line = np.zeros(len(inner) + size, np.uint64)
    for places in (starts, starts + lengths + 1):
        inner[places] = False
        line[places] = 32
    for shift in range(1, size):
        inner[ends - shift] = False
    line[: len(inner)][inner] = codes
    hashes = line[: len(inner)].copy()
    for shift in range(1, size):
        hashes *= _STEP
        hashes += line[shift : shift + len(inner)]
    counts = np.maximum(lengths + 3 - size, 1)
    is_run = _ranges(starts, counts, len(inner))
    return _mixed(hashes[is_run]), np.concatenate([[0], np.cumsum(counts)])


def _codes(forms: pa.Array) -> tuple[Numbers, Numbers]:
    """Return the characters of all texts without those that close up, and the texts' lengths."""
    offsets = np.frombuffer(forms.buffers()[1], np.int64, len(forms) + 1, forms.offset * 8)
    data = np.frombuffer(forms.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    bounds = offsets - offsets[0]
    codes: Numbers = data
    if len(data) and data.max() > 127:
        text = data.tobytes().decode("utf-8")
        codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        bounds = _counted((data & 0xC0) != 0x80, bounds)
    kept = codes != _CLOSED[0]
    if codes.dtype == np.uint32:
        kept &= (codes != _CLOSED[1]) & (codes != _CLOSED[2])
    if not kept.all():
        codes, bounds = codes[kept], _counted(kept, bounds)
    return codes, np.diff(bounds)


def _counted(kept: Numbers, bounds: Numbers) -> Numbers:
    """Return how many places are kept before each bound."""
    return np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])[bounds]


def _ranges(starts: Numbers, counts: Numbers, size: int) -> Numbers:
    """Return a mask of ranges that do not overlap."""
    steps = np.zeros(size + 1, np.int8)
    steps[starts] += 1
    # A range may end where the next one begins.
    np.subtract.at(steps, starts + counts, 1)
    return np.cumsum(steps[:-1], dtype=np.int8).astype(bool)


def _mixed(hashes: Numbers) -> Numbers:
    """Return hashes whose bits all depend on all bits (the end of MurmurHash 3)."""
    hashes ^= hashes >> _SHIFT
    hashes *= _MIX
    hashes ^= hashes >> _SHIFT
    hashes *= _MIX_AGAIN
    hashes ^= hashes >> _SHIFT
    return hashes


@dataclass(frozen=True)
class ShingleSets:
    """Sets of shingles: hashes of 52 bits, without repeats, and where each set begins."""

    hashes: Numbers
    begins: Numbers

    @classmethod
    def of(cls, forms: pa.Array, size: int) -> ShingleSets:
        """Return the sets of normal forms."""
        parts = [_distinct(forms.slice(i, BLOCK), size) for i in range(0, len(forms), BLOCK)]
        return cls.joined(parts)

    @classmethod
    def joined(cls, parts: Sequence[ShingleSets]) -> ShingleSets:
        """Return the sets of several parts in one."""
        if len(parts) == 1:
            return parts[0]
        counts = [np.diff(part.begins) for part in parts]
        return cls(
            np.concatenate([np.empty(0, np.uint64), *(part.hashes for part in parts)]),
            np.concatenate([[0], np.cumsum(np.concatenate([np.empty(0, np.int64), *counts]))]),
        )

    def __len__(self) -> int:
        return len(self.begins) - 1

    def similarities(self, ones: Numbers, others: Numbers, least: float = 0.0) -> Numbers:
        """Return the Jaccard similarity of pairs of sets; 0 where sizes alone say less than least.

        Args:
            ones: Numbers of sets.
            others: As many numbers of sets, each compared with the one at its place.
            least: Similarities below are of no interest.
        """
        sizes = np.diff(self.begins)
        small = np.minimum(sizes[ones], sizes[others])
        large = np.maximum(sizes[ones], sizes[others])
        result = np.zeros(len(ones))
        worth = np.flatnonzero(small / large >= least)
        for i in range(0, len(worth), BLOCK):
            at = worth[i : i + BLOCK]
            shared = self._shared(ones[at], others[at], sizes)
            result[at] = shared / (small[at] + large[at] - shared)
        return result

    def _shared(self, ones: Numbers, others: Numbers, sizes: Numbers) -> Numbers:
        """Return the number of shared hashes of at most `BLOCK` pairs."""
        sets = np.concatenate([ones, others])
        pairs = np.tile(np.arange(len(ones), dtype=np.uint64) << _HASH_BITS, 2)
        counts = sizes[sets]
        ends = np.cumsum(counts)
        places = np.arange(ends[-1]) + np.repeat(self.begins[sets] - (ends - counts), counts)
        keys = self.hashes[places] | np.repeat(pairs, counts)
        keys.sort()
        equal = keys[1:][keys[1:] == keys[:-1]] >> _HASH_BITS
        return np.bincount(equal.astype(np.int64), minlength=len(ones))


def _distinct(forms: pa.Array, size: int) -> ShingleSets:
    """Return the sets of at most `BLOCK` forms."""
    hashes, begins = shingle_hashes(forms, size)
    texts = np.arange(len(forms), dtype=np.uint64) << _HASH_BITS
    keys = (hashes >> (np.uint64(64) - _HASH_BITS)) | np.repeat(texts, np.diff(begins))
    keys.sort()
    first = np.ones(len(keys), dtype=bool)
    first[1:] = keys[1:] != keys[:-1]
    keys = keys[first]
    counts = np.bincount((keys >> _HASH_BITS).astype(np.int64), minlength=len(forms))
    return ShingleSets(
        keys & ((np.uint64(1) << _HASH_BITS) - np.uint64(1)),
        np.concatenate([[0], np.cumsum(counts)]),
    )
