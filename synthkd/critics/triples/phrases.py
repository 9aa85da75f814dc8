"""Phrases and words as numbers.

A critic's files hold 64-bit hashes of them, never the reference's text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from synthkd.text.normal_forms import normal_phrase

Ints = np.ndarray[Any, np.dtype[np.int64]]
#: Head, relation, tail.
Triple = tuple[str, str, str]
#: Words read of a phrase.
LONGEST = 24


@lru_cache(maxsize=1 << 18)
def phrase_hash(text: str) -> int:
    """Return the first 64 bits of blake2b as a signed integer."""
    return int.from_bytes(
        hashlib.blake2b(text.encode(), digest_size=8).digest(), "little", signed=True
    )


def phrase_words(phrase: str) -> list[str]:
    """Return the distinct words of a phrase in order; a phrase without any is its own word."""
    return list(dict.fromkeys(re.findall(r"[\w']+", phrase)))[:LONGEST] or [phrase]


def lookup(table: Ints, hashes: Ints) -> Ints:
    """Return the index of each hash in a sorted table; ``len(table)`` for an unknown one."""
    place = np.searchsorted(table, hashes)
    present = place < len(table)
    present[present] = table[place[present]] == hashes[present]
    return np.where(present, place, len(table))


@dataclass(frozen=True)
class Vocabulary:
    """Sorted hashes of the phrases, words and relations of a reference.

    The place in each is the number.
    """

    phrases: Ints
    words: Ints
    relations: Ints

    @classmethod
    def of(cls, triples: Iterable[tuple[str, str, str]]) -> Vocabulary:
        """Collect the vocabulary of triples."""
        phrases, relations = set(), set()
        for head, relation, tail in triples:
            phrases |= {normal_phrase(head), normal_phrase(tail)}
            relations.add(relation)
        words = {word for phrase in phrases for word in phrase_words(phrase)}
        return cls(_table(phrases), _table(words), _table(relations))

    def read(self, triples: Sequence[tuple[str, str, str]]) -> IndexedTriples:
        """Index triples by the vocabulary.

        Unknown phrases and words have the number after the last.
        """
        memory: dict[str, str] = {}
        texts: list[str] = []
        rows = np.empty((len(triples), 2), dtype=np.int64)
        place: dict[str, int] = {}
        for row, (head, _, tail) in enumerate(triples):
            for side, text in enumerate((head, tail)):
                plain = memory.get(text)
                if plain is None:
                    plain = memory[text] = normal_phrase(text)
                if plain not in place:
                    place[plain] = len(texts)
                    texts.append(plain)
                rows[row, side] = place[plain]
        relations = lookup(self.relations, _hashes([relation for _, relation, _ in triples]))
        return IndexedTriples(rows[:, 0], relations, rows[:, 1], self._phrases(texts))

    def _phrases(self, texts: list[str]) -> Phrases:
        split = [phrase_words(text) for text in texts]
        flat = lookup(self.words, _hashes([word for words in split for word in words]))
        ends = np.cumsum([len(words) for words in split], dtype=np.int64)
        return Phrases(
            texts, lookup(self.phrases, _hashes(texts)), np.concatenate([[0], ends]), flat
        )


@dataclass(frozen=True)
class Phrases:
    """Distinct phrases: numbers ``places``, words ``flat[start[i]:start[i + 1]]``."""

    texts: list[str]
    places: Ints
    start: Ints
    flat: Ints

    def lengths(self, which: Ints) -> Ints:
        """Return the number of words of each phrase."""
        return self.start[which + 1] - self.start[which]

    def words_of(self, which: Ints) -> tuple[Ints, Ints]:
        """Return (row, word) for each word of the phrases in ``which``."""
        length = self.lengths(which)
        row = np.repeat(np.arange(len(which)), length)
        return row, self.flat[np.repeat(self.start[which], length) + _within(length)]

    def pairs_of(self, left: Ints, right: Ints) -> tuple[Ints, Ints, Ints]:
        """Return (row, word of left, word of right) for each word pair of two phrases."""
        n, m = self.lengths(left), self.lengths(right)
        row = np.repeat(np.arange(len(left)), n * m)
        step, wide = _within(n * m), np.repeat(m, n * m)
        first = self.flat[self.start[left][row] + step // wide]
        return row, first, self.flat[self.start[right][row] + step % wide]

    def edge(self, which: Ints, last: bool) -> Ints:
        """Return the first or the last word of each phrase."""
        return self.flat[self.start[which + 1] - 1] if last else self.flat[self.start[which]]


@dataclass(frozen=True)
class IndexedTriples:
    """Triples: ``head`` and ``tail`` are places in ``phrases``, ``relation`` a number."""

    head: Ints
    relation: Ints
    tail: Ints
    phrases: Phrases

    def __len__(self) -> int:
        return len(self.head)

    def take(self, which: Any) -> IndexedTriples:
        """Return some of the rows."""
        return IndexedTriples(
            self.head[which], self.relation[which], self.tail[which], self.phrases
        )


def _within(lengths: Ints) -> Ints:
    """Return 0, 1, … within each run of these lengths."""
    ends = np.cumsum(lengths)
    return np.arange(int(lengths.sum())) - np.repeat(ends - lengths, lengths)


def _hashes(texts: Sequence[str]) -> Ints:
    return np.fromiter((phrase_hash(text) for text in texts), np.int64, len(texts))


def _table(texts: Iterable[str]) -> Ints:
    return np.unique(_hashes(sorted(texts)))
