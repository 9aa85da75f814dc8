"""The linear critic: hashed n-grams weighted by rarity, the teacher's numbers, logistic regression."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from synthkd.critics.base import Critic, Labels, Scores
from synthkd.critics.features import BITS, Scales, hashed, numbers
from synthkd.critics.files import Arrays, read_files, write_files
from synthkd.errors import CriticError, MissingExtraError
from synthkd.kinds.base import Kind

#: Rows that are scored at a time.
_SLICE = 8192
_CHOICES = (1.0, 3.0, 10.0, 30.0, 100.0)


class LinearCritic(Critic):
    """Logistic regression on hashed n-grams of the parts and on what the teacher's likelihood says."""

    name: ClassVar[str] = "linear"

    def __init__(self, kind: Kind) -> None:
        _need_sklearn()
        super().__init__(kind)
        self.columns = tuple(kind.columns)
        self.strength = 1.0
        self._idf: Scores | None = None
        self._weights: Scores | None = None
        self._dense_weights: Scores | None = None
        self._bias = 0.0
        self._scales: Scales | None = None

    def fit(
        self,
        rows: pa.Table,
        labels: Labels,
        groups: Sequence[str] = (),
        weights: Scores | None = None,
    ) -> None:
        """Choose the regularisation by grouped cross-validation, then train on all rows."""
        counts = hashed(rows, self.columns)
        seen = np.asarray((counts > 0).sum(axis=0)).ravel()
        self._idf = np.log((1 + rows.num_rows) / (1 + seen)) + 1
        values = numbers(rows, self.columns)
        self._scales = Scales.of(values)
        # Features that no row has get no weight; leaving them out makes the solver's vectors short.
        used = np.flatnonzero(seen)
        matrix = self._matrix(counts, values, used)
        self.strength = _choose(matrix, labels, groups, weights)
        model = _regression(self.strength).fit(matrix, labels, weights)
        found = model.coef_[0]
        self._weights = np.zeros(1 << BITS)
        self._weights[used] = found[: len(used)]
        self._dense_weights = found[len(used) :]
        self._bias = float(model.intercept_[0])

    def score(self, batch: pa.RecordBatch | pa.Table) -> Scores:
        parts = [self._score(batch.slice(start, _SLICE)) for start in range(0, batch.num_rows, _SLICE)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _score(self, rows: pa.RecordBatch | pa.Table) -> Scores:
        if self._weights is None or self._scales is None or self._dense_weights is None:
            raise CriticError("this critic was not trained yet")
        matrix = self._rare(hashed(rows, self.columns))
        dense = self._scales.dense(numbers(rows, self.columns))
        logits = matrix @ self._weights + dense @ self._dense_weights + self._bias
        scores: Scores = 1 / (1 + np.exp(-np.asarray(logits).ravel()))
        return scores

    def _rare(self, counts: Any) -> Any:
        from sklearn.preprocessing import normalize

        return normalize(counts.multiply(self._idf).tocsr())

    def _matrix(self, counts: Any, values: Scores, used: Any) -> Any:
        from scipy.sparse import csr_matrix, hstack

        assert self._scales is not None
        return hstack([self._rare(counts)[:, used], csr_matrix(self._scales.dense(values))]).tocsr()

    def save(self, folder: Path) -> None:
        assert self._weights is not None
        assert self._idf is not None
        assert self._scales is not None
        assert self._dense_weights is not None
        # Only features that were seen have a weight: the file holds those.
        used = np.flatnonzero(self._weights)
        arrays: Arrays = {
            "used": used.astype(np.int32),
            "weights": self._weights[used].astype(np.float32),
            "idf": self._idf[used].astype(np.float32),
            "idf_unseen": np.array([self._idf.max()], dtype=np.float32),
            "dense_weights": self._dense_weights,
            "mean": self._scales.mean,
            "deviation": self._scales.deviation,
            "edges": self._scales.edges,
        }
        config = {
            "critic": self.name, "version": 1, "kind": self.kind.name, "columns": list(self.columns), "bits": BITS,
            "regularisation_C": self.strength, "bias": self._bias,
        }  # fmt: skip
        write_files(folder, arrays, config)

    @classmethod
    def load(cls, folder: Path, kind: Kind) -> LinearCritic:
        _need_sklearn()
        arrays, config = read_files(folder, cls.name, 1, {"columns", "bits", "bias", "regularisation_C"})
        if config["bits"] != BITS:
            raise CriticError(f"{folder}: features of another size; train the critic again")
        critic = cls(kind)
        critic.columns = tuple(config["columns"])
        critic.strength, critic._bias = config["regularisation_C"], config["bias"]
        critic._weights = np.zeros(1 << BITS)
        critic._weights[arrays["used"]] = arrays["weights"]
        critic._idf = np.full(1 << BITS, float(arrays["idf_unseen"][0]))
        critic._idf[arrays["used"]] = arrays["idf"]
        critic._dense_weights = arrays["dense_weights"]
        critic._scales = Scales(arrays["mean"], arrays["deviation"], arrays["edges"])
        return critic


def _regression(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=500, solver="liblinear", random_state=0)


def _choose(matrix: Any, labels: Any, groups: Sequence[str], weights: Scores | None) -> float:
    """The C with the best mean AUC over folds that share no group; 1 where the data is too small for folds."""
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold

    if len(set(groups)) < 12:
        return 1.0
    gains: dict[float, list[float]] = {strength: [] for strength in _CHOICES}
    for train, test in GroupKFold(3).split(matrix, labels, groups):
        if len(set(labels[train])) < 2 or len(set(labels[test])) < 2:
            continue
        for strength in _CHOICES:
            part = None if weights is None else weights[train]
            model = _regression(strength).fit(matrix[train], labels[train], part)
            gains[strength].append(roc_auc_score(labels[test], model.decision_function(matrix[test])))
    scored = [(float(np.mean(values)), -strength) for strength, values in gains.items() if values]
    return -max(scored)[1] if scored else 1.0


def _need_sklearn() -> None:
    from importlib.util import find_spec

    if find_spec("sklearn") is None or find_spec("safetensors") is None:
        raise MissingExtraError("the linear critic", "critics")
