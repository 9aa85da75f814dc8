"""Percentile bootstraps over rows, drawn from counts of equal rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthkd.statistics import Interval, draw_counts, percentile_interval
from synthkd.students.base import Floats, Ints


def f1_of_classes(confusion: Ints) -> Floats:
    """Return the (C,) F1 of each class from counts (C, C), truth x predicted."""
    total = confusion.sum(0) + confusion.sum(1)
    f1: Floats = 2 * confusion.diagonal() / np.maximum(total, 1)
    return f1


def intervals_of(confusion: Ints, draws: int, seed: int) -> dict[str, Interval]:
    """Return 95 % intervals of accuracy and macro-F1."""
    truths, predicted = np.nonzero(confusion)
    counts = confusion[truths, predicted]
    right = (truths == predicted).astype(np.float64)
    size = len(confusion)
    of_truth, of_predicted = np.eye(size)[truths], np.eye(size)[predicted]
    accuracy, macro = [], []
    for times in draw_counts(counts, draws, seed):
        accuracy.append(times @ right / counts.sum())
        rows = times @ of_truth
        f1 = 2 * (times @ (of_truth * right[:, None])) / np.maximum(rows + times @ of_predicted, 1)
        macro.append((f1 * (rows > 0)).sum(1) / (rows > 0).sum(1))
    return {
        "accuracy": percentile_interval(np.concatenate(accuracy)),
        "macro_f1": percentile_interval(np.concatenate(macro)),
    }


def paired_bootstrap(
    correct_a: Any, correct_b: Any, draws: int = 10_000, seed: int = 0
) -> tuple[float, float, float]:
    """Return the difference a - b of two accuracies on the same rows, with its 95 % interval.

    Args:
        correct_a: (n,) whether a is right, or (s, n) for s trainings (seeds) evaluated on the same
            rows; then trainings and rows are both drawn.
        correct_b: The same for b.
        draws: Draws of the bootstrap.
        seed: Seed of the draws.
    """
    a, b = (np.atleast_2d(np.asarray(each, dtype=np.float64)) for each in (correct_a, correct_b))
    if a.shape != b.shape or not a.size:
        raise ValueError(f"a pair needs the same rows on both sides, not {a.shape} and {b.shape}")
    difference = a - b
    # Rows that differ in the same way are one cell.
    patterns, counts = np.unique(difference.T, axis=0, return_counts=True)
    trainings = np.random.default_rng([seed, 1])
    differences = []
    for times in draw_counts(counts, draws, seed):
        of_trainings = times @ patterns / counts.sum()
        if len(difference) == 1:
            differences.append(of_trainings[:, 0])
            continue
        shares = trainings.multinomial(
            len(difference), np.full(len(difference), 1 / len(difference)), len(times)
        )
        differences.append((of_trainings * shares).sum(1) / len(difference))
    return (float(difference.mean()), *percentile_interval(np.concatenate(differences)))
