"""The report that a teacher reads: figures of the student on validation rows, in plain text. Numbers and names of classes
only; no text of a validation row can be in it, since none comes in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np


class Figures(Protocol):
    """Of one class."""

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


class Measured(Protocol):
    """What `synthkd.students.metrics.evaluate_classifier` gives. ``confusion`` (C, C): truth by prediction, in the order of
    ``per_class``."""

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
    measured: Measured, most: int = 30, confusions: int = 20, focus: str | None = None
) -> str:
    """Accuracy, the classes of lowest F1 with their figures, and the largest confusions; the other classes in one line.

    ``focus``: a class that is asked for; of the confusions only its own, and its figures first. The length is bounded by
    ``most`` and ``confusions``, however many classes there are.
    """
    lines = [
        f"Accuracy {measured.accuracy:.3f}, macro-F1 {measured.macro_f1:.3f} on {measured.rows} validation rows.",
        "Classes, the weakest first:",
    ]
    order = sorted(measured.per_class, key=lambda one: (one.label != focus, _number(one.f1, 2.0), one.label))
    shown = order[:1] if focus is not None else order[:most]
    lines += [_line(one) for one in shown]
    lines += _rest(order[len(shown) :])
    pairs = _pairs(measured, focus)
    if pairs:
        lines.append("Largest confusions:")
        lines += [
            f"- {count} of {rows} rows of {truth} were taken for {said}"
            for count, rows, truth, said in pairs[:confusions]
        ]
    if len(pairs) > confusions:
        wrong = sum(pair[0] for pair in pairs[confusions:])
        lines.append(f"- {wrong} more mistakes in {len(pairs) - confusions} other pairs of classes")
    return "\n".join(lines)


def _line(one: Figures) -> str:
    figures = ", ".join(
        f"{name} {_shown(value)}"
        for name, value in (("precision", one.precision), ("recall", one.recall), ("F1", one.f1))
    )
    return f"- {one.label}: {figures} ({one.rows} rows)"


def _rest(others: Sequence[Figures]) -> list[str]:
    values = [value for one in others if not math.isnan(value := _number(one.f1, math.nan))]
    if not others:
        return []
    if not values:
        return [f"- {len(others)} other classes, without validation rows"]
    return [
        f"- {len(others)} other classes: F1 from {min(values):.2f} to {max(values):.2f}, mean {sum(values) / len(values):.2f}"
    ]


def _pairs(measured: Measured, focus: str | None) -> list[tuple[int, int, str, str]]:
    """(rows, rows of the true class, truth, prediction), the largest first."""
    labels = [one.label for one in measured.per_class]
    matrix = np.asarray(measured.confusion)
    found = [
        (int(matrix[i, j]), int(matrix[i].sum()), labels[i], labels[j])
        for i, j in zip(*np.nonzero(matrix), strict=True)
        if i != j and (focus is None or focus in (labels[i], labels[j]))
    ]
    return sorted(found, key=lambda pair: (-pair[0], pair[2], pair[3]))


def _number(value: float | None, otherwise: float) -> float:
    return otherwise if value is None or math.isnan(value) else float(value)


def _shown(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.2f}"
