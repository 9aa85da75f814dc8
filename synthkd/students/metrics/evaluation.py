"""Evaluate predicted probabilities against true labels, and show the figures as text and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from synthkd.errors import StudentError
from synthkd.reporting.safe_text import clean, html_lines
from synthkd.reporting.tables import html_table, text_table
from synthkd.statistics import Interval, calibration_error
from synthkd.students.base import Floats, Ints, check_known_labels, label_indices
from synthkd.students.metrics.bootstrap import f1_of_classes, intervals_of

#: Least probability in the loss, so that no row makes it infinite.
FLOOR = 1e-12


class Confusion(NamedTuple):
    """The number of rows of class `truth` that were predicted as `predicted`."""

    truth: str
    predicted: str
    rows: int


@dataclass(frozen=True)
class ClassFigures:
    """Figures of one class.

    Without a row all but `rows` are None; precision is 0 for a class that is never predicted.
    """

    label: str
    precision: float | None
    recall: float | None
    f1: float | None
    rows: int
    loss: float | None


@dataclass(frozen=True)
class ClassifierEvaluation:
    """The result of `evaluate_classifier`.

    Attributes:
        loss: Mean cross-entropy, in nats.
        ece: Expected calibration error.
        confusion: (C, C) counts, truth x predicted.
        intervals: 95 % intervals of `accuracy` and `macro_f1`; empty without draws.
    """

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
        """Classes without a row, which macro-F1 leaves out."""
        return tuple(figures.label for figures in self.per_class if not figures.rows)

    @property
    def confusions(self) -> tuple[Confusion, ...]:
        """Confusions of two classes, the most frequent first."""
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
        """Return figures, classes and confusions for JSON."""
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
        return evaluation_text(self)

    def _repr_html_(self) -> str:
        return evaluation_html(self)


def evaluate_classifier(
    probabilities: Floats,
    labels: Sequence[str],
    classes: Sequence[str],
    draws: int = 1000,
    seed: int = 0,
) -> ClassifierEvaluation:
    """Evaluate a classifier.

    Macro-F1 is the mean over the classes that have a row. The calibration error compares the
    probability of the predicted class with its accuracy, over 15 bins of equal mass (Naeini et al.
    2015).

    Args:
        probabilities: (n, C) predicted probabilities.
        labels: (n,) true labels.
        classes: (C,) classes.
        draws: Draws of the bootstraps over rows; 0 for no intervals.
        seed: Seed of the draws.

    Raises:
        StudentError: A label is no class, a probability is not finite, or there are no rows.
    """
    probabilities = _checked(np.asarray(probabilities, dtype=np.float64), len(labels), len(classes))
    check_known_labels(labels, classes)
    truth = label_indices(labels, classes)
    predicted = probabilities.argmax(1)
    size = len(classes)
    confusion = np.bincount(truth * size + predicted, minlength=size * size).reshape(size, size)
    losses = -np.log(np.maximum(probabilities[np.arange(len(truth)), truth], FLOOR))
    rows = confusion.sum(1)
    return ClassifierEvaluation(
        rows=len(truth),
        accuracy=float((truth == predicted).mean()),
        macro_f1=float(f1_of_classes(confusion)[rows > 0].mean()),
        loss=float(losses.mean()),
        ece=calibration_error(probabilities.max(1), truth == predicted),
        per_class=_per_class(
            confusion, np.asarray(np.bincount(truth, losses, size), np.float64), classes
        ),
        confusion=confusion,
        intervals=intervals_of(confusion, draws, seed) if draws else {},
    )


def _checked(probabilities: Floats, rows: int, classes: int) -> Floats:
    if probabilities.shape != (rows, classes):
        raise ValueError(f"probabilities are {probabilities.shape}; {(rows, classes)} are needed")
    if not rows:
        raise StudentError("no rows to evaluate the student on")
    if not np.isfinite(probabilities).all():
        row = int(np.flatnonzero(~np.isfinite(probabilities).all(1))[0]) + 1
        raise StudentError(f"row {row}: the student's probabilities are not finite; train it again")
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


#: Classes and confusions that a table shows; the rest is counted.
SHOWN_CLASSES = 20
SHOWN_CONFUSIONS = 8

Lines = list[list[str]]


def evaluation_text(evaluation: ClassifierEvaluation) -> str:
    """Return tables of figures, weakest classes and most frequent confusions."""
    parts = [
        text_table(_figures(evaluation)),
        text_table(_classes(evaluation)),
        text_table(_confusions(evaluation)),
        _left(evaluation),
    ]
    return "\n\n".join(part for part in parts if part)


def evaluation_html(evaluation: ClassifierEvaluation) -> str:
    """Return the tables of `evaluation_text` as HTML."""
    tables = (_figures(evaluation), _classes(evaluation), _confusions(evaluation))
    note = f"<p>{html_lines(_left(evaluation))}</p>" if _left(evaluation) else ""
    return "".join(html_table(lines) for lines in tables if lines) + note


def _figures(evaluation: ClassifierEvaluation) -> Lines:
    def line(name: str, value: float) -> list[str]:
        ends = evaluation.intervals.get(name)
        return [name, f"{value:.3f}", f"{ends[0]:.3f} to {ends[1]:.3f}" if ends else ""]

    return [
        ["", "value", "95 % interval" if evaluation.intervals else ""],
        ["rows", f"{evaluation.rows:,}", ""],
        line("accuracy", evaluation.accuracy),
        line("macro_f1", evaluation.macro_f1),
        ["loss (nats)", f"{evaluation.loss:.3f}", ""],
        ["ece", f"{evaluation.ece:.3f}", ""],
    ]


def _classes(evaluation: ClassifierEvaluation) -> Lines:
    ranked = sorted(
        (one for one in evaluation.per_class if one.f1 is not None), key=lambda one: one.f1 or 0.0
    )
    head = ["class" if len(ranked) <= SHOWN_CLASSES else "class (weakest first)"]
    return [
        [*head, "rows", "precision", "recall", "f1", "loss"],
        *(
            [one.label, f"{one.rows:,}", *(f"{value or 0:.3f}" for value in (one.precision,
            one.recall, one.f1, one.loss))]
            for one in ranked[:SHOWN_CLASSES]
        ),
    ]  # fmt: skip


def _confusions(evaluation: ClassifierEvaluation) -> Lines:
    shown = evaluation.confusions[:SHOWN_CONFUSIONS]
    if not shown:
        return []
    return [
        ["truth", "taken for", "rows"],
        *([one.truth, one.predicted, f"{one.rows:,}"] for one in shown),
    ]


def _left(evaluation: ClassifierEvaluation) -> str:
    """Count what the tables do not show."""
    notes = []
    if (more := len(evaluation.per_class) - len(evaluation.missing) - SHOWN_CLASSES) > 0:
        notes.append(f"{more:,} stronger classes are not shown")
    if (more := len(evaluation.confusions) - SHOWN_CONFUSIONS) > 0:
        notes.append(f"{more:,} rarer confusions are not shown")
    if evaluation.missing:
        names = ", ".join(map(clean, evaluation.missing[:5])) + (
            ", ..." if len(evaluation.missing) > 5 else ""
        )
        notes.append(
            f"{len(evaluation.missing):,} classes have no row here and are left out of macro-F1:"
            f" {names}"
        )
    return "\n".join(notes)
