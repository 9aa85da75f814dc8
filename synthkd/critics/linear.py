"""The linear critic: hashed n-grams weighted by rarity, the teacher's numbers, logistic regression.

Each block of n-grams has unit length in every row (`ngrams.BLOCKS`). If all blocks are scaled
together, the up to 64 pairs of words across columns leave the words themselves little of the
length: on CSKB-Population the AUC then is 0.018 lower, and below that of TF-IDF on words and
characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa

from synthkd.artifacts.arrays import Array, Arrays, check_arrays
from synthkd.artifacts.folder import CRITIC_ARTIFACT
from synthkd.artifacts.settings import Weight
from synthkd.critics.base import CriticModel, Labels, Scores, require_both_verdicts
from synthkd.critics.files import ARRAYS, CriticSettings, check_columns, read_files, write_files
from synthkd.critics.logistic import choose_regularisation, row_sums, sigmoid
from synthkd.critics.ngrams import BITS, HashedNgrams, hashed_ngrams
from synthkd.critics.teacher_numbers import SCALES, WIDTH, Scales, number_columns, teacher_numbers
from synthkd.errors import CriticError, require_extra
from synthkd.kinds.base import Kind
from synthkd.text.hashed_ngrams import Floats

VERSION = 3
#: Rows scored at a time: their features fit the processor's cache.
_SLICE = 2048
_CHOICES = (0.3, 1.0, 3.0, 10.0, 30.0)
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
    regularisation_C: Weight  # noqa: N815 (a key of the file)
    bias: Weight


class LinearCritic(CriticModel):
    """Logistic regression on hashed n-grams of the columns and on the teacher's numbers."""

    name: ClassVar[str] = "linear"

    def __init__(self, kind: Kind, **options: Any) -> None:
        require_extra("the linear critic", "critics", "sklearn", "safetensors")
        super().__init__(kind, **options)
        self.columns = tuple(kind.columns)
        self._model: LinearModel | None = None

    @property
    def model(self) -> LinearModel:
        """The trained model."""
        if self._model is None:
            raise CriticError("this critic was not trained yet")
        return self._model

    def work(self, rows: int) -> int:
        return max(1, rows // 50)

    def fit(
        self,
        rows: pa.Table,
        labels: Labels,
        groups: Sequence[str] = (),
        weights: Scores | None = None,
    ) -> None:
        """Choose the regularisation by grouped cross-validation, then train on all rows."""
        require_both_verdicts(labels)
        ngrams, values = hashed_ngrams(rows, self.columns), teacher_numbers(rows, self.columns)
        rarity, scales = _rarity(ngrams, rows.num_rows), Scales.of(values)
        # Features that no row has get no weight; without them the solver's vectors are short.
        used = np.unique(ngrams.columns)
        matrix = _matrix(ngrams, rarity, used, scales.dense(values))
        strength = choose_regularisation(
            _regression, matrix, labels, groups, weights, _CHOICES, default=1.0
        )
        fitted = _regression(strength).fit(matrix, labels, weights)
        sparse = np.zeros(1 << BITS)
        # Rounded as in the critic's file, so that a loaded critic scores like the trained one.
        sparse[used] = fitted.coef_[0][: len(used)].astype(np.float32)
        dense = fitted.coef_[0][len(used) :]
        self._model = LinearModel(
            used, sparse, rarity, dense, float(fitted.intercept_[0]), scales, strength
        )

    def numbers(self) -> tuple[list[str], list[str]]:
        return number_columns(self.model.scales.used)

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
        arrays: Arrays = {
            "used": model.used.astype(np.int32),
            "weights": model.weights[model.used].astype(np.float32),
            "rarity": model.rarity[model.used].astype(np.float32),
            "rarity_unseen": np.array([model.rarity.max()], dtype=np.float32),
            "dense": model.dense,
            **{name: getattr(model.scales, name) for name in SCALES},
        }
        config = {
            "critic": self.name, "version": VERSION, "kind": self.kind.name,
            "columns": list(self.columns),
            "bits": BITS, "regularisation_C": model.strength, "bias": model.bias,
        }  # fmt: skip
        write_files(folder, arrays, config)

    @classmethod
    def load(cls, folder: Path, kind: Kind, /, **options: Any) -> Self:
        critic = cls(kind)
        arrays, settings = read_files(folder, cls.name, VERSION, _Settings)
        check_columns(folder, settings, kind)
        check_arrays(folder / ARRAYS, arrays, _SHAPES, CRITIC_ARTIFACT)
        used = arrays["used"]
        if len(np.unique(used)) != len(used):
            raise CRITIC_ARTIFACT.refuse(folder / ARRAYS, "used: a feature occurs twice")
        weights, rarity = np.zeros(1 << BITS), np.full(1 << BITS, float(arrays["rarity_unseen"][0]))
        weights[used], rarity[used] = arrays["weights"], arrays["rarity"]
        scales = Scales(**{name: arrays[name] for name in SCALES})
        critic._model = LinearModel(
            used, weights, rarity, arrays["dense"], settings.bias, scales, settings.regularisation_C
        )
        return critic


@dataclass(frozen=True)
class LinearModel:
    """Weights of a trained linear critic.

    Attributes:
        used: Features that occur in training rows.
        weights: Weight of each hashed feature (2**BITS,).
        rarity: Inverse document frequency of each hashed feature (2**BITS,).
        dense: Weights of the numbers.
        bias: Intercept.
        scales: Training statistics of the numbers.
        strength: The chosen C.
    """

    used: np.ndarray[Any, Any]
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
        """Return the probabilities of rows."""
        ngrams, count = hashed_ngrams(rows, columns), rows.num_rows
        logits = row_sums(self.scales.dense(teacher_numbers(rows, columns)), self.dense) + self.bias
        for block in ngrams.blocks:
            place, column = ngrams.rows[block], ngrams.columns[block]
            sums = np.bincount(place, self._weighted[column], count)
            logits += sums / _lengths(place, self._squares[column], count)
        return sigmoid(logits)


def _rarity(ngrams: HashedNgrams, count: int) -> Floats:
    """Return smoothed inverse document frequencies, rounded as in the critic's file."""
    distinct = np.unique(ngrams.rows * (1 << BITS) + ngrams.columns) & (1 << BITS) - 1
    seen = np.bincount(distinct, minlength=1 << BITS)
    rarity: Floats = (np.log((1 + count) / (1 + seen)) + 1).astype(np.float32).astype(np.float64)
    return rarity


def _lengths(rows: np.ndarray[Any, Any], squares: Floats, count: int) -> Floats:
    """Return the Euclidean length of each row's rarities, counting occurrences."""
    lengths: Floats = np.sqrt(np.maximum(np.bincount(rows, squares, count), 1e-12))
    return lengths


def _matrix(ngrams: HashedNgrams, rarity: Floats, used: np.ndarray[Any, Any], dense: Floats) -> Any:
    """Return the sparse matrix (rows, used features and numbers)."""
    from scipy.sparse import csr_matrix, hstack

    values = rarity[ngrams.columns]
    for block in ngrams.blocks:
        rows = ngrams.rows[block]
        values[block] /= _lengths(rows, values[block] ** 2, len(dense))[rows]
    places = np.searchsorted(used, ngrams.columns)
    sparse = csr_matrix((values, (ngrams.rows, places)), shape=(len(dense), len(used)))
    _drop_constant(sparse)
    return hstack([sparse, csr_matrix(dense)]).tocsr()


def _drop_constant(matrix: Any) -> None:
    """Set columns to 0 that are the same in every row: they act as a bias."""
    count = matrix.shape[0]
    for column in np.flatnonzero(np.bincount(matrix.indices, minlength=matrix.shape[1]) == count):
        here = np.flatnonzero(matrix.indices == column)
        if np.ptp(matrix.data[here]) < 1e-12:
            matrix.data[here] = 0


def _regression(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=500, solver="liblinear", random_state=0)
