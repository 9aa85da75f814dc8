"""The linear critic: hashed n-grams weighted by rarity, the teacher's numbers, logistic regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa

from synthkd.artifacts.arrays import Array, Arrays, check_arrays
from synthkd.artifacts.folder import CRITIC
from synthkd.artifacts.settings import Weight
from synthkd.critics.base import Critic, Labels, Scores
from synthkd.critics.features import BITS, SCALES, WIDTH, Features, Scales, hashed, numbers
from synthkd.critics.files import ARRAYS, CriticSettings, check_columns, read_files, write_files
from synthkd.critics.regression import choose
from synthkd.errors import CriticError, MissingExtraError
from synthkd.kinds.base import Kind

VERSION = 2
#: Rows that are scored at a time: what they come to stays in the processor's cache.
_SLICE = 2048
_CHOICES = (1.0, 3.0, 10.0, 30.0, 100.0)
_SHAPES = {
    "used": Array("int32", ("used",), 0, (1 << BITS) - 1),
    "weights": Array("float32", ("used",)),
    "rarity": Array("float32", ("used",), 0, 100),
    "rarity_unseen": Array("float32", (1,), 0, 100),
    "dense": Array("float64", (WIDTH,)),
    **SCALES,
}


class _Settings(CriticSettings):
    bits: Literal[18]
    regularisation_C: Weight
    bias: Weight


class LinearCritic(Critic):
    """Logistic regression on hashed n-grams of the parts and on what the teacher's likelihood says."""

    name: ClassVar[str] = "linear"

    def __init__(self, kind: Kind) -> None:
        _need_sklearn()
        super().__init__(kind)
        self.columns = tuple(kind.columns)
        self._model: Model | None = None

    @property
    def model(self) -> Model:
        """What training came to."""
        if self._model is None:
            raise CriticError("this critic was not trained yet")
        return self._model

    def fit(
        self,
        rows: pa.Table,
        labels: Labels,
        groups: Sequence[str] = (),
        weights: Scores | None = None,
    ) -> None:
        """Choose the regularisation by grouped cross-validation, then train on all rows."""
        found, values = hashed(rows, self.columns), numbers(rows, self.columns)
        rarity, scales = _rarity(found, rows.num_rows), Scales.of(values)
        # Features that no row has get no weight; leaving them out makes the solver's vectors short.
        used = np.unique(found.columns)
        matrix = _matrix(found, rarity, used, scales.dense(values))
        strength = choose(_regression, matrix, labels, groups, weights, _CHOICES, default=1.0)
        fitted = _regression(strength).fit(matrix, labels, weights)
        sparse = np.zeros(1 << BITS)
        sparse[used] = fitted.coef_[0][: len(used)]
        dense = fitted.coef_[0][len(used) :]
        self._model = Model(sparse, rarity, dense, float(fitted.intercept_[0]), scales, strength)

    def score(self, batch: pa.RecordBatch | pa.Table) -> Scores:
        model = self.model
        parts = [
            model.score(batch.slice(start, _SLICE), self.columns)
            for start in range(0, batch.num_rows, _SLICE)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def save(self, folder: Path) -> None:
        model = self.model
        # Only features that were seen have a weight: the file holds those.
        used = np.flatnonzero(model.weights)
        arrays: Arrays = {
            "used": used.astype(np.int32),
            "weights": model.weights[used].astype(np.float32),
            "rarity": model.rarity[used].astype(np.float32),
            "rarity_unseen": np.array([model.rarity.max()], dtype=np.float32),
            "dense": model.dense,
            "mean": model.scales.mean,
            "deviation": model.scales.deviation,
            "edges": model.scales.edges,
        }
        config = {
            "critic": self.name, "version": VERSION, "kind": self.kind.name, "columns": list(self.columns),
            "bits": BITS, "regularisation_C": model.strength, "bias": model.bias,
        }  # fmt: skip
        write_files(folder, arrays, config)

    @classmethod
    def load(cls, folder: Path, kind: Kind, /, **options: Any) -> Self:
        critic = cls(kind)
        arrays, settings = read_files(folder, cls.name, VERSION, _Settings)
        check_columns(folder, settings, kind)
        check_arrays(folder / ARRAYS, arrays, _SHAPES, CRITIC)
        used = arrays["used"]
        if len(np.unique(used)) != len(used):
            raise CRITIC.refuse(folder / ARRAYS, "used: a feature stands twice")
        weights, rarity = np.zeros(1 << BITS), np.full(1 << BITS, float(arrays["rarity_unseen"][0]))
        weights[used], rarity[used] = arrays["weights"], arrays["rarity"]
        scales = Scales(arrays["mean"], arrays["deviation"], arrays["edges"])
        critic._model = Model(
            weights, rarity, arrays["dense"], settings.bias, scales, settings.regularisation_C
        )
        return critic


@dataclass(frozen=True)
class Model:
    """``weights`` and ``rarity`` of the hashed features (2**BITS,), ``dense`` of the numbers."""

    weights: Scores
    rarity: Scores
    dense: Scores
    bias: float
    scales: Scales
    strength: float

    @cached_property
    def _weighted(self) -> Scores:
        return self.weights * self.rarity

    @cached_property
    def _squares(self) -> Scores:
        return self.rarity**2

    def score(self, rows: pa.RecordBatch | pa.Table, columns: Sequence[str]) -> Scores:
        """Probabilities: each row's features as a unit vector, and its numbers, times the weights."""
        found, count = hashed(rows, columns), rows.num_rows
        sums = np.bincount(found.rows, self._weighted[found.columns], count)
        lengths = _lengths(found, self._squares, count)
        logits = sums / lengths + self.scales.dense(numbers(rows, columns)) @ self.dense + self.bias
        scores: Scores = 1 / (1 + np.exp(-logits))
        return scores


def _rarity(found: Features, count: int) -> Scores:
    """Inverse document frequency of each column, smoothed."""
    distinct = np.unique(found.rows * (1 << BITS) + found.columns) & (1 << BITS) - 1
    seen = np.bincount(distinct, minlength=1 << BITS)
    rarity: Scores = np.log((1 + count) / (1 + seen)) + 1
    return rarity


def _lengths(found: Features, squares: Scores, count: int) -> Scores:
    """Euclidean length of each row's rarities, each occurrence for itself."""
    lengths: Scores = np.sqrt(np.maximum(np.bincount(found.rows, squares[found.columns], count), 1e-12))
    return lengths


def _matrix(found: Features, rarity: Scores, used: np.ndarray[Any, Any], dense: Scores) -> Any:
    """(rows, used features and numbers), sparse."""
    from scipy.sparse import csr_matrix, hstack

    values = rarity[found.columns] / _lengths(found, rarity**2, len(dense))[found.rows]
    places = np.searchsorted(used, found.columns)
    sparse = csr_matrix((values, (found.rows, places)), shape=(len(dense), len(used)))
    return hstack([sparse, csr_matrix(dense)]).tocsr()


def _regression(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=500, solver="liblinear", random_state=0)


def _need_sklearn() -> None:
    from importlib.util import find_spec

    if find_spec("sklearn") is None or find_spec("safetensors") is None:
        raise MissingExtraError("the linear critic", "critics")
