"""The loop in which a student's errors decide what the teacher writes next.

from synthkd.loops import distill

result = distill("recipe.yaml")
result.figures[result.best], result.student, result.corpus
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthkd.loops.engine import distill
    from synthkd.loops.result import DistillResult
    from synthkd.loops.task import LoopTask, ValidationResult

#: Public name -> its module, which is imported when the name is first used.
_HOMES = {
    "DistillResult": "result",
    "LoopTask": "task",
    "ValidationResult": "task",
    "distill": "engine",
}

__all__ = ["DistillResult", "LoopTask", "ValidationResult", "distill"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"synthkd.loops.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'synthkd.loops' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
