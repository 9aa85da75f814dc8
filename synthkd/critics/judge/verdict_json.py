"""Verdicts in JSON, in a Markdown fence or beside text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from synthkd.critics.judge.verdict_forms import Form
from synthkd.text.json_values import json_objects

_FENCE = re.compile(r"```[a-zA-Z]*[^\S\n]*\n?(.*?)(?:```|$)", re.DOTALL)
#: Most objects read, and greatest depth of a verdict in them.
_OBJECTS, _DEPTH = 20, 4
#: Names of fields that hold a verdict and nothing else, and of those that may: the latter count if
#: they can be read.
_SURE = frozenset({"verdict", "judgment", "judgement", "decision"})
_ALSO = frozenset({"answer", "label", "result", "valid", "correct", "accept", "accepted", "true"})
_RATING = frozenset({"rating", "score", "grade"})
_PAIR = frozenset({"winner", "better", "preferred", "preference", "choice"})
_BEFORE = re.compile(r"^(?:final|overall|my|the|is)(?=[a-z]{4})")


def in_json(text: str, form: Form) -> tuple[str | None, str]:
    """Return the value of a reply's verdict fields in JSON, and the text beside.

    The value is "?" for fields that differ or name no verdict, and None if there is no such field.
    """
    if "{" not in text:
        return None, text
    objects, rest = _objects(text)
    values = {value for parsed in objects for value in _values(parsed, form, 0)}
    if not objects and text.lstrip("`jsonJSON \t\r\n").startswith("{"):
        # Not JSON: single quotes, or cut within a reason.
        values = {form.value_of[match["word"].casefold()] for match in _pairs(form).finditer(text)}
        rest = "" if values else text
    return ("?" if len(values) > 1 else next(iter(values), None)), rest


def _objects(text: str) -> tuple[list[Any], str]:
    """Return the JSON objects of a text, and the text without objects and Markdown fences."""
    objects: list[Any] = []
    rest, place = [], 0
    text = _FENCE.sub(lambda match: match[1], text)
    for one in json_objects(text, _OBJECTS, commas=True):
        if one.value:
            objects.append(one.value)
            rest.append(text[place : one.start])
            place = one.end
    return objects, "".join([*rest, text[place:]]).strip(" \t\r\n[],") if objects else text


def _values(parsed: Any, form: Form, depth: int) -> Iterator[str]:
    """Yield the values of the verdict fields of an object and of nested ones."""
    if depth > _DEPTH:
        return
    if isinstance(parsed, list):
        for item in parsed:
            yield from _values(item, form, depth + 1)
        return
    if not isinstance(parsed, dict):
        return
    sure = _SURE | (_RATING if form.name == "rating" else frozenset())
    also = _ALSO | (_PAIR if form.nouns else frozenset())
    for key, value in parsed.items():
        name = _BEFORE.sub("", re.sub(r"[^a-z]", "", str(key).casefold()))
        if isinstance(value, dict | list):
            yield from _values(value, form, depth + 1)
        elif name in sure or name in also:
            verdict = _value(value, form)
            if verdict or name in sure:
                yield verdict or "?"


def _value(value: Any, form: Form) -> str | None:
    """Return the form's value for a field's value."""
    if isinstance(value, bool):
        return form.of_worth(float(value))
    if isinstance(value, int | float):
        if form.of_worth(1.0):
            return form.of_worth(float(value))
        return (
            form.value_of.get(str(int(value))) if abs(value) < 100 and value == int(value) else None
        )
    match = _alone(form).fullmatch(str(value)[:100])
    return form.value_of[match["word"].casefold()] if match else None


@cache
def _words(form_name: str, words: tuple[str, ...], nouns: tuple[str, ...]) -> str:
    word = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    noun = rf"(?:(?:{'|'.join(nouns)})\s+)?" if nouns else ""
    out_of = r"(?:\.0+)?(?:\s*(?:/|out of)\s*5)?" if form_name == "rating" else ""
    return rf"{noun}[(\[]*(?P<word>{word}){out_of}[)\]]*"


def _alone(form: Form) -> re.Pattern[str]:
    """Return the pattern of a text that is only a word of the form."""
    return _compiled(
        rf"[\s*_`\"'#]*{_words(form.name, tuple(form.value_of), form.nouns)}[\s.!*_`\"']*"
    )


def _pairs(form: Form) -> re.Pattern[str]:
    """Return the pattern of a field in malformed JSON, with a complete value."""
    names = "|".join(sorted(_SURE | (_RATING if form.name == "rating" else frozenset())))
    words = _words(form.name, tuple(form.value_of), form.nouns)
    return _compiled(
        rf"(?<![\\\w])([\"']?)(?:final_?)?(?:{names})\1\s*:\s*([\"']?){words}\2\s*(?=[,}}\n])"
    )


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)
