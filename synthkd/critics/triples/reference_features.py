"""Features of candidates from a reference: counts, neighbours and a learned score."""

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
#: Fewest true triples to train the network on.
ENOUGH = 500


@dataclass(frozen=True)
class ReferenceModel:
    """Models trained on true triples: vectors of phrases, and a score if possible."""

    words: WordVectors
    encoder: EncoderVectors | None
    scorer: Scorer | None

    @classmethod
    def of(
        cls,
        vocabulary: Vocabulary,
        rows: IndexedTriples,
        encoder: EncoderVectors | None,
        seed: int = 0,
    ) -> ReferenceModel:
        """Train on some rows of the reference."""
        words = WordVectors.learn(vocabulary, rows, seed)
        learned = cls(words, encoder, None)
        if len(rows) < ENOUGH:
            return learned
        vectors, relations = learned.joined(rows.phrases), len(vocabulary.relations)
        scorer = Scorer.learn(
            vectors[rows.head], rows.relation, vectors[rows.tail], relations, seed
        )
        return cls(words, encoder, scorer)

    def near(self, phrases: Phrases) -> Any:
        """Return vectors (phrases, d) for neighbours, of the encoder or else the words."""
        return (self.encoder or self.words).of(phrases)

    def joined(self, phrases: Phrases) -> Any:
        """Return vectors (phrases, d) for the score: the words' and the encoder's."""
        parts = [source.of(phrases) for source in (self.words, self.encoder) if source is not None]
        return np.concatenate(parts, axis=1)


class ReferenceFeatures:
    """Features of candidates from true triples (``rows``) and the models trained on them."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        rows: IndexedTriples,
        learned: ReferenceModel,
        near: Any = None,
    ) -> None:
        self.vocabulary, self.learned, self.rows = vocabulary, learned, rows
        self.counts = CountFeatures(vocabulary, rows)
        near = learned.near(rows.phrases) if near is None else near
        # Rounded as in the critic's file, so that a loaded critic scores like the trained one.
        self.near = near.astype(np.float16)
        near = self.near.astype(np.float32)
        self.neighbours = Neighbours(
            near[rows.head], rows.relation, near[rows.tail], len(vocabulary.relations)
        )

    def features(self, rows: IndexedTriples, vectors: tuple[Any, Any] | None = None) -> Floats:
        """Return features (n, d); ``vectors`` of the phrases, near and joined, if known."""
        learned = self.learned
        near, joined = vectors or (learned.near(rows.phrases), learned.joined(rows.phrases))
        features = self.counts.features(rows)
        features |= self.neighbours.features(near[rows.head], rows.relation, near[rows.tail])
        if learned.scorer is not None:
            features["score"] = learned.scorer(joined[rows.head], rows.relation, joined[rows.tail])
        return np.stack(
            [np.asarray(values, dtype=np.float64) for values in features.values()], axis=1
        )

    @property
    def width(self) -> int:
        """Number of features."""
        return int(self.features(self.vocabulary.read([("a", "b", "c")])).shape[1])

    def arrays(self) -> Arrays:
        """Return named arrays for a critic's file: hashes, numbers and vectors, no text."""
        phrases, vocabulary, learned = self.rows.phrases, self.vocabulary, self.learned
        arrays: Arrays = {
            "phrases": vocabulary.phrases, "words": vocabulary.words,
            "relations": vocabulary.relations,
            "known": phrases.places, "start": phrases.start, "flat": phrases.flat,
            "head": self.rows.head, "relation": self.rows.relation, "tail": self.rows.tail,
            "word_vectors": learned.words.vectors, "near": self.near,
        }  # fmt: skip
        if learned.encoder is not None:
            arrays |= {"encoder_mean": learned.encoder.mean, "encoder_axes": learned.encoder.axes}
        return arrays | (learned.scorer.arrays() if learned.scorer is not None else {})

    @classmethod
    def from_arrays(cls, arrays: Arrays, vectors: Any) -> ReferenceFeatures:
        """Restore from `arrays`, with the vectors of the encoder used in training, if any."""
        vocabulary = Vocabulary(arrays["phrases"], arrays["words"], arrays["relations"])
        phrases = Phrases([], arrays["known"], arrays["start"], arrays["flat"])
        rows = IndexedTriples(arrays["head"], arrays["relation"], arrays["tail"], phrases)
        encoder = None
        if "encoder_mean" in arrays:
            encoder = EncoderVectors(vectors, arrays["encoder_mean"], arrays["encoder_axes"])
        scorer = (
            Scorer.from_arrays(arrays, len(vocabulary.relations)) if "scorer_w0" in arrays else None
        )
        learned = ReferenceModel(WordVectors(arrays["word_vectors"]), encoder, scorer)
        return cls(vocabulary, rows, learned, arrays["near"].astype(np.float32))
