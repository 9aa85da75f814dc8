"""Changes of a recipe from the command line, and messages for what is wrong in a recipe."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, ValidationError

from synthkd import safeyaml
from synthkd.errors import RecipeError, nearest
from synthkd.secrets import mask_tokens

#: Parts of a place that name one of several types, and no key.
_TYPE = re.compile(r"str|list\[.*\]|function-.*")


def override(raw: dict[str, Any], override: str, names: Collection[str] = ()) -> None:
    """Apply ``key.key=value``. Messages leave the value out, since it may be a secret."""
    key, equals, value = override.partition("=")
    shown = _shown_key(key, names)
    if not equals or not key:
        raise RecipeError(f"--set {shown}: write key=value, such as teacher.sampling.n=5")
    *parents, last = key.split(".")
    target: Any = raw
    for parent in parents:
        target = target.setdefault(parent, {})
        if not isinstance(target, dict):
            raise RecipeError(f"--set {shown}: {mask_tokens(parent)!r} holds no keys")
    try:
        target[last] = safeyaml.load_yaml(value)
    except safeyaml.YamlError as error:
        problem = str(error).split(": ")[0]
        raise RecipeError(f"--set {shown}: the value is {problem}; quote it") from None


def _shown_key(key: str, names: Collection[str]) -> str:
    """Return the key of a change as far as it is one: a value without a key may be a secret."""
    plain = re.match(r"[A-Za-z_][\w.-]*", key)
    if plain is None or (names and plain[0].split(".")[0] not in names):
        return "…"
    return mask_tokens(plain[0])


def explain(error: ValidationError, recipe: type[BaseModel], source: str) -> str:
    """Put every mistake into words with its place and, for unknown keys, the nearest known name."""
    lines = []
    items = error.errors(include_input=False, include_url=False)
    refused = {item["loc"][:2] for item in items if item["type"] == "value_error"}
    for item in items:
        # Where a text is refused for what it says, that it is no list either helps nobody.
        if item["type"] == "list_type" and item["loc"][:2] in refused:
            continue
        # Where a key may be of several types, the place names each of them.
        keys = [str(part) for part in item["loc"] if not _TYPE.fullmatch(str(part))]
        place = mask_tokens(".".join(keys)) or "recipe"
        if item["type"] == "extra_forbidden":
            names = list(_fields_at(recipe, item["loc"][:-1]))
            lines.append(f"{place}: unknown key{nearest(str(item['loc'][-1]), names)}")
        else:
            problem = mask_tokens(item["msg"].removeprefix("Value error, "))
            if item["type"] in ("model_type", "dict_type"):
                problem = "a mapping of keys to values is needed"
            lines.append(
                problem if not keys and item["type"] == "value_error" else f"{place}: {problem}"
            )
    lines = list(dict.fromkeys(lines))
    return f"{source}: " + "; ".join(lines)


def _fields_at(recipe: type[BaseModel], location: tuple[Any, ...]) -> dict[str, Any]:
    """Return the fields of the model at a place in the recipe."""
    model: Any = recipe
    for part in location:
        if part not in model.model_fields:
            # An item of a list, a key of a mapping, or the name of an alternative.
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
