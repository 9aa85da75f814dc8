"""What the command line changes in a recipe, and what is wrong with one, in words."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from synthkd.errors import RecipeError, nearest

_TYPES = ("str", "list[str]")


def override(raw: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"--set {override!r}: write key=value, such as teacher.sampling.n=5")
    *parents, last = key.split(".")
    target: Any = raw
    for parent in parents:
        target = target.setdefault(parent, {})
        if not isinstance(target, dict):
            raise RecipeError(f"--set {override!r}: {parent!r} holds no keys")
    try:
        target[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise RecipeError(f"--set {override!r}: the value is not valid YAML; quote it") from None


def explain(error: ValidationError, recipe: type[BaseModel], source: str) -> str:
    """All that is wrong, each with its place and, for unknown keys, the nearest known name."""
    lines = []
    for item in error.errors():
        # Where a key may be of several types, the place names each of them.
        place = ".".join(str(part) for part in item["loc"] if part not in _TYPES) or "recipe"
        if item["type"] == "extra_forbidden":
            known = list(_fields_at(recipe, item["loc"][:-1]))
            lines.append(f"{place}: unknown key{nearest(str(item['loc'][-1]), known)}")
        else:
            lines.append(f"{place}: {item['msg'].removeprefix('Value error, ')}")
    return f"{source}: " + "; ".join(lines)


def _fields_at(recipe: type[BaseModel], location: tuple[Any, ...]) -> dict[str, Any]:
    """The fields of the model that stands at a place in the recipe."""
    model: Any = recipe
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        model = next(
            (a for a in _flatten(annotation) if isinstance(a, type) and issubclass(a, BaseModel)),
            model,
        )
    return dict(model.model_fields)


def _flatten(annotation: Any) -> list[Any]:
    from typing import get_args

    arguments = get_args(annotation)
    if not arguments:
        return [annotation]
    return [inner for argument in arguments for inner in _flatten(argument)]
