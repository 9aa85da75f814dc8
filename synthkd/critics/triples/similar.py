"""Phrases near to one, from the same slot of known triples: from these hard negatives are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from synthkd.critics.triples.negatives import Triple
from synthkd.critics.triples.phrases import Vocabulary
from synthkd.critics.triples.vectors import WordVectors

#: How many of the nearest are drawn from, and among how many phrases they are looked for.
NEAREST, POOL = 20, 10_000
#: A phrase nearer than this may mean the same, so what it makes may be true: it is never named.
ALIKE = 0.9


class Similar:
    """``similar(phrase, slot)``: up to `NEAREST` phrases, the nearest first, that fill the slot (0: head, 2: tail) of other triples.

    ``vectors``: a source of unit vectors of phrases, such as word vectors or an encoder (`kb.vectors`).
    """

    def __init__(self, known: Sequence[Triple], vectors: Any, vocabulary: Vocabulary, seed: int = 0) -> None:
        self._vectors, self._vocabulary = vectors, vocabulary
        rng = np.random.default_rng(seed)
        self._pool: dict[int, tuple[list[str], Any]] = {}
        for slot in (0, 2):
            names = sorted({triple[slot] for triple in known})
            names = [names[place] for place in rng.permutation(len(names))[:POOL]]
            self._pool[slot] = names, self._of(names)
        self._memory: dict[tuple[str, int], list[str]] = {}

    @classmethod
    def of(cls, known: Sequence[Triple], seed: int = 0) -> Similar:
        """By word vectors that are learned from the triples themselves."""
        vocabulary = Vocabulary.of(known)
        return cls(known, WordVectors.learn(vocabulary, vocabulary.read(known), seed), vocabulary, seed)

    def __call__(self, phrase: str, slot: int) -> list[str]:
        found = self._memory.get((phrase, slot))
        if found is None:
            names, vectors = self._pool[slot]
            near = vectors @ self._of([phrase])[0]
            near[near > ALIKE] = -1
            best = np.argsort(-near, kind="stable")[:NEAREST]
            found = self._memory[phrase, slot] = [names[place] for place in best if near[place] > 0]
        return found

    def _of(self, names: Sequence[str]) -> Any:
        rows = self._vocabulary.read([(name, "", name) for name in names])
        return self._vectors.of(rows.phrases)[rows.head]
