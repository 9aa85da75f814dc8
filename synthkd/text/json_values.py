"""Read JSON in plain text: fenced, several values in a row, with prose around it, or truncated.

| function | reads |
|---|---|
| `json_value` | An answer that is JSON, in a fence or not; of a truncated one, the whole items. |
| `json_texts` | The texts of such an answer. |
| `json_objects` | The objects anywhere in a text. |

Trailing commas are ignored; nothing else is repaired.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

#: Characters of an answer that are read.
LONGEST = 400_000
_FENCED = re.compile(r"```[\w+-]*[ \t]*\n?(.*?)(?:```|\Z)", re.DOTALL)
_BEGINS = re.compile(r"""\s*(?:\[\s*(?:["'{\]]|\[\s*["'\]])|\{\s*["'}])""")
#: A list or an object as Python writes it, and the characters up to which it is read.
_PYTHON, _LONGEST_PYTHON = re.compile(r"[\[{]\s*[\[{]?\s*'"), 20_000
_MOST = 5_000
#: Nesting of truncated JSON; deeper JSON is not an answer, and would cost quadratic time.
_DEEPEST = 100
_LISTS = ("answers", "items", "results", "tails", "list")
_DECODER = json.JSONDecoder()
#: A string of JSON, or a comma before the end of a list or object.
_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)


class JsonObject(NamedTuple):
    """An object of JSON and its place: ``text[start:end]``."""

    value: dict[str, Any]
    start: int
    end: int


def json_object_at(text: str, place: int, commas: bool = False) -> JsonObject | None:
    """Read the object that begins at a place; None if no whole object does.

    Args:
        text: The text.
        place: Place of the opening brace.
        commas: Ignore commas before the end of a list or object.
    """
    value, end = None, place
    with suppress(ValueError, RecursionError):
        value, end = _DECODER.raw_decode(text, place)
    if value is None and commas:
        # Commas become blanks, so that places stay.
        repaired = _COMMA.sub(lambda match: match[1] or " ", text[place:])
        with suppress(ValueError, RecursionError):
            value, end = _DECODER.raw_decode(repaired)
            end += place
    return JsonObject(value, place, end) if isinstance(value, dict) else None


def json_objects(text: str, most: int, commas: bool = False) -> Iterator[JsonObject]:
    """Yield the whole objects of a text; objects inside of others are not repeated.

    Args:
        text: The text.
        most: Opening braces that are tried.
        commas: Ignore commas before the end of a list or object.
    """
    place = 0
    for _ in range(most):
        place = text.find("{", place)
        if place < 0:
            return
        if candidate := json_object_at(text, place, commas):
            yield candidate
            place = candidate.end
        else:
            place += 1


def begins_like_json(text: str) -> bool:
    """Return True if a text begins as a JSON object, or as a list of texts, objects or lists."""
    return _BEGINS.match(text) is not None


def begins_as_json(text: str) -> bool:
    """Return True if `json_value` reads an answer as JSON."""
    return _json_part(text[:LONGEST]) is not None


def json_value(text: str) -> Any:
    """Return the value of an answer; a list of several values; None if the answer is not JSON.

    Truncated JSON gives its whole items, or an empty list.
    """
    inside = _json_part(text[:LONGEST])
    if inside is None:
        return None
    with suppress(ValueError, RecursionError):
        return json.loads(inside)
    if _PYTHON.match(inside):
        return _python_value(inside)
    values, rest = list[Any](), inside
    while begins_like_json(rest) and len(values) < _MOST:
        try:
            value, end = _DECODER.raw_decode(rest.lstrip())
        except (ValueError, RecursionError):
            with suppress(ValueError, RecursionError):
                values.append(json.loads(_closed(rest)))
            break
        values.append(value)
        rest = rest.lstrip()[end:].lstrip(" \t\r\n,;")
    return values[0] if len(values) == 1 else [value for value in values if value or value == 0]


def _python_value(text: str) -> Any:
    """Read a list or an object as Python writes it; an empty list if it is truncated."""
    if len(text) <= _LONGEST_PYTHON:
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return ast.literal_eval(text)
    return []


def _json_part(text: str) -> str | None:
    if "[" not in text and "{" not in text:
        return None
    if "```" in text:
        for block in _FENCED.finditer(text):
            if begins_like_json(block[1]):
                return block[1].strip()
    return text.strip() if begins_like_json(text) else None


def _closed(text: str) -> str:
    """Cut truncated JSON behind its last whole item, and close it.

    An object in a list is one item, so a truncated object is dropped.
    """
    out, stack = list[str](), list[str]()
    # Where the text could end, and the brackets that close it there.
    safe, closers, place, last = 0, "", 0, ""
    while place < len(text):
        ch = text[place]
        if ch == '"':
            end = _string_end(text, place)
            if end is None:
                break
            out.append(text[place:end])
            place, last = end, '"'
            if stack and stack[-1] == "]" and _open(stack):
                safe, closers = len(out), "".join(reversed(stack))
            continue
        if ch in "[{":
            if len(stack) == _DEEPEST:
                break
            out.append(ch)
            stack.append("]" if ch == "[" else "}")
        elif ch in "]}":
            if not stack or stack.pop() != ch:
                break
            if last == ",":
                # A trailing comma.
                while out and out[-1] != ",":
                    out.pop()
                out.pop()
            out.append(ch)
            if not stack:
                return "".join(out)
        else:
            out.append(ch)
        if (ch == "]" or (ch in "[,}" and stack[-1:] == ["]"])) and _open(stack):
            safe, closers = len(out) - (ch == ","), "".join(reversed(stack))
        if not ch.isspace():
            last = ch
        place += 1
    return "".join(out[:safe]) + closers


def _open(stack: list[str]) -> bool:
    """Return True if no open object is an item of a list."""
    return "]}" not in "".join(stack)


def _string_end(text: str, start: int) -> int | None:
    place = start + 1
    while place < len(text):
        if text[place] == "\\":
            place += 1
        elif text[place] == '"':
            return place + 1
        place += 1
    return None


def json_texts(text: str, fields: Sequence[str]) -> list[str] | None:
    """Return the texts of a JSON answer; None if the answer is not JSON.

    Args:
        text: The answer.
        fields: Fields of an object that may hold its text, in order of preference.
    """
    if "[" not in text and "{" not in text:
        return None
    value = json_value(text)
    return None if value is None else [one for one in _texts(value, fields, 3) if one.strip()]


def _texts(value: Any, fields: Sequence[str], depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and depth:
        for one in value[:_MOST]:
            yield from _texts(one, fields, depth - 1)
    elif isinstance(value, dict) and depth:
        inner_value = next((value[name] for name in fields if name in value), None)
        if inner_value is None:
            inner_value = next(
                (value[name] for name in _LISTS if isinstance(value.get(name), list)), None
            )
        if inner_value is None:
            inner_value = next((inner for inner in value.values() if isinstance(inner, list)), None)
        yield from _texts(inner_value, fields, depth - 1)
