"""Find near-duplicates among many texts: MinHash signatures in bands (rensa).

Two texts are candidates if they agree in a whole band; their exact Jaccard similarity decides.
Bands are so narrow that two texts at the threshold are candidates with a probability of at least
`RECALL`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from synthkd.errors import require_extra
from synthkd.text.near_duplicates import jaccard
from synthkd.text.normal_forms import SHINGLE, normal_text, shingles

Numbers = np.ndarray[Any, Any]
#: Hashes of a signature, and the least probability that two texts at the threshold are candidates.
HASHES, RECALL = 256, 0.99
_SEED = 20
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Bands:
    """Signatures of texts, in bands.

    Args:
        threshold: Jaccard similarity of two near-duplicates, at least.
        size: Characters of a shingle.
    """

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
        """Return a hash for each text and band, uint64 of shape (texts, bands)."""
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
        """Return the exact similarity of two texts."""
        return jaccard(
            shingles(normal_text(one), self.size), shingles(normal_text(other), self.size)
        )


def _width(threshold: float) -> int:
    """Return the widest band in hashes with which the recall is reached."""
    fit = [w for w in range(1, 17) if 1 - (1 - threshold**w) ** (HASHES // w) >= RECALL]
    return max(fit, default=1)


def drop_near_duplicates(
    columns: Callable[[int], Numbers],
    order: Numbers,
    fixed: int,
    text: Callable[[int], str],
    bands: Bands,
) -> Iterator[tuple[int, int, float]]:
    """Drop rows that are near-duplicates of a row before them in an order.

    Args:
        columns: Returns the hashes of a band for all rows.
        order: (n,) the rows, in the order in which they are kept.
        fixed: Rows below this number always stay.
        text: Returns the text of a row.
        bands: The bands of the hashes.

    Yields:
        A dropped row, the kept row that it is nearest to, and their similarity.
    """
    meets = np.zeros(len(order), dtype=bool)
    for band in range(bands.count):
        meets |= _groups(columns(band)) >= 0
    rows = order[meets[order]]
    if not len(rows):
        return
    # From here on, only rows with candidates take memory: two int32 per band.
    place = np.full(len(order), -1, np.int32)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    member = np.empty((len(rows), bands.count), np.int32)
    groups = 0
    for band in range(bands.count):
        numbers = _groups(columns(band))[rows]
        member[:, band] = np.where(numbers >= 0, numbers + groups, -1)
        groups += int(numbers.max(initial=-1)) + 1
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
    """Return the nearest kept row of a row, the first of equally near ones; None without one."""
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
    """Return the number of each row's group of equal hashes, int32; -1 for a row alone."""
    _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    several = counts > 1
    numbers = np.where(several, np.cumsum(several) - 1, -1).astype(np.int32)
    result: Numbers = numbers[inverse]
    return result


def near_groups(texts: Sequence[str], threshold: float = 0.7) -> Numbers:
    """Return a group number for each text: near-duplicates of a kept text have its number."""
    bands = Bands(threshold)
    hashes = bands.of(texts)
    groups = np.arange(len(texts))
    for row, other, _ in drop_near_duplicates(
        lambda b: hashes[:, b], groups.copy(), 0, texts.__getitem__, bands
    ):
        groups[row] = groups[other]
    return groups
