"""Kinds as a student's folder can hold them, and back."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from synthkd import plugins
from synthkd.errors import StudentError, SynthKDError
from synthkd.kinds.base import Kind
from synthkd.recipe import Recipe


def kind_of(record: dict[str, Any], where: Path) -> Kind:
    """A kind as the part `kind` of a recipe asks for it. Files that it names are looked for from the working folder, then
    in ``where``, then beside it."""
    made = plugins.find("kinds", record["name"])
    problem: Exception | None = None
    for folder in (Path(), where, where.parent):
        raw = {
            "name": "student",
            "inputs": {"count": 1},
            "kind": record,
            "teacher": {},
            "corpus": {"path": "."},
        }
        try:
            recipe = Recipe.from_dict(raw, folder)
            found: Kind = (
                made.from_recipe(recipe)
                if hasattr(made, "from_recipe")
                else made(**record.get("options", {}))
            )
        except (SynthKDError, TypeError, ValueError, OSError) as error:
            problem = problem or error
            continue
        return found
    raise StudentError(f"{where}: its kind {record['name']!r} cannot be made: {problem}; give it as `kind`")


def record_of(kind: Kind) -> dict[str, Any] | None:
    """The part of a recipe that asks for such a kind; None where that cannot be told from the kind itself."""
    known = inspect.signature(type(kind).__init__).parameters
    options = {
        name: list(value) if isinstance(value, tuple) else value
        for name in known
        if name not in ("self", "relations", "several", "resolve", "seed")
        and _is_plain(value := getattr(kind, name, None))
    }
    record: dict[str, Any] = {"name": kind.name, "several": bool(kind.several), "options": options}
    if isinstance(relations := getattr(kind, "relations", None), dict):
        record["relations"] = list(relations)
    for options_tried in (options, {}):
        record["options"] = options_tried
        try:
            if _same(kind_of(record, Path()), kind):
                return record
        except SynthKDError:
            continue
    return None


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, str | int | float | bool)


def _same(one: Any, other: Any) -> bool:
    """Whether two objects are made of equal parts."""
    if type(one) is not type(other):
        return False
    if one == other:
        return True
    return hasattr(one, "__dict__") and one.__dict__.keys() == other.__dict__.keys() and all(
        _same(value, other.__dict__[name]) for name, value in one.__dict__.items()
    )  # fmt: skip
