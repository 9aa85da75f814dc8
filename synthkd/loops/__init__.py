"""The loop in which a student's errors decide what the teacher writes next.

from synthkd.loops import distill

result = distill("recipe.yaml")
result.figures[result.best], result.student, result.corpus
"""

from typing import TYPE_CHECKING

from synthkd.lazy_names import lazy_names

if TYPE_CHECKING:
    from synthkd.loops.engine import distill
    from synthkd.loops.result import DistillResult
    from synthkd.loops.students import student_factory
    from synthkd.loops.task import LoopTask, Row, ValidationResult

#: Public name -> its module, which is imported when the name is first used.
_HOMES = {
    "DistillResult": "result",
    "LoopTask": "task",
    "Row": "task",
    "ValidationResult": "task",
    "distill": "engine",
    "student_factory": "students",
}

__all__ = ["DistillResult", "LoopTask", "Row", "ValidationResult", "distill", "student_factory"]

__getattr__, __dir__ = lazy_names(__name__, _HOMES, __all__)
