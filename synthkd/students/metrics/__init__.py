"""Metrics of classifiers, with bootstrap intervals.

evaluation = evaluate_classifier(student.probabilities(rows.texts), rows.labels, student.classes)
print(evaluation)
"""

from synthkd.students.metrics.bootstrap import paired_bootstrap
from synthkd.students.metrics.evaluation import (
    ClassFigures,
    ClassifierEvaluation,
    Confusion,
    evaluate_classifier,
)

__all__ = [
    "ClassFigures",
    "ClassifierEvaluation",
    "Confusion",
    "evaluate_classifier",
    "paired_bootstrap",
]
