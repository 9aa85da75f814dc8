"""Checks of what the methods of a plug-in return, for classes that do not come with synthkd.

A base class declares a check per method (`Plugin.returns`). The method of a subclass from outside
is wrapped when the class is made, so that synthkd's own classes pay nothing.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

from synthkd.errors import PluginError

#: Describes what is wrong with a returned value; "" if nothing is. Arguments: the plug-in, the
#: value, and the arguments of the call.
Check = Callable[..., str]


def check_methods(plugin: type[Any], checks: Mapping[str, Check]) -> None:
    """Wrap the methods that a class from outside defines, so that each call is checked."""
    if plugin.__module__.startswith("synthkd."):
        return
    for name, check in checks.items():
        if callable(method := vars(plugin).get(name)):
            setattr(plugin, name, _checked(method, check))


def wrong_value(plugin: Any, method: Callable[..., Any], problem: str) -> PluginError:
    """Return the error for a method that returned a wrong value: class, file, line, problem."""
    code = inspect.unwrap(method).__code__
    return PluginError(
        f"{type(plugin).__name__}.{method.__name__} ({Path(code.co_filename).name} line"
        f" {code.co_firstlineno}) {problem}"
    )


def short_form(value: Any) -> str:
    """Describe a value by its type and its beginning."""
    return f"{type(value).__name__} {value!r:.60}"


def check_json(plugin: Any, value: Any, *_: Any, **__: Any) -> str:
    """Check that JSON can hold a value, without NaN or infinity."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as problem:
        return f"returned {short_form(value)}, which JSON cannot hold: {problem}"
    return ""


def check_saved(plugin: Any, value: Any, folder: Path) -> str:
    """Check that `save` wrote into its folder."""
    return "" if any(folder.iterdir()) else "wrote no file into the folder that it was given"


def _checked(method: Callable[..., Any], check: Check) -> Callable[..., Any]:
    @wraps(method)
    def checked(self: Any, *args: Any, **options: Any) -> Any:
        value = method(self, *args, **options)
        if problem := check(self, value, *args, **options):
            raise wrong_value(self, method, problem)
        return value

    return checked
