"""Texts to a sparse matrix: words and pairs of neighbours in one block, pieces of words in another.

A text is in lower case, cut into words (runs of letters and digits) and signs. A word's pieces are its n-grams with a blank
on both sides, so that they know where a word starts and ends; they see through typing errors and endings. Each block is
weighted by TF-IDF (1 + ln tf, smoothed idf) and has length 1 in each row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from zlib import crc32

import numpy as np

from synthkd.students.base import Floats

#: Sizes of the pieces of words.
SIZES = (2, 3, 4)
Ints = np.ndarray[Any, np.dtype[np.int32]]
_NONE: Ints = np.zeros(0, dtype=np.int32)
#: Texts that are cut into features at a time.
_LOT = 8192
#: Words whose columns are kept in memory.
_KEPT = 200_000
#: Halves of characters, which no file can hold, are left out.
_WORD = re.compile("\\w+|[^\\w\\s\ud800-\udfff]")


def split_words(text: str) -> list[str]:
    """The words and signs of a text, in lower case."""
    return _WORD.findall(text.lower())


def word_ngrams(word: str) -> list[str]:
    """The n-grams of a word between blanks."""
    padded = f" {word} "
    return [padded[at : at + size] for size in SIZES for at in range(len(padded) - size + 1)]


def word_pairs(found: list[str]) -> list[str]:
    """Neighbours, as one feature each."""
    return [f"{left} {right}" for left, right in pairwise(found)]


@dataclass
class FeatureBlock:
    """The columns of one kind of feature: a vocabulary that the training rows gave, or ``bits`` for hashing.

    ``idf`` (columns,): what each is worth, once it was learnt.
    """

    bits: int | None = None
    vocabulary: dict[str, int] = field(default_factory=dict)
    idf: Floats | None = None

    @property
    def width(self) -> int:
        return 1 << self.bits if self.bits is not None else len(self.vocabulary)

    def place(self, learn: bool) -> Callable[[str], int]:
        """Feature to column; -1 for one that is unknown."""
        if self.bits is not None:
            mask = (1 << self.bits) - 1
            return lambda feature: crc32(feature.encode("utf-8", "replace")) & mask
        known = self.vocabulary
        if learn:
            return lambda feature: known.setdefault(feature, len(known))
        return lambda feature: known.get(feature, -1)

    def weigh(self, at: Ints, to: Ints, size: int, learn: bool) -> Any:
        """(size, width) CSR matrix from one entry for each occurrence: its row and its column."""
        from scipy.sparse import csr_matrix

        known = to >= 0
        ones = np.ones(int(known.sum()))
        counts = csr_matrix((ones, (at[known], to[known])), shape=(size, self.width))
        if learn:
            having = np.bincount(counts.indices, minlength=self.width)
            self.idf = np.log((1 + size) / (1 + having)) + 1
        counts.data = 1 + np.log(counts.data)
        if self.idf is not None:
            counts.data *= self.idf[counts.indices]
        length = np.sqrt(np.asarray(counts.multiply(counts).sum(1)).ravel())
        counts.data /= np.repeat(np.where(length > 0, length, 1.0), np.diff(counts.indptr))
        return counts


class WordFeatures:
    """The two blocks. ``bits``: hash features into 2**bits columns each instead of keeping a vocabulary."""

    def __init__(self, bits: int | None = None) -> None:
        self.blocks = (FeatureBlock(bits), FeatureBlock(bits))
        self._seen: dict[str, tuple[int, ...]] = {}

    def fit(self, texts: Sequence[str]) -> Any:
        """Learn the vocabulary, and give the (n, columns) matrix of these texts."""
        self.blocks = (FeatureBlock(self.blocks[0].bits), FeatureBlock(self.blocks[1].bits))
        self._seen = {}
        return self._matrix(texts, learn=True)

    def of(self, texts: Sequence[str]) -> Any:
        """(n, columns) CSR matrix; a text without a known feature is a row of zeros."""
        return self._matrix(texts, learn=False)

    def _matrix(self, texts: Sequence[str], learn: bool) -> Any:
        from scipy.sparse import hstack

        lots = [self._entries(texts[at : at + _LOT], at, learn) for at in range(0, len(texts), _LOT)]
        blocks = []
        for number, block in enumerate(self.blocks):
            at, to = (np.concatenate([_NONE, *(lot[2 * number + side] for lot in lots)]) for side in (0, 1))
            blocks.append(block.weigh(at, to, len(texts), learn))
        return hstack(blocks, format="csr")

    def _entries(self, texts: Sequence[str], first: int, learn: bool) -> list[Ints]:
        """Rows and columns of the occurrences of each block, some texts at a time: a list takes ten times an array's room."""
        whole, part = (block.place(learn) for block in self.blocks)
        entries: tuple[list[int], ...] = ([], [], [], [])
        for row, text in enumerate(texts, first):
            found = split_words(text)
            here = [whole(feature) for feature in (*found, *word_pairs(found))]
            inside = [column for word in found for column in self._pieces(word, part)]
            for place, columns in ((0, here), (2, inside)):
                entries[place].extend([row] * len(columns))
                entries[place + 1].extend(columns)
        return [np.array(numbers, dtype=np.int32) for numbers in entries]

    def _pieces(self, word: str, part: Callable[[str], int]) -> tuple[int, ...]:
        """Columns of a word's pieces; most words come again."""
        columns = self._seen.get(word)
        if columns is None:
            if len(self._seen) >= _KEPT:
                self._seen.clear()
            columns = self._seen[word] = tuple(
                column for piece in word_ngrams(word) if (column := part(piece)) >= 0
            )
        return columns
