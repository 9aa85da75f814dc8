"""The report in plain text."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from synthkd.loops.labelled.validation_report import validation_report


@dataclass
class Figures:
    label: str
    precision: float | None
    recall: float | None
    f1: float | None
    rows: int


@dataclass
class Measured:
    per_class: list[Figures]
    confusion: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), int))
    rows: int = 30
    accuracy: float = 0.7
    macro_f1: float = 0.65


def _three() -> Measured:
    return Measured(
        [Figures("refund", 0.8, 0.9, 0.85, 10), Figures("lost", 0.5, 0.4, 0.44, 10), Figures("late",
        None, float("nan"), None, 0)],
        np.array([[9, 1, 0], [6, 4, 0], [0, 0, 0]]),
    )  # fmt: skip


def test_classes_stand_by_need_and_confusions_by_size() -> None:
    assert validation_report(_three()).splitlines() == [
        "Accuracy 0.700, macro-F1 0.650 on 30 validation rows.",
        "Classes, the weakest first:",
        "- lost: precision 0.50, recall 0.40, F1 0.44 (10 rows)",
        "- refund: precision 0.80, recall 0.90, F1 0.85 (10 rows)",
        "- late: precision -, recall -, F1 - (0 rows)",
        "Largest confusions:",
        "- 6 of 10 rows of lost were taken for refund",
        "- 1 of 10 rows of refund were taken for lost",
    ]


def test_many_classes_make_no_longer_report() -> None:
    classes = [Figures(f"class {i}", 0.5, 0.5, i / 100, 5) for i in range(77)]
    text = validation_report(Measured(classes, np.ones((77, 77), int)), most=10, confusions=5)
    assert len(text.splitlines()) == 2 + 10 + 1 + 1 + 5 + 1
    assert "- 67 other classes: F1 from 0.10 to 0.76, mean 0.43" in text
    assert "- 5847 more mistakes in 5847 other pairs of classes" in text


def test_a_class_in_focus_stands_alone_with_its_own_confusions() -> None:
    text = validation_report(_three(), focus="refund")
    assert "- refund: precision" in text
    assert "- lost: precision" not in text
    assert "6 of 10 rows of lost were taken for refund" in text


def test_a_student_without_mistakes_has_no_confusions() -> None:
    measured = Measured(
        [Figures("a", 1.0, 1.0, 1.0, 5), Figures("b", 1.0, 1.0, 1.0, 5)], np.eye(2, dtype=int)
    )
    assert "confusions" not in validation_report(measured)
