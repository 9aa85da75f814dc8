"""A learned score of a triple: a small network over its vectors and relation.

In the place of Li et al.'s (2016) Bilinear AVG: the product of the two vectors and the relation
meet in a hidden layer, where theirs meet in one matrix for each relation. It is trained to tell
known triples from corrupted ones, new ones in each epoch. scikit-learn trains it; numpy evaluates
what is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkd.critics.logistic import row_products
from synthkd.critics.triples.phrases import Ints

Floats = np.ndarray[Any, np.dtype[np.float32]]
LAYERS, EPOCHS, BATCH = (192, 64), 6, 512
#: Corrupted triples for each known one, in each epoch.
NEGATIVES = 2


@dataclass(frozen=True)
class Scorer:
    """Weights (in, out) and biases (out,) of each layer; ReLU between them."""

    weights: list[Floats]
    biases: list[Floats]
    relations: int

    @classmethod
    def learn(
        cls,
        head: Floats,
        relation: Ints,
        tail: Floats,
        relations: int,
        seed: int = 0,
        epochs: int = EPOCHS,
    ) -> Scorer:
        """Train on true triples: vectors (n, d), relations (n,), vectors (n, d)."""
        from sklearn.neural_network import MLPClassifier

        rng, n = np.random.default_rng(seed), len(relation)
        model = MLPClassifier(
            LAYERS, alpha=1e-4, batch_size=BATCH, learning_rate_init=1e-3, random_state=seed
        )
        for _ in range(epochs):
            for part in np.array_split(rng.permutation(n), max(1, n // (BATCH * 8))):
                places, labels = _with_negatives(part, n, rng)
                x = _inputs(head[places[0]], relation[places[1]], tail[places[2]], relations)
                model.partial_fit(x, labels, classes=[False, True])
        weights = [np.ascontiguousarray(w, dtype=np.float32) for w in model.coefs_]
        return cls(weights, [np.asarray(b, dtype=np.float32) for b in model.intercepts_], relations)

    def __call__(self, head: Floats, relation: Ints, tail: Floats) -> Any:
        """Return logits (n,)."""
        x = _inputs(head, relation, tail, self.relations)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = np.maximum(row_products(x, weight) + bias, 0)
        return (row_products(x, self.weights[-1]) + self.biases[-1])[:, 0].astype(np.float64)

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return named arrays for a critic's file."""
        named = {f"scorer_w{i}": weight for i, weight in enumerate(self.weights)}
        return named | {f"scorer_b{i}": bias for i, bias in enumerate(self.biases)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray[Any, Any]], relations: int) -> Scorer:
        """Restore from `arrays`."""
        layers = range(len(LAYERS) + 1)
        weights, biases = ([arrays[f"scorer_{what}{i}"] for i in layers] for what in "wb")
        return cls(weights, biases, relations)


def _with_negatives(part: Ints, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Return rows (3, m) of each slot, and labels: rows as they are, then corrupted ones."""
    positive = np.stack([part] * 3)
    false = np.repeat(positive, NEGATIVES, axis=1)
    columns = np.arange(false.shape[1])
    false[rng.integers(3, size=len(columns)), columns] = rng.integers(n, size=len(columns))
    labels = np.arange(len(part) + len(columns)) < len(part)
    return np.concatenate([positive, false], axis=1), labels


def _inputs(head: Floats, relation: Ints, tail: Floats, relations: int) -> Floats:
    # Unit vectors have small entries; scaled, they weigh as much as the relation's one-hot.
    scale = np.float32(np.sqrt(head.shape[1]))
    hot = np.zeros((len(relation), relations + 1), dtype=np.float32)
    hot[np.arange(len(relation)), relation] = 2
    return np.concatenate([head * scale, tail * scale, head * tail * scale * scale, hot], axis=1)
