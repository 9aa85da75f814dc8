"""The effort of a call in lines of Python, which is the same on every machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

#: Lines that a first call may run to compile its regular expressions.
COMPILING = 100_000


def lines_run(call: Callable[[], object]) -> int:
    """Return the number of lines of Python that a call runs, in all functions."""
    count = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    tracer = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(tracer)
    return count
