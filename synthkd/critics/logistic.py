"""How strongly a logistic regression is held back, chosen by grouped cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from synthkd.critics.base import Labels, Scores

#: Fewer groups than this make no folds.
_GROUPS, _FOLDS = 12, 3


def choose_regularisation(
    regression: Callable[[float], Any],
    matrix: Any,
    labels: Labels,
    groups: Sequence[str],
    weights: Scores | None,
    strengths: Sequence[float],
    default: float,
) -> float:
    """The C with the best mean AUC over folds that share no group, the first of equals; ``default`` where the data is
    too small for folds."""
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold

    if len(set(groups)) < _GROUPS:
        return default
    gains: dict[float, list[float]] = {strength: [] for strength in strengths}
    for train, test in GroupKFold(_FOLDS).split(matrix, labels, groups):
        if len(set(labels[train])) < 2 or len(set(labels[test])) < 2:
            continue
        for strength in strengths:
            part = None if weights is None else weights[train]
            model = regression(strength).fit(matrix[train], labels[train], part)
            gains[strength].append(roc_auc_score(labels[test], model.decision_function(matrix[test])))
    scored = {strength: float(np.mean(values)) for strength, values in gains.items() if values}
    return max(scored, key=lambda strength: scored[strength], default=default)
