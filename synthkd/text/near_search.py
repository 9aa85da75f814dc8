"""Search near-duplicates among very many texts: which rows stay, and what the others are near.

Rows are taken in an order; a row is dropped if a row that stays and comes before it is a candidate
(a band of their signatures is equal) and at least as similar as the threshold. That is decided for
a block of rows at a time: first against all rows that stay from earlier blocks, then in rounds
inside the block. A round keeps every row that has no undecided candidate before it. The result is
that of one row after the other, for any size of a block and any number of threads.

In memory are, for a band, four bytes a row that meets another there (groups with the same members
as one of an earlier band are left out), 12 bytes a group, and 8 bytes a row.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from synthkd.text.minhash import Bands
from synthkd.text.normal_columns import normal_texts
from synthkd.text.shingle_sets import BLOCK, Numbers, ShingleSets, as_column

#: Rows that are decided together, and pairs of rows that are written down at a time.
_ROWS, _PAIRS = 1 << 15, 1 << 20
_LOW = np.uint64(32)


@dataclass(frozen=True)
class Dropped:
    """Rows that are dropped, in order; for each the nearest row that stays and the similarity."""

    rows: Numbers
    others: Numbers
    similarities: Numbers


def drop_near_duplicates(
    columns: Callable[[int], Numbers],
    order: Numbers,
    fixed: int,
    forms: Callable[[Numbers], pa.Array],
    bands: Bands,
    within: Numbers | None = None,
    threads: int | None = None,
) -> Dropped:
    """Drop rows that are near-duplicates of a row before them in an order.

    Args:
        columns: Returns the hashes of a band for all rows, as `Bands.of` gives them.
        order: (n,) the rows, in the order in which they are kept.
        fixed: So many rows at the beginning of the order always stay.
        forms: Returns the normal forms of rows; called by several threads.
        bands: The bands of the hashes.
        within: (n,) a number for each row; only rows with the same one are compared.
        threads: Threads that compare texts. Default: one for each core.
    """
    with ThreadPoolExecutor(threads or cores()) as pool:
        search = _Search(order, forms, bands, within, pool)
        search.group(columns)
        search.keep(fixed)
        for begin in range(fixed, len(order), _ROWS):
            search.decide(begin, min(begin + _ROWS, len(order)))
    return search.dropped()


def near_groups(texts: Sequence[str], threshold: float = 0.7) -> Numbers:
    """Return a group number for each text: near-duplicates of a kept text have its number."""
    bands, forms = Bands(threshold), normal_texts(as_column(texts))
    hashes = bands.of(forms)
    groups = np.arange(len(texts))
    found = drop_near_duplicates(
        lambda band: hashes[:, band],
        groups.copy(),
        0,
        lambda rows: forms.take(pa.array(rows)),
        bands,
    )
    groups[found.rows] = found.others
    return groups


def cores() -> int:
    """Return the number of cores that the process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class _Groups:
    """Rows with the same hash in a band, as places in the order.

    The rows of a group that stay are moved to its beginning when they are decided.
    """

    members: Numbers
    begins: Numbers
    kept: Numbers = field(init=False)

    def __post_init__(self) -> None:
        self.kept = np.zeros(len(self.begins), np.int32)

    def between(self, begin: int, end: int) -> tuple[Numbers, Numbers]:
        """Return where the rows of a block are among the members, and their groups."""
        # Members before the block wrap round to large numbers.
        at = np.flatnonzero((self.members - np.int32(begin)).view(np.uint32) < end - begin)
        return at, np.searchsorted(self.begins, at, "right") - 1

    def kept_before(self, at: Numbers, groups: Numbers) -> Numbers:
        """Return pairs of a row and one that stays in its group, packed."""
        counts = self.kept[groups]
        others = self.members[_expanded(self.begins[groups], counts)]
        return _packed(np.repeat(self.members[at], counts), others)

    def keep(self, at: Numbers, groups: Numbers) -> None:
        """Move members to the beginning of their groups."""
        if not len(at):
            return
        rows = self.members[at]
        starts, counts = _runs(groups)
        rank = np.arange(len(groups)) - np.repeat(starts, counts)
        self.members[self.begins[groups] + self.kept[groups] + rank] = rows
        self.kept[groups[starts]] += counts.astype(np.int32)


class _Search:
    def __init__(
        self,
        order: Numbers,
        forms: Callable[[Numbers], pa.Array],
        bands: Bands,
        within: Numbers | None,
        pool: ThreadPoolExecutor,
    ) -> None:
        self.order, self.forms, self.bands, self.pool = order, forms, bands, pool
        self.within = None if within is None else within[order]
        self._groups: list[_Groups] = []
        self._dropped: list[tuple[Numbers, Numbers, Numbers]] = []

    def group(self, columns: Callable[[int], Numbers]) -> None:
        """Group the rows of each band."""
        seen = np.empty(0, np.uint64)
        for band in range(self.bands.count):
            groups, signs = _grouped(columns(band)[self.order])
            new = _unseen(signs, seen)
            if not new.all():
                counts = np.diff(groups.begins, append=len(groups.members))
                kept = counts[new]
                groups = _Groups(
                    groups.members[np.repeat(new, counts)],
                    (np.cumsum(kept) - kept).astype(groups.begins.dtype),
                )
            seen = np.concatenate([seen, signs[new]])
            seen.sort()
            self._groups.append(groups)

    def keep(self, count: int) -> None:
        """Keep the first rows, whatever they are near."""
        for groups in self._groups if count else ():
            groups.keep(*groups.between(0, count))

    def decide(self, begin: int, end: int) -> None:
        """Decide a block of rows."""
        found = [groups.between(begin, end) for groups in self._groups]
        pairs = sum(
            int(groups.kept[own].sum(dtype=np.int64))
            for groups, (_, own) in zip(self._groups, found, strict=True)
        )
        if pairs > _PAIRS and end - begin > 1:
            middle = (begin + end) // 2
            self.decide(begin, middle)
            self.decide(middle, end)
            return
        before = [groups.kept_before(*own) for groups, own in zip(self._groups, found, strict=True)]
        block = _Block(self, begin, end, _distinct(np.concatenate(before)), self._inner(found))
        block.decide()
        for groups, (at, own) in zip(self._groups, found, strict=True):
            stays = block.nearest[groups.members[at] - begin] < 0
            groups.keep(at[stays], own[stays])
        places = np.flatnonzero(block.nearest >= 0)
        self._dropped.append((places + begin, block.nearest[places], block.similarity[places]))

    def _inner(self, found: Sequence[tuple[Numbers, Numbers]]) -> tuple[Numbers, Numbers]:
        """Return groups with several rows of a block: the rows and their groups' numbers."""
        rows, numbers, first = [np.empty(0, np.int32)], [np.empty(0, np.int64)], 0
        for groups, (at, own) in zip(self._groups, found, strict=True):
            _, counts = _runs(own)
            several = np.repeat(counts > 1, counts)
            rows.append(groups.members[at[several]])
            numbers.append(own[several] + first)
            first += len(groups.begins)
        return np.concatenate(rows), np.concatenate(numbers)

    def sets(self, places: Numbers) -> ShingleSets:
        """Return the shingles of rows."""
        rows = self.order[places]
        parts = [rows[i : i + BLOCK] for i in range(0, len(rows), BLOCK)]
        size = self.bands.size
        return ShingleSets.joined(
            list(self.pool.map(lambda part: ShingleSets.of(self.forms(part), size), parts))
        )

    def similarities(self, sets: ShingleSets, ones: Numbers, others: Numbers) -> Numbers:
        """Return the similarity of pairs of sets; 0 for some below the threshold."""
        step, least = 4 * BLOCK, self.bands.threshold
        parts = self.pool.map(
            lambda i: sets.similarities(ones[i : i + step], others[i : i + step], least),
            range(0, len(ones), step),
        )
        return np.concatenate([np.empty(0), *parts])

    def dropped(self) -> Dropped:
        """Return the rows that were dropped so far."""
        parts = [(np.empty(0, np.int64),) * 2 + (np.empty(0),), *self._dropped]
        places, others, similarities = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Dropped(self.order[places], self.order[others], similarities)


class _Block:
    """Rows that are decided together.

    ``nearest`` is the place of the nearest row that stays, -1 without one. ``similarity`` is
    theirs.
    """

    def __init__(
        self, search: _Search, begin: int, end: int, before: Numbers, inner: tuple[Numbers, Numbers]
    ) -> None:
        self.search, self.begin = search, begin
        self.nearest = np.full(end - begin, -1, np.int64)
        self.similarity = np.zeros(end - begin)
        self.before, self.inner = before, inner
        rows = np.concatenate([*_unpacked(before), inner[0].astype(np.int64)])
        self.places = _distinct(rows)
        self.sets = search.sets(self.places)

    def decide(self) -> None:
        """Compare the rows with those that stay before them."""
        self._compare(self.before)
        rows, groups = self.inner
        while len(rows):
            open_at = np.flatnonzero(self.nearest[rows - self.begin] < 0)
            starts, counts = _runs(groups[open_at])
            first, leads = open_at[starts], np.zeros(len(rows), dtype=bool)
            leads[first] = True
            waits = np.zeros(len(self.nearest), dtype=bool)
            waits[rows[open_at[~leads[open_at]]] - self.begin] = True
            ready = first[~waits[rows[first] - self.begin]]
            ends = np.searchsorted(groups, groups[ready], "right")
            counts = ends - ready - 1
            later = rows[_expanded(ready + 1, counts)]
            self._compare(_distinct(_packed(later, np.repeat(rows[ready], counts))))
            rows, groups = self._left(rows, groups, rows[ready])

    def _left(self, rows: Numbers, groups: Numbers, kept: Numbers) -> tuple[Numbers, Numbers]:
        """Return the rows behind the first undecided one of their group, and that one."""
        decided = self.nearest >= 0
        decided[kept - self.begin] = True
        is_open = ~decided[rows - self.begin]
        starts, counts = _runs(groups)
        open_before = np.cumsum(is_open)
        begun = open_before - np.repeat(open_before[starts] - is_open[starts], counts) > 0
        stays = np.zeros(len(self.nearest), dtype=bool)
        stays[kept - self.begin] = True
        left = begun & ~stays[rows - self.begin]
        rows, groups = rows[left], groups[left]
        if not len(rows):
            return rows, groups
        _, counts = _runs(groups)
        several = np.repeat(counts > 1, counts)
        return rows[several], groups[several]

    def _compare(self, pairs: Numbers) -> None:
        """Compare pairs, of a row and one that stays, and note the nearest for each row."""
        if not len(pairs):
            return
        rows, others = _unpacked(pairs)
        if self.search.within is not None:
            same = self.search.within[rows] == self.search.within[others]
            rows, others = rows[same], others[same]
        similarities = self.search.similarities(
            self.sets, np.searchsorted(self.places, rows), np.searchsorted(self.places, others)
        )
        near = similarities >= self.search.bands.threshold
        rows, others, similarities = rows[near], others[near], similarities[near]
        order = np.lexsort((others, -similarities, rows))
        starts, _ = _runs(rows[order])
        best = order[starts]
        rows, others, similarities = rows[best] - self.begin, others[best], similarities[best]
        known, similar = self.nearest[rows], self.similarity[rows]
        nearer = (known < 0) | (similarities > similar)
        nearer |= (similarities == similar) & (others < known)
        self.nearest[rows[nearer]] = others[nearer]
        self.similarity[rows[nearer]] = similarities[nearer]


def _grouped(hashes: Numbers) -> tuple[_Groups, Numbers]:
    """Return the groups of places with equal hashes, and a number for the members of each."""
    keys = hashes.astype(np.uint64) << _LOW
    keys |= np.arange(len(hashes), dtype=np.uint64)
    keys.sort()
    sorted_hashes = (keys >> _LOW).astype(np.uint32)
    same = sorted_hashes[1:] == sorted_hashes[:-1]
    grouped = np.zeros(len(keys), dtype=bool)
    grouped[1:] = same
    grouped[:-1] |= same
    later = np.zeros(len(keys), dtype=bool)
    later[1:] = same
    begins = np.flatnonzero(~later[grouped])
    members = keys[grouped].astype(np.uint32).astype(np.int32)
    numbers = (members.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    numbers ^= numbers >> np.uint64(29)
    numbers *= np.uint64(0xBF58476D1CE4E5B9)
    numbers ^= numbers >> np.uint64(32)
    signs = np.add.reduceat(numbers, begins) if len(begins) else np.empty(0, np.uint64)
    return _Groups(members, begins.astype(np.int32)), signs


def _unseen(values: Numbers, seen: Numbers) -> Numbers:
    """Return which values are not among sorted ones."""
    if not len(seen):
        return np.ones(len(values), dtype=bool)
    order = np.argsort(values)
    places = np.searchsorted(seen, values[order])
    new = np.ones(len(values), dtype=bool)
    new[order] = seen[np.minimum(places, len(seen) - 1)] != values[order]
    return new


def _runs(values: Numbers) -> tuple[Numbers, Numbers]:
    """Return where runs of equal values begin, and how long they are."""
    starts = np.flatnonzero(np.diff(values, prepend=values[:1] - 1)) if len(values) else values
    starts = starts.astype(np.int64)
    return starts, np.diff(starts, append=len(values))


def _distinct(values: Numbers) -> Numbers:
    """Return sorted values once each: faster than `np.unique`, which hashes them first."""
    values = np.sort(values)
    first = np.ones(len(values), dtype=bool)
    first[1:] = values[1:] != values[:-1]
    return values[first]


def _expanded(begins: Numbers, counts: Numbers) -> Numbers:
    """Return the numbers of several ranges in one array."""
    ends = np.cumsum(counts, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    result: Numbers = np.arange(total) + np.repeat(begins - (ends - counts), counts)
    return result


def _packed(rows: Numbers, others: Numbers) -> Numbers:
    return (rows.astype(np.uint64) << _LOW) | others.astype(np.uint64)


def _unpacked(pairs: Numbers) -> tuple[Numbers, Numbers]:
    return (pairs >> _LOW).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)
