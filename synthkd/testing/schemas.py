"""Answers that keep to a JSON schema, as a server with structured outputs gives them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from synthkd.keys import seed_from

#: Items of a list, unless the schema allows fewer.
_ITEMS = 3


def schema_of(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the JSON schema that a request's `response_format` asks for; None without one."""
    form = body.get("response_format")
    if not isinstance(form, Mapping) or form.get("type") != "json_schema":
        return None
    schema = form.get("json_schema", {}).get("schema")
    return schema if isinstance(schema, Mapping) else None


def filled(schema: Mapping[str, Any], words: Callable[[str], str], place: str = "") -> Any:
    """Return a value of a schema.

    Args:
        schema: Objects, arrays, texts, numbers, booleans, enumerations and alternatives.
        words: Makes a text for a place in the value; numbers follow from the place and the text.
        place: The place of this value.
    """
    if "anyOf" in schema:
        schema = next(one for one in schema["anyOf"] if one.get("type") != "null")
    draw = seed_from(place, words(place))
    if "enum" in schema:
        return schema["enum"][draw % len(schema["enum"])]
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type")
    if kind == "object":
        properties: Mapping[str, Any] = schema.get("properties", {})
        return {name: filled(one, words, f"{place}.{name}") for name, one in properties.items()}
    if kind == "array":
        count = min(_ITEMS, schema.get("maxItems", _ITEMS))
        items = schema.get("items", {})
        return [filled(items, words, f"{place}.{number}") for number in range(count)]
    if kind == "boolean":
        return bool(draw % 2)
    if kind in ("integer", "number"):
        low = int(schema.get("minimum", 0))
        return low + draw % max(1, min(100, int(schema.get("maximum", low + 100)) - low + 1))
    return words(place)[: schema.get("maxLength")]


def schema_answer(schema: Mapping[str, Any], words: Callable[[str], str]) -> str:
    """Return the JSON text of a value of a schema."""
    return json.dumps(filled(schema, words))
