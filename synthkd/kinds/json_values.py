"""JSON in plain answers: fenced or not, several values after each other, with prose around it, or cut.

Of an answer that was cut, the items that are whole count and the cut one does not. Commas that nothing follows are left
out; nothing else is repaired. (Structured answers keep to a schema and are read by `structured`.)
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

#: Longer answers are noise.
LONGEST = 400_000
_FENCED = re.compile(r"```[\w+-]*[ \t]*\n?(.*?)(?:```|\Z)", re.DOTALL)
_BEGINS = re.compile(r"""\s*(?:\[\s*(?:["'{\]]|\[\s*["'\]])|\{\s*["'}])""")
#: A list or an object as Python writes it; longer ones are left alone.
_PYTHON, _LONGEST_PYTHON = re.compile(r"[\[{]\s*[\[{]?\s*'"), 20_000
_MOST = 5_000
#: Lists and objects inside of each other, of JSON that was cut; deeper ones are no answer, and would cost their square.
_DEEPEST = 100
_LISTS = ("answers", "items", "results", "tails", "list")
_DECODER = json.JSONDecoder()


def begins(text: str) -> bool:
    """Tell whether a text begins as a JSON object, or as a list of texts, objects or lists."""
    return _BEGINS.match(text) is not None


def begins_as_json(text: str) -> bool:
    """Tell whether `json_value` reads an answer as JSON."""
    return _json_part(text[:LONGEST]) is not None


def json_value(text: str) -> Any:
    """Return the value in an answer, a list of them where there are several; None where the answer is no JSON.

    Of JSON that was cut: what is whole; an empty list where nothing is.
    """
    inside = _json_part(text[:LONGEST])
    if inside is None:
        return None
    with suppress(ValueError, RecursionError):
        return json.loads(inside)
    if _PYTHON.match(inside):
        return _python_value(inside)
    values, rest = list[Any](), inside
    while begins(rest) and len(values) < _MOST:
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
    """Return a list or an object that is written as Python does; an empty list for one that was cut."""
    if len(text) <= _LONGEST_PYTHON:
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return ast.literal_eval(text)
    return []


def _json_part(text: str) -> str | None:
    if "[" not in text and "{" not in text:
        return None
    if "```" in text:
        for block in _FENCED.finditer(text):
            if begins(block[1]):
                return block[1].strip()
    return text.strip() if begins(text) else None


def _closed(text: str) -> str:
    """Return JSON that was cut up to its last whole item, closed. A list counts item by item; an object in a list is one
    item, so a cut one is left out whole."""
    out, stack = list[str](), list[str]()
    # Where the text could end, and what closes it there.
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
                # A comma that nothing follows.
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
    """Tell whether what is open may be closed: no object that is an item of a list."""
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
    """Return the texts of a JSON answer, each under the first of ``fields`` that its object has; None where it is no JSON."""
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
        said = next((value[name] for name in fields if name in value), None)
        if said is None:
            said = next((value[name] for name in _LISTS if isinstance(value.get(name), list)), None)
        if said is None:
            said = next((inner for inner in value.values() if isinstance(inner, list)), None)
        yield from _texts(said, fields, depth - 1)
