"""Figures of predicted probabilities against true labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from synthkd.errors import StudentError
from synthkd.students.base import Floats, Ints, known_labels, label_places
from synthkd.students.metrics.bootstrap import Interval, f1_of_classes, intervals_of
from synthkd.students.metrics.show import as_html, as_text

#: A probability below counts as this in the loss, so that one row cannot make it infinite.
FLOOR = 1e-12
ECE_BINS = 15


class Confusion(NamedTuple):
    """So many rows of class ``truth`` were taken for ``predicted``."""

    truth: str
    predicted: str
    rows: int


@dataclass(frozen=True)
class ClassFigures:
    """One class. All but ``rows`` are None where it has no row; precision is 0 where it is never predicted."""

    label: str
    precision: float | None
    recall: float | None
    f1: float | None
    rows: int
    loss: float | None


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found. ``loss`` is the mean cross-entropy in nats; ``confusion`` (C, C) counts truth x predicted;
    ``intervals`` holds 95 % intervals of ``accuracy`` and ``macro_f1``, or nothing where none were drawn."""

    rows: int
    accuracy: float
    macro_f1: float
    loss: float
    ece: float
    per_class: tuple[ClassFigures, ...]
    confusion: Ints
    intervals: dict[str, Interval] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(figures.label for figures in self.per_class)

    @property
    def missing(self) -> tuple[str, ...]:
        """Classes without a row: macro-F1 leaves them out."""
        return tuple(figures.label for figures in self.per_class if not figures.rows)

    @property
    def confusions(self) -> tuple[Confusion, ...]:
        """Mistakes by pairs of classes, the most frequent first."""
        wrong = self.confusion.copy()
        np.fill_diagonal(wrong, 0)
        truths, predicted = np.nonzero(wrong)
        order = np.argsort(-wrong[truths, predicted], kind="stable")
        names = self.classes
        return tuple(
            Confusion(names[truths[i]], names[predicted[i]], int(wrong[truths[i], predicted[i]]))
            for i in order
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON: figures, classes, mistakes."""
        return {
            "rows": self.rows,
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "loss": self.loss,
            "ece": self.ece,
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
            "classes_without_rows": list(self.missing),
            "per_class": [asdict(figures) for figures in self.per_class],
            "confusions": [one._asdict() for one in self.confusions],
        }

    def __str__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)


def evaluate(
    probabilities: Floats, labels: Sequence[str], classes: Sequence[str], draws: int = 1000, seed: int = 0
) -> Evaluation:
    """Judge ``probabilities`` (n, C) by the true ``labels`` (n).

    Macro-F1 is the mean over the classes that have a row. The intervals are percentile bootstraps of ``draws`` over
    rows; 0 draws leave them out. The calibration error compares the likeliest class' probability with how often it is
    right, over 15 bins of equal mass (Naeini et al. 2015). Raises `StudentError` for a label that is no class, for
    probabilities that are no numbers, and where there are no rows.
    """
    probabilities = _checked(np.asarray(probabilities, dtype=np.float64), len(labels), len(classes))
    known_labels(labels, classes)
    truth = label_places(labels, classes)
    predicted = probabilities.argmax(1)
    size = len(classes)
    confusion = np.bincount(truth * size + predicted, minlength=size * size).reshape(size, size)
    losses = -np.log(np.maximum(probabilities[np.arange(len(truth)), truth], FLOOR))
    rows = confusion.sum(1)
    return Evaluation(
        rows=len(truth),
        accuracy=float((truth == predicted).mean()),
        macro_f1=float(f1_of_classes(confusion)[rows > 0].mean()),
        loss=float(losses.mean()),
        ece=_calibration_error(probabilities.max(1), truth == predicted),
        per_class=_per_class(confusion, np.asarray(np.bincount(truth, losses, size), np.float64), classes),
        confusion=confusion,
        intervals=intervals_of(confusion, draws, seed) if draws else {},
    )


def _checked(probabilities: Floats, rows: int, classes: int) -> Floats:
    if probabilities.shape != (rows, classes):
        raise ValueError(f"probabilities are {probabilities.shape}; {(rows, classes)} are needed")
    if not rows:
        raise StudentError("no rows to judge the student by")
    if not np.isfinite(probabilities).all():
        row = int(np.flatnonzero(~np.isfinite(probabilities).all(1))[0]) + 1
        raise StudentError(f"row {row}: the student's probabilities are no numbers; train it again")
    return probabilities


def _per_class(confusion: Ints, losses: Floats, classes: Sequence[str]) -> tuple[ClassFigures, ...]:
    right, rows, taken = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    f1 = f1_of_classes(confusion)
    return tuple(
        ClassFigures(
            label,
            float(right[i] / taken[i]) if taken[i] else 0.0,
            float(right[i] / rows[i]),
            float(f1[i]),
            int(rows[i]),
            float(losses[i] / rows[i]),
        )
        if rows[i]
        else ClassFigures(label, None, None, None, 0, None)
        for i, label in enumerate(classes)
    )


def _calibration_error(confidence: Floats, correct: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    """Mean distance of confidence and accuracy over bins of equal mass; equal confidences stay in one bin."""
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, ECE_BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, confidence, side="right")
    return float(np.abs(np.bincount(bins, confidence - correct)).sum() / len(confidence))
