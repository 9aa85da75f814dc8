"""Phrases as unit vectors: from words of the reference, or from a frozen encoder.

Word vectors: words in the same slots of the same relations beside the same words are similar.
Positive pointwise mutual information of words and contexts, cut to its first singular vectors (Levy
and Goldberg 2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthkd.artifacts.folder import CRITIC_ARTIFACT
from synthkd.critics.logistic import row_products
from synthkd.critics.triples.phrases import IndexedTriples, Ints, Phrases, Vocabulary
from synthkd.encoders.reference import EncoderReference

Floats = np.ndarray[Any, np.dtype[np.float32]]
SIZE = 128
#: Tokens of a phrase read by the encoder.
MAX_TOKENS = 48


@dataclass(frozen=True)
class WordVectors:
    """``vectors`` (words + 1, d), already weighted by rarity.

    The last row, of unknown words, is zero.
    """

    vectors: Floats

    @classmethod
    def learn(cls, vocabulary: Vocabulary, rows: IndexedTriples, seed: int = 0) -> WordVectors:
        """Learn from triples that share the vocabulary."""
        from scipy.sparse import coo_matrix
        from sklearn.utils.extmath import randomized_svd

        words = len(vocabulary.words) + 1
        word, context = _cooccurrences(rows, words, len(vocabulary.relations) + 1)
        names, context = np.unique(context, return_inverse=True)
        counts = (
            coo_matrix((np.ones(len(word)), (word, context)), (words, len(names))).tocsr().tocoo()
        )
        matrix = _ppmi(counts)
        size = min(SIZE, min(matrix.shape) - 1)
        left, strength, _ = randomized_svd(matrix, size, n_iter=4, random_state=seed)
        met = np.bincount(word, minlength=words)
        rarity = np.log(1 + len(rows) / (1 + met / 4)).clip(0.3)
        return cls(
            np.ascontiguousarray(
                _unit(left * np.sqrt(strength)) * rarity[:, None], dtype=np.float32
            )
        )

    def of(self, phrases: Phrases) -> Floats:
        """Return unit vectors (phrases, d): sums over the words."""
        sums = np.add.reduceat(self.vectors[phrases.flat], phrases.start[:-1], axis=0)
        return _unit(sums)


@dataclass
class EncoderVectors:
    """Sentence vectors of an encoder on its main axes: mean (D,), axes (D, d)."""

    vectors: Any
    mean: Floats
    axes: Floats

    @classmethod
    def learn(cls, vectors: Any, phrases: Phrases) -> EncoderVectors:
        """Find the axes of most variance of ``vectors.embed(texts)`` (n, D)."""
        embedded = np.asarray(vectors.embed(phrases.texts), dtype=np.float32)
        mean = embedded.mean(0)
        _, axes = np.linalg.eigh(np.cov((embedded - mean).T.astype(np.float64)))
        return cls(vectors, mean, np.ascontiguousarray(axes[:, ::-1][:, :SIZE], dtype=np.float32))

    def of(self, phrases: Phrases) -> Floats:
        """Return unit vectors (phrases, d)."""
        embedded = np.asarray(self.vectors.embed(phrases.texts), dtype=np.float32)
        return _unit(row_products(embedded - self.mean, self.axes))


def load_phrase_encoder(name: str) -> Any:
    """Load the encoder of a folder or hub name."""
    from synthkd.encoders import load as models
    from synthkd.encoders.frozen import FrozenEncoder

    models.require_encoder_extras("an encoder of sentences")
    return FrozenEncoder.load(name, MAX_TOKENS)


def load_named_phrase_encoder(
    encoder: EncoderReference, folder: Path, given: str | None
) -> tuple[Any, str]:
    """Load the encoder that a critic's folder names; return it and its place."""
    from synthkd.encoders import load as models
    from synthkd.encoders.device import pick_device
    from synthkd.encoders.frozen import FrozenEncoder

    models.require_encoder_extras("an encoder of sentences")
    model, tokenizer, place = models.load_referenced(encoder, folder, given, CRITIC_ARTIFACT)
    length = models.usable_length(model, tokenizer, MAX_TOKENS)
    return FrozenEncoder(model, tokenizer, length, pick_device(None), encoder.sha256), place


def _cooccurrences(rows: IndexedTriples, words: int, relations: int) -> tuple[Ints, Ints]:
    """Return (word, context) of each co-occurrence.

    A context is a word, or a word in the other slot of a relation.
    """
    phrases = rows.phrases
    row, left, right = phrases.pairs_of(rows.head, rows.tail)
    relation = rows.relation[row]
    slot = (relation + 1) * words
    block = (relations + 1) * words
    pairs = [(left, right), (right, left), (left, slot + right), (right, block + slot + left)]
    for side, which in enumerate((rows.head, rows.tail)):
        row, word = phrases.words_of(which)
        pairs.append((word, (2 + side) * block + rows.relation[row]))
        row, one, other = phrases.pairs_of(which, which)
        differ = one != other
        pairs.append((one[differ], other[differ]))
    return np.concatenate([word for word, _ in pairs]), np.concatenate(
        [context for _, context in pairs]
    )


def _ppmi(counts: Any) -> Any:
    """Compute positive pointwise mutual information, with context counts to the power of 0.75."""
    from scipy.sparse import coo_matrix

    word = np.asarray(counts.sum(1)).ravel()
    context = np.asarray(counts.sum(0)).ravel() ** 0.75
    context *= word.sum() / context.sum()
    values = np.log(counts.data * word.sum() / (word[counts.row] * context[counts.col]))
    kept = values > 0
    return coo_matrix((values[kept], (counts.row[kept], counts.col[kept])), counts.shape).tocsr()


def _unit(vectors: Any) -> Floats:
    unit = vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9)
    # One layout in memory and from a file, since sums along rows depend on it.
    return np.ascontiguousarray(unit, dtype=np.float32)
