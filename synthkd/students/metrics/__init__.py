"""How good a classifier is: accuracy, macro-F1, loss, calibration error, every class, confusions, intervals.

found = evaluate(student.probabilities(rows.texts), rows.labels, student.classes)
print(found)
"""

from synthkd.students.metrics.bootstrap import paired_bootstrap
from synthkd.students.metrics.evaluation import ClassFigures, Confusion, Evaluation, evaluate

__all__ = ["ClassFigures", "Confusion", "Evaluation", "evaluate", "paired_bootstrap"]
