"""The Python API: examples that run, and the typing test under two checkers."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

from benchmarks.base import ROOT, Figures, Options
from benchmarks.usability.docstring_examples import examples_of, failures_of, public_names

#: Uses of the public names, with the wrong ones marked.
TYPING_TEST = "tests/typing/api.py"


def example_figures(_options: Options) -> Figures:
    """Run the examples of all public names, and count the names that have one that runs."""
    names = public_names()
    run = [
        name
        for name in names
        if (tests := examples_of(name)) and not any(failures_of(test) for test in tests)
    ]
    return {
        "usability_names_with_example": round(len(run) / len(names), 3),
        "usability_names": len(names),
        "usability_names_without_example": sorted(set(names) - set(run)),
    }


def typing_figures(_options: Options) -> Figures:
    """Count the errors of mypy and pyright in the typing test; None for a checker not installed."""
    return {"usability_mypy_errors": _mypy(), "usability_pyright_errors": _pyright()}


def _mypy() -> int | None:
    if find_spec("mypy") is None:
        return None
    done = _run("mypy", "--no-error-summary", TYPING_TEST)
    return sum(": error:" in line for line in done.stdout.splitlines())


def _pyright() -> int | None:
    if find_spec("pyright") is None:
        return None
    done = _run("pyright", "--pythonpath", sys.executable, "--outputjson", TYPING_TEST)
    return int(json.loads(done.stdout)["summary"]["errorCount"])


def _run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True
    )
