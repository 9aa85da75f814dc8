"""Propositions out of JSON, in the shapes that models give it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from synthkd.kinds.json_values import json_value
from synthkd.kinds.proposition.groups import MOST, Group, Written, cleaned

_LISTS = (
    "propositions",
    "facts",
    "claims",
    "atomic_facts",
    "answers",
    "sentences",
    "groups",
    "output",
    "result",
)
_TEXTS = ("proposition", "fact", "claim", "text")
_NUMBERS = ("sentence", "sentence_id", "sentence_index", "sentence_number", "number", "id")
_DEPTH = 6


def read_json(text: str) -> Written | None:
    """Groups of a JSON text; None where it is none. Of JSON that was cut, the propositions that are whole.

    Read are a list of texts, lists in a list (one for each sentence), objects with a list under one of the usual
    names, and an object by the number of the sentence.
    """
    found = json_value(text)
    if not isinstance(found, dict | list):
        return None
    written = Written([], Group([], opened=False, closed=True, dashed=True))
    _walk(found, written, _DEPTH)
    return written


def _walk(value: Any, written: Written, depth: int) -> None:
    if depth == 0 or len(written.groups) >= MOST or len(written.loose.said) >= MOST:
        return
    if isinstance(value, list):
        if value and all(isinstance(one, list) for one in value):
            written.groups += [Group(list(_texts(one)), dashed=True) for one in value[:MOST]]
            return
        for one in value:
            _item(one, written, depth)
    elif isinstance(value, dict):
        _object(value, written, depth)


def _item(value: Any, written: Written, depth: int) -> None:
    if isinstance(value, str):
        written.loose.said += _texts([value])
    else:
        _walk(value, written, depth - 1)


def _object(value: dict[str, Any], written: Written, depth: int) -> None:
    number = next(
        (
            int(str(value[name]))
            for name in _NUMBERS
            if str(value.get(name, "")).isdecimal() and len(str(value[name])) < 6
        ),
        None,
    )
    if any(isinstance(value.get(name), str) for name in _TEXTS) and not any(
        isinstance(value.get(name), list) for name in _LISTS
    ):
        texts = list(_texts([next(value[name] for name in _TEXTS if isinstance(value.get(name), str))]))
        if number is None:
            written.loose.said += texts
        else:
            written.groups.append(Group(texts, number, dashed=True))
        return
    by_number = {
        key: one for key, one in value.items() if key.isdecimal() and len(key) < 6 and isinstance(one, list)
    }
    if by_number:
        written.groups += [Group(list(_texts(one)), int(key), dashed=True) for key, one in by_number.items()]
        return
    for name in _LISTS:
        inner = value.get(name)
        if not isinstance(inner, list):
            continue
        if (number is not None or "sentence" in value) and all(isinstance(one, str) for one in inner):
            written.groups.append(Group(list(_texts(inner)), number, dashed=True))
        else:
            _walk(inner, written, depth - 1)


def _texts(values: list[Any]) -> Iterator[str]:
    for value in values[:MOST]:
        if isinstance(value, dict):
            value = next((value[name] for name in _TEXTS if isinstance(value.get(name), str)), None)
        if isinstance(value, str) and (text := cleaned(value)):
            yield text
