"""Boosted trees as plain arrays: grown by scikit-learn, evaluated by numpy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from synthkd.errors import CriticError

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
#: Bins of a feature; one of scikit-learn's 256 is for missing values.
BINS = 255


@dataclass(frozen=True)
class Trees:
    """Nodes of all trees in one array each: a leaf has ``feature`` -1.

    ``left`` and ``right`` are indices of nodes.
    """

    feature: Ints
    threshold: Floats
    left: Ints
    right: Ints
    value: Floats
    roots: Ints
    baseline: float

    @classmethod
    def grow(
        cls, features: Floats, labels: Any, weights: Floats, seed: int = 0, rounds: int = 250
    ) -> Trees:
        """Fit on features (n, d) without NaN.

        Features are binned here: scikit-learn bins weighted rows so slowly that it takes longer
        than the trees.
        """
        from sklearn.ensemble import HistGradientBoostingClassifier

        edges = [bin_edges(values) for values in features.T]
        binned = bin_columns(features, edges)
        model = HistGradientBoostingClassifier(
            max_iter=rounds, learning_rate=0.06, max_leaf_nodes=15, l2_regularization=3.0,
            max_features=0.5,
            early_stopping=False, random_state=seed,
        ).fit(binned, labels, weights)  # fmt: skip
        trees = cls._from(model)
        probe = binned[:200]
        if not np.allclose(trees.logits(probe), model.decision_function(probe), atol=1e-6):
            raise CriticError(
                "this version of scikit-learn lays out its trees in another way; use 1.5 to 1.9"
            )
        return trees._unbinned(edges)

    def _unbinned(self, edges: list[Floats]) -> Trees:
        """Return the trees for unbinned features, with bin edges as thresholds."""
        threshold = self.threshold.copy()
        for node in np.flatnonzero(self.feature >= 0):
            threshold[node] = edges[self.feature[node]][int(threshold[node])]
        return replace(self, threshold=threshold)

    @classmethod
    def _from(cls, model: Any) -> Trees:
        nodes = [trees[0].nodes for trees in model._predictors]
        sizes = [len(tree_nodes) for tree_nodes in nodes]
        roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        shift, flat = np.repeat(roots, sizes), np.concatenate(nodes)
        leaf = flat["is_leaf"].astype(bool)
        return cls(
            feature=np.where(leaf, -1, flat["feature_idx"]).astype(np.int64),
            threshold=flat["num_threshold"].astype(np.float64),
            left=flat["left"].astype(np.int64) + shift,
            right=flat["right"].astype(np.int64) + shift,
            value=flat["value"].astype(np.float64),
            roots=roots,
            baseline=float(np.ravel(model._baseline_prediction)[0]),
        )

    def logits(self, features: Floats) -> Floats:
        """Return logits (n,): sums over the trees."""
        rows = np.arange(len(features))
        total = np.full(len(features), self.baseline)
        for root in self.roots:
            place = np.full(len(features), root)
            walking = rows
            while len(walking):
                here = place[walking]
                feature = self.feature[here]
                inner = feature >= 0
                walking, here, feature = walking[inner], here[inner], feature[inner]
                goes_left = features[walking, feature] <= self.threshold[here]
                place[walking] = np.where(goes_left, self.left[here], self.right[here])
            total += self.value[place]
        return total

    def arrays(self, prefix: str) -> dict[str, np.ndarray[Any, Any]]:
        """Return named arrays for a critic's file."""
        return {
            f"{prefix}_feature": self.feature.astype(np.int32),
            f"{prefix}_threshold": self.threshold,
            f"{prefix}_left": self.left.astype(np.int32),
            f"{prefix}_right": self.right.astype(np.int32),
            f"{prefix}_value": self.value,
            f"{prefix}_roots": self.roots.astype(np.int32),
            f"{prefix}_baseline": np.array([self.baseline]),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray[Any, Any]], prefix: str) -> Trees:
        """Restore from `arrays`."""

        def ints(name: str) -> Ints:
            return arrays[f"{prefix}_{name}"].astype(np.int64)

        return cls(
            ints("feature"), arrays[f"{prefix}_threshold"], ints("left"), ints("right"),
            arrays[f"{prefix}_value"], ints("roots"), float(arrays[f"{prefix}_baseline"][0]),
        )  # fmt: skip


def bin_edges(values: Floats) -> Floats:
    """Return ascending edges of at most `BINS` bins of about equal size.

    A value is at most its bin's edge.
    """
    distinct = np.unique(values)
    if len(distinct) > BINS:
        shares = np.arange(1, BINS) / BINS
        return np.unique(np.quantile(values, shares, method="closest_observation"))
    return np.asarray((distinct[:-1] + distinct[1:]) / 2)


def bin_columns(features: Floats, edges: list[Floats]) -> Floats:
    """Return the bin of each value."""
    return np.stack(
        [np.searchsorted(edge, values) for edge, values in zip(edges, features.T, strict=True)],
        axis=1,
    ).astype(np.float64)
