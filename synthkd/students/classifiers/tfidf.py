"""TF-IDF features: words and pairs of neighbouring words in one block, n-grams of words in another.

A text is lower-cased and split into words (runs of letters and digits) and signs. The n-grams of a
word include a blank on either side, so that they mark its start and end; they are robust to typing
errors and endings. Each block is weighted by TF-IDF (1 + ln tf, smoothed idf) and has length 1 in
each row. `TfidfVectorizer` of scikit-learn gives the same cosines (to 3e-15) in over twice the
time, which is most of the training of a linear student.
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

#: Sizes of n-grams.
SIZES = (2, 3, 4)
Ints = np.ndarray[Any, np.dtype[np.int32]]
_NO_COLUMNS: Ints = np.zeros(0, dtype=np.int32)
#: Texts that are split at a time.
_CHUNK = 8192
#: Words whose n-gram columns are cached.
_CACHED_WORDS = 200_000
#: Lone surrogates, which no file can hold, are left out.
_WORD = re.compile("\\w+|[^\\w\\s\ud800-\udfff]")


def split_words(text: str) -> list[str]:
    """Return the words and signs of a text, in lower case."""
    return _WORD.findall(text.lower())


def word_ngrams(word: str) -> list[str]:
    """Return the n-grams of a word between blanks."""
    padded = f" {word} "
    return [padded[at : at + size] for size in SIZES for at in range(len(padded) - size + 1)]


def word_pairs(words: list[str]) -> list[str]:
    """Return neighbouring words, each pair as one feature."""
    return [f"{left} {right}" for left, right in pairwise(words)]


@dataclass
class FeatureBlock:
    """The columns of one sort of feature: a learnt vocabulary, or hashed features.

    Attributes:
        bits: Hash features into 2**bits columns; None for a vocabulary.
        vocabulary: Feature -> column.
        idf: (columns,) weights, once they are learnt.
    """

    bits: int | None = None
    vocabulary: dict[str, int] = field(default_factory=dict)
    idf: Floats | None = None

    @property
    def width(self) -> int:
        """The number of columns."""
        return 1 << self.bits if self.bits is not None else len(self.vocabulary)

    def column_of(self, learn: bool) -> Callable[[str], int]:
        """Return a function from feature to column; -1 for an unknown feature, unless `learn`."""
        if self.bits is not None:
            mask = (1 << self.bits) - 1
            return lambda feature: crc32(feature.encode("utf-8", "replace")) & mask
        known = self.vocabulary
        if learn:
            return lambda feature: known.setdefault(feature, len(known))
        return lambda feature: known.get(feature, -1)

    def weigh(self, rows: Ints, columns: Ints, size: int, learn: bool) -> Any:
        """Return a (size, width) CSR matrix from the row and column of each occurrence."""
        from scipy.sparse import csr_matrix

        known = columns >= 0
        ones = np.ones(int(known.sum()))
        counts = csr_matrix((ones, (rows[known], columns[known])), shape=(size, self.width))
        if learn:
            document_counts = np.bincount(counts.indices, minlength=self.width)
            self.idf = np.log((1 + size) / (1 + document_counts)) + 1
        counts.data = 1 + np.log(counts.data)
        if self.idf is not None:
            counts.data *= self.idf[counts.indices]
        length = np.sqrt(np.asarray(counts.multiply(counts).sum(1)).ravel())
        counts.data /= np.repeat(np.where(length > 0, length, 1.0), np.diff(counts.indptr))
        return counts


class WordFeatures:
    """TF-IDF of words and of n-grams.

    Attributes:
        blocks: The columns of words, and those of n-grams.
    """

    def __init__(self, bits: int | None = None) -> None:
        """Hash features into 2**bits columns in each block; None learns a vocabulary."""
        self.bits = bits
        self.blocks = (FeatureBlock(bits), FeatureBlock(bits))
        self._ngram_columns: dict[str, tuple[int, ...]] = {}

    def fit(self, texts: Sequence[str]) -> Any:
        """Learn vocabulary and weights, and return the (n, columns) CSR matrix of the texts."""
        self.blocks = (FeatureBlock(self.bits), FeatureBlock(self.bits))
        self._ngram_columns = {}
        return self._matrix(texts, learn=True)

    def transform(self, texts: Sequence[str]) -> Any:
        """Return an (n, columns) CSR matrix; a text without a known feature is a row of zeros."""
        return self._matrix(texts, learn=False)

    def fold(self, texts: Sequence[str], matrix: Any, train: Any, held_out: Any) -> tuple[Any, Any]:
        """Return features of training and held-out rows; only the former are learnt from."""
        features = WordFeatures(self.bits)
        return features.fit([texts[row] for row in train]), features.transform(
            [texts[row] for row in held_out]
        )

    def _matrix(self, texts: Sequence[str], learn: bool) -> Any:
        from scipy.sparse import hstack

        chunks = [
            self._entries(texts[at : at + _CHUNK], at, learn) for at in range(0, len(texts), _CHUNK)
        ]
        blocks = []
        for number, block in enumerate(self.blocks):
            rows, columns = (
                np.concatenate([_NO_COLUMNS, *(chunk[2 * number + side] for chunk in chunks)])
                for side in (0, 1)
            )
            blocks.append(block.weigh(rows, columns, len(texts), learn))
        return hstack(blocks, format="csr")

    def _entries(self, texts: Sequence[str], first: int, learn: bool) -> list[Ints]:
        """Return rows and columns of the occurrences in each block, as arrays."""
        word_column, ngram_column = (block.column_of(learn) for block in self.blocks)
        entries: tuple[list[int], ...] = ([], [], [], [])
        for row, text in enumerate(texts, first):
            words = split_words(text)
            of_words = [word_column(feature) for feature in (*words, *word_pairs(words))]
            of_ngrams = [
                column for word in words for column in self._columns_of(word, ngram_column)
            ]
            for place, columns in ((0, of_words), (2, of_ngrams)):
                entries[place].extend([row] * len(columns))
                entries[place + 1].extend(columns)
        return [np.array(numbers, dtype=np.int32) for numbers in entries]

    def _columns_of(self, word: str, ngram_column: Callable[[str], int]) -> tuple[int, ...]:
        columns = self._ngram_columns.get(word)
        if columns is None:
            if len(self._ngram_columns) >= _CACHED_WORDS:
                self._ngram_columns.clear()
            columns = self._ngram_columns[word] = tuple(
                column for ngram in word_ngrams(word) if (column := ngram_column(ngram)) >= 0
            )
        return columns
