"""Read the texts of an answer: plain, as lines, or as JSON, without the decorations around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from synthkd.kinds.answer_text import peel
from synthkd.kinds.base import Malformed
from synthkd.kinds.labelled_text.taxonomy import label_form
from synthkd.text.json_values import json_objects, json_value
from synthkd.text.normal_forms import stored

_WHOLE = re.compile(r"Label: ([^\n]*)\nText: ([^\n]*)")
_FENCE = re.compile(r"^[ \t]*```\w*[ \t]*$", re.MULTILINE)
#: Names of a text that may precede it, as a pattern.
_PREFIXES = "message|text|example|query|utterance|sentence|customer|user|review|output|response"
_HEADER = re.compile(
    r"(?:\*\*)?(label|intent|class|category|style|length|not)\s*(?:\*\*)?\s*:\s*(.*)", re.IGNORECASE
)
_LABELS = ("label", "intent", "class", "category")
_TEXTS = ("text", "message", "example", "query", "utterance", "sentence")
#: Places in broken JSON that are tried as objects.
_MOST = 1000


@dataclass(frozen=True)
class AnswerText:
    """A text, and the label that the teacher gave it; "" without one."""

    text: str
    label: str = ""


def read_text_answers(text: str, label: str, several: bool) -> list[AnswerText] | Malformed:
    """Read the texts of an answer.

    Args:
        text: The answer.
        label: The label of the input row.
        several: Read all texts rather than the first.
    """
    if not text.strip():
        return Malformed("no_text")
    whole = _WHOLE.fullmatch(text)
    if whole:
        return [AnswerText(_spaced(whole[2]), _spaced(whole[1]))]
    value = json_value(text)
    if value is not None:
        items = [_item(one, label) for one in _values(value) or _salvaged(text)]
        if not items:
            return Malformed("not_json", "begins as JSON, and no text is in it")
        return items if several else items[:1]
    text = _FENCE.sub("", text).strip()
    answers = list(_lines(text, label) if several else _one(text, label))
    return answers or Malformed("no_text")


def _values(value: Any) -> list[Any]:
    """Return the items of an answer in JSON."""
    if isinstance(value, dict) and not _has_text(value):
        value = next((inner for inner in value.values() if isinstance(inner, list)), [])
    return value if isinstance(value, list) else [value]


def _salvaged(text: str) -> Iterator[Any]:
    """Yield the whole objects of broken JSON that have a text."""
    return (
        candidate.value for candidate in json_objects(text, _MOST) if _has_text(candidate.value)
    )


def _has_text(value: dict[str, Any]) -> bool:
    return any(name in value for name in _TEXTS)


def _item(value: Any, requested: str) -> AnswerText:
    """Read an item of a list; an item without a text is empty, and the rule `empty` rejects it."""
    if not isinstance(value, dict):
        return AnswerText(clean_text(value, requested) if isinstance(value, str) else "")
    text = next((value[name] for name in _TEXTS if name in value), "")
    label = next((value[name] for name in _LABELS if name in value), "")
    label_text = label if isinstance(label, str | int) else ""
    return AnswerText(
        clean_text(text, requested) if isinstance(text, str) else "", _spaced(str(label_text))
    )


def _lines(text: str, requested: str) -> Iterator[AnswerText]:
    """Read a text from each line; a line such as ``Intent: refund`` labels the lines after it."""
    label = ""
    lines = [line for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        header = _HEADER.fullmatch(line.strip())
        if header:
            label = _named(header, label)
            continue
        content = clean_text(line, requested)
        is_preface = number == 0 and len(lines) > 1 and line.rstrip(" *").endswith(":")
        if is_preface or label_form(content) == label_form(requested):
            continue
        if content:
            yield AnswerText(content, label)


def _one(text: str, requested: str) -> Iterator[AnswerText]:
    """Read the first paragraph that is not a preface, up to the next header."""
    parts = [part for part in re.split(r"\n\s*\n", text) if part.strip()]
    if len(parts) > 1 and parts[0].rstrip(" *").endswith(":"):
        parts = parts[1:]
    label, kept = "", list[str]()
    for line in (line for part in parts for line in [*part.splitlines(), ""]):
        header = _HEADER.fullmatch(line.strip())
        if kept and (header or not line.strip()):
            break
        if header:
            label = _named(header, label)
        elif line.strip():
            kept.append(line)
    content = clean_text(" ".join(kept), requested)
    if content:
        yield AnswerText(content, label)


def _named(header: re.Match[str], label: str) -> str:
    return _spaced(header[2].strip("* ")) if header[1].casefold() in _LABELS else label


def clean_text(text: str, label: str) -> str:
    """Return a text without list mark, ``Message:``, label, emphasis, quotes and double spaces."""
    text = _spaced(text)
    for _ in range(3):
        before = text
        text = _without_label(peel(text, _PREFIXES), label_form(label)).strip()
        if text == before:
            break
    return text


def _without_label(text: str, form: str) -> str:
    """Remove ``refund:`` before a text, and ``[refund]`` or ``(refund)`` at either end."""
    head, colon, rest = text.partition(":")
    if (
        colon
        and rest.strip()
        and form
        and len(head) < 3 * len(form) + 8
        and label_form(head) == form
    ):
        return rest
    for opening, closing in ("[]", "()"):
        if text.endswith(closing) and form and label_form(text[text.rfind(opening) :]) == form:
            return text[: text.rfind(opening)]
        if text.startswith(opening) and form and label_form(text[: text.find(closing) + 1]) == form:
            return text[text.find(closing) + 1 :]
    return text


def _spaced(text: str) -> str:
    """Return a text as it is stored, with single spaces."""
    return " ".join(stored(text).split())
