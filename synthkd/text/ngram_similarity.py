"""Similarity of texts to some known ones, by TF-IDF of hashed words and character n-grams.

No vocabulary is built, so that an n-gram which no known text has counts too: it makes a text
longer, and so less similar. Only numpy and pyarrow are needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthkd.text.hashed_ngrams import Floats, HashedColumn, Hashes, Ints, family_hashes, mixed_bits
from synthkd.text.normal_columns import normal_texts

#: Sizes of character n-grams, in bytes of UTF-8.
_SIZES = (3, 4)
#: Products of two entries that are in memory at a time.
_PRODUCTS = 1 << 22
#: Texts that are hashed at a time.
_TEXTS = 4096


class _Entries(NamedTuple):
    """Features of texts: row, key and term frequency of each; each row and key stands once."""

    rows: Ints
    keys: Hashes
    counts: Floats


class NgramIndex:
    """The known texts, by the words and n-grams that they have.

    Words with pairs of neighbours, and n-grams within and across words, are two blocks of a text's
    vector, each of norm 1. A similarity is the mean of both cosines.

    Args:
        texts: The known texts.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.size = len(texts)
        self._blocks = [_Postings(entries, self.size) for entries in _entries(texts)]

    def similarity(self, texts: Sequence[str]) -> Floats:
        """Return the similarity of each text to each known one (m, n), from 0 to 1."""
        parts = []
        for start in range(0, len(texts), _TEXTS):
            part = texts[start : start + _TEXTS]
            blocks = zip(self._blocks, _entries(part), strict=True)
            parts.append(_mean([block.cosines(entries, len(part)) for block, entries in blocks]))
        return np.concatenate(parts) if parts else np.zeros((0, self.size))

    def among_themselves(self) -> Floats:
        """Return the similarity of each known text to each other (n, n), 1 to itself.

        The weights of a row's own features are those that it would have if it were not known.
        """
        similarity = _mean([block.among_themselves() for block in self._blocks])
        np.fill_diagonal(similarity, 1.0)
        return similarity


class _Postings:
    """One block of the known texts: the features in order, each with its texts and weights."""

    def __init__(self, entries: _Entries, size: int) -> None:
        self._entries, self._size = entries, size
        order = np.argsort(entries.keys, kind="stable")
        self._keys, first, self._frequency = np.unique(
            entries.keys[order], return_index=True, return_counts=True
        )
        self._begin = first
        weights = _unit(entries.rows, entries.counts * self._rarity(entries.keys), size)
        self._rows, self._weights = entries.rows[order], weights[order]

    def _rarity(self, keys: Hashes, others: int = 0) -> Floats:
        """Return the inverse document frequency of keys, without ``others`` of the texts."""
        frequency = np.maximum(self._frequencies(keys) - others, 0)
        rarity: Floats = np.log((1 + self._size - others) / (1 + frequency)) + 1
        return rarity

    def _frequencies(self, keys: Hashes) -> Ints:
        place, known = self._places(keys)
        return np.where(known, self._frequency[place], 0) if len(self._keys) else place

    def _places(self, keys: Hashes) -> tuple[Ints, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
        place = np.minimum(np.searchsorted(self._keys, keys), max(len(self._keys) - 1, 0))
        if not len(self._keys):
            return np.zeros(len(keys), np.int64), np.zeros(len(keys), bool)
        return place, self._keys[place] == keys

    def cosines(self, entries: _Entries, count: int, others: int = 0) -> Floats:
        weights = _unit(entries.rows, entries.counts * self._rarity(entries.keys, others), count)
        place, known = self._places(entries.keys)
        rows, place, weights = entries.rows[known], place[known], weights[known]
        cosines = np.zeros(count * self._size)
        if not len(place):
            return cosines.reshape(count, self._size)
        lengths = self._frequency[place]
        for part in _parts(lengths):
            length = lengths[part]
            of = np.repeat(np.arange(length.size), length)
            within = np.arange(len(of)) - np.repeat(np.cumsum(length) - length, length)
            at = self._begin[place[part]][of] + within
            cell = rows[part][of] * self._size + self._rows[at]
            cosines += np.bincount(
                cell, weights[part][of] * self._weights[at], minlength=len(cosines)
            )
        return cosines.reshape(count, self._size)

    def among_themselves(self) -> Floats:
        return self.cosines(self._entries, self._size, others=1)


def _mean(parts: Sequence[Floats]) -> Floats:
    mean: Floats = np.mean(parts, axis=0)
    return mean


def _parts(lengths: Ints) -> Iterator[slice]:
    """Cut entries so that each part has about `_PRODUCTS` products."""
    ends = np.cumsum(lengths)
    start = 0
    while start < len(lengths):
        done = int(ends[start - 1]) if start else 0
        end = max(int(np.searchsorted(ends, done + _PRODUCTS, "right")), start + 1)
        yield slice(start, end)
        start = end


def _unit(rows: Ints, weights: Floats, count: int) -> Floats:
    """Scale the entries of each row to norm 1."""
    norm = np.sqrt(np.bincount(rows, weights**2, minlength=count))
    scaled: Floats = weights / np.maximum(norm, 1e-12)[rows]
    return scaled


def _entries(texts: Sequence[str]) -> list[_Entries]:
    """Return the features of texts: words with pairs of words, and character n-grams."""
    plain = normal_texts(pa.array(texts, pa.string())).cast(pa.string())
    column = HashedColumn(pc.binary_join_element_wise("", plain, "", " "))
    words = [(column.word_rows, family_hashes(column.words, 1)), (column.pair_rows, column.pairs)]
    grams = [
        (rows, family_hashes(value, size))
        for size in _SIZES
        for rows, value in [column.grams(size)]
    ]
    return [_counted(words), _counted(grams)]


def _counted(parts: Sequence[tuple[Ints, Hashes]]) -> _Entries:
    rows = np.concatenate([row for row, _ in parts])
    keys = mixed_bits(np.concatenate([value for _, value in parts]))
    order = np.lexsort((keys, rows))
    rows, keys = rows[order], keys[order]
    new = np.ones(len(rows), bool)
    new[1:] = (rows[1:] != rows[:-1]) | (keys[1:] != keys[:-1])
    first = np.flatnonzero(new)
    counts = np.diff(np.append(first, len(rows)))
    return _Entries(rows[first], keys[first], 1 + np.log(counts))
