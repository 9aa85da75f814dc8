"""Cross-fitting: score labelled rows by critics that were not trained on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from synthkd.critics.base import CriticModel, Labels, Scores
from synthkd.errors import CriticError
from synthkd.keys import fraction


def group_folds(
    groups: Sequence[str], folds: int, seed: int = 0
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Assign a fold to each row; rows of one group share a fold.

    Groups, the largest first, go to the smallest fold, so folds are of nearly equal size. A hash
    orders groups of one size, so the order of rows never matters.
    """
    names, places, counts = np.unique(
        np.asarray(groups, dtype=str), return_inverse=True, return_counts=True
    )
    if folds < 2:
        raise CriticError(f"cross-fitting needs at least 2 folds, not {folds}")
    if len(names) < folds:
        raise CriticError(
            f"{folds} folds need as many groups, there are {len(names)}; ask for fewer folds"
        )
    draws = [fraction(f"{seed}:{name}") for name in names]
    sizes, fold = [0] * folds, np.zeros(len(names), dtype=np.int64)
    for group in sorted(range(len(names)), key=lambda i: (-int(counts[i]), draws[i])):
        smallest = sizes.index(min(sizes))
        fold[group] = smallest
        sizes[smallest] += int(counts[group])
    return fold[places]


def crossfit(
    make_critic: Callable[[], CriticModel],
    rows: pa.Table,
    labels: Labels,
    groups: Sequence[str],
    folds: int = 5,
    seed: int = 0,
    weights: Scores | None = None,
) -> Scores:
    """Return out-of-fold scores (rows,), by critics trained without each row's group.

    The scores are of several critics: use them to plan a calibration (`ThresholdPlan.from_labels`),
    to stack critics or to report figures. A guarantee needs rows that no training used.
    """
    labels = np.asarray(labels, dtype=bool)
    if not rows.num_rows == len(labels) == len(groups):
        raise CriticError(
            f"{rows.num_rows:,} rows, {len(labels):,} labels and {len(groups):,} groups; the"
            " numbers must be equal"
        )
    fold, scores = group_folds(groups, folds, seed), np.zeros(len(labels))
    for here in range(folds):
        test = fold == here
        train = ~test
        if labels[train].all() or not labels[train].any():
            raise CriticError(
                f"without fold {here} all verdicts are the same; label more rows or reduce the"
                " folds"
            )
        critic = make_critic()
        critic.prepare(rows, groups)
        kept = [group for group, used in zip(groups, train, strict=True) if used]
        part = None if weights is None else weights[train]
        critic.fit(rows.filter(pa.array(train)), labels[train], kept, part)
        scores[test] = critic.score(rows.filter(pa.array(test)))
    return scores
