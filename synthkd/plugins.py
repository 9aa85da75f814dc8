"""Backends, kinds, rules, critics and students are found by name through entry points, so that another package can
add one without a change here."""

from __future__ import annotations

import inspect
import json
from collections.abc import Collection, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, get_type_hints

from synthkd.errors import CriticError, KindError, RecipeError, StudentError, SynthKDError, UserError, nearest

#: group -> what one of its members is called in messages, and the error for an unknown one.
GROUPS: dict[str, tuple[str, type[UserError]]] = {
    "backends": ("backend", RecipeError),
    "kinds": ("kind", KindError),
    "rules": ("rule", RecipeError),
    "critics": ("critic", CriticError),
    "students": ("student", StudentError),
}


@cache
def _points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=f"synthkd.{group}")}


def names(group: str) -> list[str]:
    """Names of a group's members, sorted."""
    return sorted(_points(group))


def find(group: str, name: str) -> Any:
    """The class that stands behind a name in ``backends``, ``kinds``, ``rules``, ``critics`` or ``students``."""
    word, error = GROUPS[group]
    point = _points(group).get(name)
    if point is None:
        raise error(f"unknown {word} {name!r}{nearest(name, names(group))}")
    try:
        return point.load()
    except SynthKDError:
        raise
    except (ImportError, AttributeError) as problem:
        raise error(
            f"{word} {name!r} cannot be loaded ({problem}); is the package of {point.value!r} whole?"
        ) from None


def check_options(
    made: Any, options: Mapping[str, Any], word: str, error: type[UserError], taken: Collection[str] = ()
) -> None:
    """Refuse options that a plug-in's constructor does not take, or whose values are of another type.

    Args:
        made: The class.
        options: What a recipe gives it.
        word: What it is, for messages: ``rule 'too_long'``.
        error: What is raised.
        taken: Arguments of the constructor that are no options: a recipe has them elsewhere.
    """
    parameters = inspect.signature(made).parameters
    known = [
        name
        for name, one in parameters.items()
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY) and name not in taken
    ]
    free = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    hints = _hints(made)
    for name, value in options.items():
        if name not in known and (name in taken or not free):
            hint = nearest(str(name), known) if known else "; it has none"
            raise error(f"{word}: no option {str(name)!r}{hint}")
        if name in hints and (said := _misfit(hints[name], value)):
            raise error(f"{word}: {name}: {said}")


def _hints(made: Any) -> dict[str, Any]:
    try:
        return get_type_hints(made.__init__ if inspect.isclass(made) else made)
    except (NameError, TypeError, AttributeError):
        return {}  # A type that is imported for type checkers only.


#: Errors of pydantic in our words.
_WANTED = {
    "int_type": "a whole number is needed",
    "int_from_float": "a whole number is needed",
    "float_type": "a number is needed",
    "bool_type": "true or false is needed",
    "string_type": "a text is needed",
    "list_type": "a list is needed",
    "tuple_type": "a list is needed",
    "dict_type": "a mapping is needed",
}


def _misfit(hint: Any, value: Any) -> str | None:
    """Why a value is not of a type; None where it is, or where the constructor has to say."""
    from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

    shown = repr(hint)
    if "Literal" in shown or (isinstance(value, str) and "Sequence[" in shown):
        return None  # Constructors name the nearest of few values, and take one text for a list of one.
    try:
        # As JSON: there a list is any sequence, and yet no text is a number.
        TypeAdapter(hint).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if isinstance(part, int))
        said = _WANTED.get(first["type"], first["msg"][:1].lower() + first["msg"][1:])
        return f"{f'{place}: ' if place else ''}{said}, not {_shown(value)}"
    except (PydanticSchemaGenerationError, PydanticUserError, TypeError, ValueError):
        return None  # A type of Python alone, or a value that no recipe file holds.
    return None


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:60]} …"
