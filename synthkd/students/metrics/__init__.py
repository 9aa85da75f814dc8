"""Metrics of classifiers and of taggers, with bootstrap intervals.

evaluation = evaluate_classifier(student.probabilities(rows.texts), rows.labels, student.classes)
evaluation = evaluate_spans(rows.spans, tagger.spans(rows.texts))
print(evaluation)
"""

from synthkd.students.metrics.bootstrap import paired_bootstrap
from synthkd.students.metrics.entities import (
    SpanEvaluation,
    TypeFigures,
    count_spans,
    evaluate_spans,
    paired_span_bootstrap,
)
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
    "SpanEvaluation",
    "TypeFigures",
    "count_spans",
    "evaluate_classifier",
    "evaluate_spans",
    "paired_bootstrap",
    "paired_span_bootstrap",
]
