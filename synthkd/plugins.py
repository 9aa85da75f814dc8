"""Backends, kinds, rules, critics and students are found by name through entry points, so that another package can
add one without a change here."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

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
