"""The report on the student that the teacher reads, in plain text.

It has figures on validation rows and names of classes, but no texts: its input has none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np


class ClassMetrics(Protocol):
    """Figures of one class."""

    @property
    def label(self) -> str: ...
    @property
    def precision(self) -> float | None: ...
    @property
    def recall(self) -> float | None: ...
    @property
    def f1(self) -> float | None: ...
    @property
    def rows(self) -> int: ...


class ClassifierMetrics(Protocol):
    """Figures of a classifier, such as `ClassifierEvaluation`.

    ``confusion`` is (C, C), truth by prediction, in the order of ``per_class``.
    """

    @property
    def rows(self) -> int: ...
    @property
    def accuracy(self) -> float: ...
    @property
    def macro_f1(self) -> float: ...
    @property
    def per_class(self) -> Sequence[Any]: ...
    @property
    def confusion(self) -> np.ndarray[Any, Any]: ...


def validation_report(
    metrics: ClassifierMetrics, most: int = 30, confusions: int = 20, focus: str | None = None
) -> str:
    """Return accuracy, the classes of lowest F1, and the largest confusions.

    Args:
        metrics: Figures on validation rows.
        most: Maximum number of classes; the others are summarised in one line.
        confusions: Maximum number of confusions.
        focus: A class to which classes and confusions are restricted.
    """
    lines = [
        f"Accuracy {metrics.accuracy:.3f}, macro-F1 {metrics.macro_f1:.3f} on {metrics.rows}"
        " validation rows.",
        "Classes, the weakest first:",
    ]
    order = sorted(
        metrics.per_class, key=lambda one: (one.label != focus, _number(one.f1, 2.0), one.label)
    )
    shown = order[:1] if focus is not None else order[:most]
    lines += [_line(one) for one in shown]
    lines += _summary(order[len(shown) :])
    pairs = _pairs(metrics, focus)
    if pairs:
        lines.append("Largest confusions:")
        lines += [
            f"- {count} of {rows} rows of {truth} were taken for {predicted}"
            for count, rows, truth, predicted in pairs[:confusions]
        ]
    if len(pairs) > confusions:
        wrong = sum(pair[0] for pair in pairs[confusions:])
        lines.append(f"- {wrong} more mistakes in {len(pairs) - confusions} other pairs of classes")
    return "\n".join(lines)


def _line(one: ClassMetrics) -> str:
    figures = ", ".join(
        f"{name} {_shown(value)}"
        for name, value in (("precision", one.precision), ("recall", one.recall), ("F1", one.f1))
    )
    return f"- {one.label}: {figures} ({one.rows} rows)"


def _summary(others: Sequence[ClassMetrics]) -> list[str]:
    values = [value for one in others if not math.isnan(value := _number(one.f1, math.nan))]
    if not others:
        return []
    if not values:
        return [f"- {len(others)} other classes, without validation rows"]
    return [
        f"- {len(others)} other classes: F1 from {min(values):.2f} to {max(values):.2f}, mean"
        f" {sum(values) / len(values):.2f}"
    ]


def _pairs(metrics: ClassifierMetrics, focus: str | None) -> list[tuple[int, int, str, str]]:
    """Return (rows, rows of the true class, truth, prediction) of each confusion, largest first."""
    labels = [one.label for one in metrics.per_class]
    matrix = np.asarray(metrics.confusion)
    pairs = [
        (int(matrix[i, j]), int(matrix[i].sum()), labels[i], labels[j])
        for i, j in zip(*np.nonzero(matrix), strict=True)
        if i != j and (focus is None or focus in (labels[i], labels[j]))
    ]
    return sorted(pairs, key=lambda pair: (-pair[0], pair[2], pair[3]))


def _number(value: float | None, otherwise: float) -> float:
    return otherwise if value is None or math.isnan(value) else float(value)


def _shown(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.2f}"
