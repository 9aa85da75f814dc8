"""Run the examples in docstrings, each in a folder as `synthkd init` writes it."""

from __future__ import annotations

import contextlib
import doctest
import inspect
import io
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import synthkd
from synthkd import plugins
from synthkd.commands.init import write_starter

_PARSER = doctest.DocTestParser()
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def public_names() -> list[str]:
    """Return the names of `synthkd`, without its version."""
    return [name for name in synthkd.__all__ if not name.startswith("__")]


def examples_of(name: str) -> list[doctest.DocTest]:
    """Return the examples of a name: of its docstring and those of its public methods."""
    value = getattr(synthkd, name)
    docstrings = {name: inspect.getdoc(value) or ""}
    if inspect.isclass(value):
        for member, attribute in vars(value).items():
            if not member.startswith("_"):
                inner = getattr(attribute, "fget", None) or getattr(attribute, "func", None)
                inner = inner or getattr(attribute, "__func__", attribute)
                if inspect.isfunction(inner):
                    docstrings[f"{name}.{member}"] = inspect.getdoc(inner) or ""
    tests = [
        _PARSER.get_doctest(text, {"__name__": "__main__"}, place, None, None)
        for place, text in docstrings.items()
        if ">>>" in text
    ]
    return [test for test in tests if test.examples]


def failures_of(test: doctest.DocTest) -> str:
    """Run an example in a new folder with a recipe; return what went wrong, empty if nothing."""
    with _folder():
        printed = io.StringIO()
        runner = doctest.DocTestRunner(optionflags=_FLAGS, verbose=False)
        runner.run(test, out=printed.write, clear_globs=True)
    return printed.getvalue()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    registered: dict[Any, Any] = dict(plugins._registered)
    with TemporaryDirectory() as folder:
        write_starter(Path(folder) / "mine", None, None, None)
        try:
            with contextlib.chdir(Path(folder) / "mine"):
                yield Path(folder)
        finally:
            plugins._registered.clear()
            plugins._registered.update(registered)
