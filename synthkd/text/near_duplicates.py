"""Find texts that are nearly alike: MinHash signatures in bands (rensa), each pair verified by its exact Jaccard
similarity over runs of characters.

Texts meet where they agree in a whole band. Bands are as narrow as it takes for two texts at the threshold to meet with a
probability of at least `RECALL`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from synthkd.errors import require_extra
from synthkd.text.normal_forms import SHINGLE, normal_text, shingles

__all__ = ["SHINGLE", "jaccard", "normal_text", "shingles"]


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Shared runs over all runs."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


Numbers = np.ndarray[Any, Any]
#: Hashes in a signature, and the probability with which two texts at the threshold meet.
HASHES, RECALL = 256, 0.99
_SEED = 20
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Bands:
    """Signatures of texts. ``threshold``: Jaccard similarity from which two texts are nearly alike; ``size``: characters of
    a shingle."""

    def __init__(self, threshold: float = 0.8, size: int = SHINGLE) -> None:
        if not 0.3 <= threshold < 1:
            raise ValueError(f"threshold: a number from 0.3 to 1 is needed, not {threshold!r}")
        if size < 1:
            raise ValueError("size: counts from 1")
        require_extra("the search for near-duplicates", "text", "rensa")
        self.threshold, self.size = threshold, size
        self.width = _width(threshold)
        self.count = HASHES // self.width

    def of(self, texts: Sequence[str]) -> Numbers:
        """A hash for each text and band, uint64. Shape: texts, bands."""
        import rensa

        sets = [shingles(normal_text(text), self.size) for text in texts]
        if not sets:
            return np.empty((0, self.count), np.uint64)
        rows = rensa.RMinHash.digest_matrix_from_token_sets(sets, HASHES, _SEED).to_rows()
        hashes = np.array(rows, dtype=np.uint64)[:, : self.width * self.count]
        parts = hashes.reshape(len(texts), self.count, self.width)
        mixed = np.zeros(parts.shape[:2], np.uint64)
        for i in range(self.width):
            mixed = (mixed ^ parts[:, :, i]) * _MIX
            mixed ^= mixed >> np.uint64(29)
        return mixed

    def similar(self, one: str, other: str) -> float:
        """The exact similarity of two texts."""
        return jaccard(shingles(normal_text(one), self.size), shingles(normal_text(other), self.size))


def _width(threshold: float) -> int:
    """The most hashes in a band with which texts at the threshold still meet."""
    fit = [w for w in range(1, 17) if 1 - (1 - threshold**w) ** (HASHES // w) >= RECALL]
    return max(fit, default=1)


def greedy(
    columns: Callable[[int], Numbers],
    order: Numbers,
    fixed: int,
    text: Callable[[int], str],
    bands: Bands,
) -> Iterator[tuple[int, int, float]]:
    """Go through the rows in an order, and drop each that is near one that was kept: (row, the kept one that it is
    nearest to, similarity).

    ``columns`` gives the hashes of a band for all rows; ``text`` a row's text. The first ``fixed`` rows always stay.
    """
    meets = np.zeros(len(order), dtype=bool)
    for band in range(bands.count):
        meets |= _groups(columns(band)) >= 0
    rows = order[meets[order]]
    if not len(rows):
        return
    # From here on only rows that meet another take memory: two int32 a band.
    place = np.full(len(order), -1, np.int32)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    member = np.empty((len(rows), bands.count), np.int32)
    groups = 0
    for band in range(bands.count):
        found = _groups(columns(band))[rows]
        member[:, band] = np.where(found >= 0, found + groups, -1)
        groups += int(found.max(initial=-1)) + 1
    last, before = np.full(groups, -1, np.int32), np.full(member.shape, -1, np.int32)

    @lru_cache(1 << 13)
    def runs(row: int) -> frozenset[str]:
        return shingles(normal_text(text(row)), bands.size)

    for at in range(len(rows)):
        row, own = int(rows[at]), member[at].tolist()
        near = None if row < fixed else _nearest(at, own, last, before, rows, runs, bands.threshold)
        if near is not None:
            yield row, near[0], near[1]
            continue
        for band, group in enumerate(own):
            if group >= 0:
                before[at, band], last[group] = last[group], at


def _nearest(
    at: int,
    own: list[int],
    last: Numbers,
    before: Numbers,
    rows: Numbers,
    runs: Callable[[int], frozenset[str]],
    threshold: float,
) -> tuple[int, float] | None:
    """The kept row that a row is nearest to; of equally near ones the first that was kept."""
    others: set[int] = set()
    for band, group in enumerate(own):
        other = int(last[group]) if group >= 0 else -1
        while other >= 0:
            others.add(other)
            other = int(before[other, band])
    best: tuple[int, float] | None = None
    for other in sorted(others):
        similarity = jaccard(runs(int(rows[at])), runs(int(rows[other])))
        if similarity >= threshold and (best is None or similarity > best[1]):
            best = int(rows[other]), similarity
    return best


def _groups(hashes: Numbers) -> Numbers:
    """The number of each row's group of equal hashes, int32; -1 where a row is alone."""
    _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    several = counts > 1
    numbers = np.where(several, np.cumsum(several) - 1, -1).astype(np.int32)
    result: Numbers = numbers[inverse]
    return result


def near_groups(texts: Sequence[str], threshold: float = 0.7) -> Numbers:
    """A number for each text: texts that are near one that stands for a group have its number."""
    bands = Bands(threshold)
    hashes = bands.of(texts)
    found = np.arange(len(texts))
    for row, other, _ in greedy(lambda b: hashes[:, b], found.copy(), 0, texts.__getitem__, bands):
        found[row] = found[other]
    return found
