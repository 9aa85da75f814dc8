"""The student steers the teacher: rounds, what they mine, allocate and report."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthkd.loops.engine import distill
    from synthkd.loops.result import DistillResult

#: Loaded when first used: the pure functions beside them are used alone, too.
_HOMES = {"distill": "synthkd.loops.engine", "DistillResult": "synthkd.loops.result"}

__all__ = ["DistillResult", "distill"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'synthkd.loops' has no attribute {name!r}")
