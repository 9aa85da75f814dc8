"""A reference made ready to be asked: its counts, its neighbours and what was learned from it, as one row of features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkd.artifacts.arrays import Arrays
from synthkd.critics.triples.counts import CountFeatures
from synthkd.critics.triples.neighbours import Neighbours
from synthkd.critics.triples.phrases import IndexedTriples, Phrases, Vocabulary
from synthkd.critics.triples.scorer import Scorer
from synthkd.critics.triples.vectors import EncoderVectors, WordVectors

Floats = np.ndarray[Any, np.dtype[np.float64]]
#: Fewest known triples for the network to be trained on.
ENOUGH = 500


@dataclass(frozen=True)
class ReferenceModel:
    """What is trained on known triples: vectors of phrases, and a score (none where the triples are few)."""

    words: WordVectors
    encoder: EncoderVectors | None
    scorer: Scorer | None

    @classmethod
    def of(
        cls, vocabulary: Vocabulary, rows: IndexedTriples, encoder: EncoderVectors | None, seed: int = 0
    ) -> ReferenceModel:
        """Train on some rows of the reference."""
        words = WordVectors.learn(vocabulary, rows, seed)
        learned = cls(words, encoder, None)
        if len(rows) < ENOUGH:
            return learned
        vectors, relations = learned.joined(rows.phrases), len(vocabulary.relations)
        scorer = Scorer.learn(vectors[rows.head], rows.relation, vectors[rows.tail], relations, seed)
        return cls(words, encoder, scorer)

    def near(self, phrases: Phrases) -> Any:
        """(phrases, d) vectors by which neighbours are found: the encoder's where there is one."""
        return (self.encoder or self.words).of(phrases)

    def joined(self, phrases: Phrases) -> Any:
        """(phrases, d) vectors that the score reads: the words' and the encoder's."""
        parts = [source.of(phrases) for source in (self.words, self.encoder) if source is not None]
        return np.concatenate(parts, axis=1)


class ReferenceFeatures:
    """Features of candidates: what ``rows`` (the known triples) and what was learned say of them."""

    def __init__(
        self, vocabulary: Vocabulary, rows: IndexedTriples, learned: ReferenceModel, near: Any = None
    ) -> None:
        self.vocabulary, self.learned, self.rows = vocabulary, learned, rows
        self.counts = CountFeatures(vocabulary, rows)
        near = learned.near(rows.phrases) if near is None else near
        # Rounded as the critic's file holds it, so that a loaded critic scores as the trained one did.
        self.near = near.astype(np.float16)
        near = self.near.astype(np.float32)
        self.neighbours = Neighbours(
            near[rows.head], rows.relation, near[rows.tail], len(vocabulary.relations)
        )

    def features(self, rows: IndexedTriples, vectors: tuple[Any, Any] | None = None) -> Floats:
        """(n, d) features. ``vectors``: `Learned.near` and `Learned.joined` of the phrases, where they are at hand."""
        learned = self.learned
        near, joined = vectors or (learned.near(rows.phrases), learned.joined(rows.phrases))
        found = self.counts.features(rows)
        found |= self.neighbours.features(near[rows.head], rows.relation, near[rows.tail])
        if learned.scorer is not None:
            found["score"] = learned.scorer(joined[rows.head], rows.relation, joined[rows.tail])
        return np.stack([np.asarray(values, dtype=np.float64) for values in found.values()], axis=1)

    @property
    def width(self) -> int:
        """How many features there are."""
        return int(self.features(self.vocabulary.read([("a", "b", "c")])).shape[1])

    def arrays(self) -> Arrays:
        """Named arrays for a critic's file: hashes, numbers and vectors, no text."""
        phrases, vocabulary, learned = self.rows.phrases, self.vocabulary, self.learned
        arrays: Arrays = {
            "phrases": vocabulary.phrases, "words": vocabulary.words, "relations": vocabulary.relations,
            "known": phrases.known, "start": phrases.start, "flat": phrases.flat,
            "head": self.rows.head, "relation": self.rows.relation, "tail": self.rows.tail,
            "word_vectors": learned.words.vectors, "near": self.near,
        }  # fmt: skip
        if learned.encoder is not None:
            arrays |= {"encoder_mean": learned.encoder.mean, "encoder_axes": learned.encoder.axes}
        return arrays | (learned.scorer.arrays() if learned.scorer is not None else {})

    @classmethod
    def from_arrays(cls, arrays: Arrays, vectors: Any) -> ReferenceFeatures:
        """What `arrays` gave; ``vectors`` of the encoder it was trained with, if any."""
        vocabulary = Vocabulary(arrays["phrases"], arrays["words"], arrays["relations"])
        phrases = Phrases([], arrays["known"], arrays["start"], arrays["flat"])
        rows = IndexedTriples(arrays["head"], arrays["relation"], arrays["tail"], phrases)
        encoder = None
        if "encoder_mean" in arrays:
            encoder = EncoderVectors(vectors, arrays["encoder_mean"], arrays["encoder_axes"])
        scorer = Scorer.from_arrays(arrays, len(vocabulary.relations)) if "scorer_w0" in arrays else None
        learned = ReferenceModel(WordVectors(arrays["word_vectors"]), encoder, scorer)
        return cls(vocabulary, rows, learned, arrays["near"].astype(np.float32))
