"""Plug-ins that are made of a plain function of a row: rules and votes."""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from synthkd.errors import RecipeError, SynthKDError
from synthkd.options import options_of_function
from synthkd.plugins import Plugin

#: Shortens a row for a message, value by value.
_shortened = reprlib.Repr()
_shortened.maxstring = 60
#: Columns of a row that a message shows.
_MOST_SHOWN = 12


class RowFunction(Plugin):
    """A plug-in made of a function of a row; keyword-only parameters are the options.

    Attributes:
        function: The function.
        word: The group's name in messages.
        signature: A signature that fits, shown for a function that does not.
    """

    function: ClassVar[Callable[..., Any]]
    word: ClassVar[str]
    signature: ClassVar[str]

    @classmethod
    def of_function(cls, function: Callable[..., Any], name: str) -> type[Plugin]:
        positional = [
            one
            for one in inspect.signature(function).parameters.values()
            if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
        ]
        if len(positional) != 1:
            raise TypeError(f"a {cls.word} function takes one row: `{cls.signature}`")
        members = {
            "name": name,
            "Options": options_of_function(function),
            "function": staticmethod(function),
            "__doc__": function.__doc__,
            "__module__": function.__module__ or "__main__",
        }
        return type(name, (cls,), members)

    def value_of(self, row: Mapping[str, Any]) -> Any:
        """Call the function on a row.

        Raises:
            RecipeError: The function raised; the message has the plug-in's name and the row.
        """
        try:
            return self.function(row, **dict(self.options))
        except SynthKDError:
            raise
        except Exception as problem:
            # In the row's order, which begins with its content; `repr` would sort the columns.
            shown = [
                f"{name!r}: {_shortened.repr(value)}"
                for name, value in row.items()
                if value is not None
            ]
            more = ", ..." if len(shown) > _MOST_SHOWN else ""
            raise RecipeError(
                f"{self.word} {self.name!r} raised {type(problem).__name__}: {problem}; row"
                f" {{{', '.join(shown[:_MOST_SHOWN])}{more}}}"
            ) from problem
