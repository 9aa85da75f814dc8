"""Features of JSON schemas that servers ignore silently, refuse, or answer without end.

Sources: vLLM issues 56616 (several branches of allOf), 52011 (empty schema), 26421 and 12131
(unsupported keywords), xgrammar's unsupported keywords as vLLM lists them; the OpenAI documentation
of structured outputs (strict mode).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

#: Keyword -> what servers do with it.
_KEYWORDS = {
    "not": "is refused by OpenAI and dropped by grammar back ends",
    "if": "is refused by OpenAI and dropped by grammar back ends",
    "dependentRequired": "is refused by OpenAI and dropped by grammar back ends",
    "dependentSchemas": "is refused by OpenAI and dropped by grammar back ends",
    "oneOf": "is read as anyOf by grammar back ends, and refused by OpenAI; write anyOf",
    "patternProperties": "is refused by OpenAI and vLLM (xgrammar)",
    "propertyNames": "is refused by vLLM (xgrammar)",
    "minProperties": "is not enforced by vLLM (xgrammar)",
    "maxProperties": "is not enforced by vLLM (xgrammar)",
    "multipleOf": "is not enforced by vLLM (xgrammar)",
    "uniqueItems": "is not enforced by vLLM (xgrammar), nor by OpenAI",
    "contains": "is not enforced by vLLM (xgrammar)",
    "minContains": "is not enforced by vLLM (xgrammar)",
    "maxContains": "is not enforced by vLLM (xgrammar)",
    "format": "is enforced by some servers for some formats only",
    "pattern": "is enforced in part: look-around, inner anchors and named groups are dropped",
    "default": "is ignored everywhere",
}
#: Keywords that describe a value without constraining it.
_ANNOTATIONS = {"title", "description", "default", "examples", "$comment"}


def lint_schema(schema: dict[str, Any]) -> list[str]:
    """List the features that a server may not enforce, a line each with its place."""
    problems = list(_look(schema, "$", schema, ()))
    if not isinstance(schema, dict) or schema.get("type") != "object":
        problems.insert(0, "$: the root is not an object, which OpenAI refuses")
    return problems


def without_keywords(schema: Any, dropped: Collection[str]) -> Any:
    """Return a schema without keywords that a provider refuses; names of properties stay.

    What they ask for is checked when the answer is read.
    """
    if isinstance(schema, list):
        return [without_keywords(value, dropped) for value in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: value for name, value in schema.items() if name not in dropped}
    for name, value in kept.items():
        if name in ("properties", "$defs", "definitions") and isinstance(value, dict):
            kept[name] = {key: without_keywords(one, dropped) for key, one in value.items()}
        elif name not in ("enum", "const", "default", "examples", "required"):
            kept[name] = without_keywords(value, dropped)
    return kept


def _look(node: Any, place: str, root: Any, above: tuple[str, ...]) -> Iterator[str]:
    if node is True or (isinstance(node, dict) and not set(node) - _ANNOTATIONS):
        yield f"{place}: an empty schema allows anything; some servers then write digits endlessly"
    if not isinstance(node, dict):
        return
    yield from (f"{place}: {name!r} {what}" for name, what in _KEYWORDS.items() if name in node)
    if len(_list(node, "allOf")) > 1:
        yield (
            f"{place}: 'allOf' of several branches is dropped silently by xgrammar, and refused"
            " by OpenAI; merge it"
        )
    elif "allOf" in node:
        yield f"{place}: 'allOf' is refused by OpenAI; write its branch in its place"
    yield from _bounds(node, place)
    yield from _objects(node, place)
    yield from _below(node, place, root, above)


def _bounds(node: dict[str, Any], place: str) -> Iterator[str]:
    kinds = _kinds(node)
    if "string" in kinds and not {"maxLength", "enum", "const", "format", "pattern"} & set(node):
        yield f"{place}: a string without 'maxLength' may run on to the last token"
    if "array" in kinds and "maxItems" not in node:
        yield f"{place}: an array without 'maxItems' may run on to the last token"
    if "array" in kinds and "items" not in node and "prefixItems" not in node:
        yield f"{place}: an array without 'items' allows anything in it"


def _objects(node: dict[str, Any], place: str) -> Iterator[str]:
    if "object" not in _kinds(node):
        return
    properties = _dict(node, "properties")
    if not properties:
        yield (
            f"{place}: an object without 'properties' allows anything, or nothing, as the server"
            " has it"
        )
        return
    if node.get("additionalProperties") is not False:
        yield (
            f"{place}: without 'additionalProperties: false' OpenAI refuses it, and others may"
            " add keys"
        )
    for name in sorted(set(properties) - set(map(str, _list(node, "required")))):
        yield f"{place}.{name}: not in 'required', which OpenAI refuses; allow null instead"


def _below(node: dict[str, Any], place: str, root: Any, above: tuple[str, ...]) -> Iterator[str]:
    reference = node.get("$ref")
    if isinstance(reference, str):
        if reference in above:
            yield f"{place}: {reference} refers to itself: grammar back ends cut it off or fail"
            return
        target = _target(reference, root)
        if target is None:
            yield f"{place}: {reference} leads nowhere in this schema, and servers fetch nothing"
        else:
            yield from _look(target, place, root, (*above, reference))
    for name, value in _dict(node, "properties").items():
        yield from _look(value, f"{place}.{name}", root, above)
    if "items" in node:
        yield from _look(node["items"], f"{place}[]", root, above)
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for number, value in enumerate(_list(node, key)):
            yield from _look(value, f"{place}.{key}[{number}]", root, above)


def _target(reference: str, root: Any) -> Any:
    node = root
    if not reference.startswith("#"):
        return None
    for part in filter(None, reference.removeprefix("#").split("/")):
        if not isinstance(node, dict) or part not in node:
            return None
        node = node[part]
    return node


def _kinds(node: dict[str, Any]) -> list[Any]:
    kind = node.get("type")
    return kind if isinstance(kind, list) else [kind]


def _list(node: dict[str, Any], key: str) -> list[Any]:
    """Return a keyword's list; empty for another type, which the server will report."""
    value = node.get(key)
    return value if isinstance(value, list) else []


def _dict(node: dict[str, Any], key: str) -> dict[str, Any]:
    value = node.get(key)
    return value if isinstance(value, dict) else {}
