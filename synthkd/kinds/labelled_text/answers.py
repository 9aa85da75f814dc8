"""Texts in an answer: plain, as lines, or as JSON. What a teacher puts around a text is taken off it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from synthkd.kinds.answer_text import peel
from synthkd.kinds.base import Malformed
from synthkd.kinds.json_values import json_value
from synthkd.kinds.labelled_text.taxonomy import label_form
from synthkd.text.normal_forms import stored

_WHOLE = re.compile(r"Label: ([^\n]*)\nText: ([^\n]*)")
_FENCE = re.compile(r"^[ \t]*```\w*[ \t]*$", re.MULTILINE)
#: Names of a text that a teacher may write before it, as a pattern.
_PREFIXES = "message|text|example|query|utterance|sentence|customer|user|review|output|response"
_HEADER = re.compile(
    r"(?:\*\*)?(label|intent|class|category|style|length|not)\s*(?:\*\*)?\s*:\s*(.*)", re.IGNORECASE
)
_LABELS = ("label", "intent", "class", "category")
_TEXTS = ("text", "message", "example", "query", "utterance", "sentence")
#: Objects of broken JSON that are looked for.
_MOST = 1000


@dataclass(frozen=True)
class Said:
    """A text, and the label that the teacher gave it ("" where it gave none)."""

    text: str
    label: str = ""


def read_answer(text: str, asked: str, several: bool) -> list[Said] | Malformed:
    """The texts of an answer. Without ``several``, the first."""
    if not text.strip():
        return Malformed("no_text")
    whole = _WHOLE.fullmatch(text)
    if whole:
        return [Said(_spaced(whole[2]), _spaced(whole[1]))]
    value = json_value(text)
    if value is not None:
        items = [_item(one, asked) for one in _values(value) or _salvaged(text)]
        if not items:
            return Malformed("not_json", "begins as JSON, and no text is in it")
        return items if several else items[:1]
    text = _FENCE.sub("", text).strip()
    found = list(_lines(text, asked) if several else _one(text, asked))
    return found or Malformed("no_text")


def _values(value: Any) -> list[Any]:
    """The items of an answer in JSON."""
    if isinstance(value, dict) and not _has_text(value):
        value = next((inner for inner in value.values() if isinstance(inner, list)), [])
    return value if isinstance(value, list) else [value]


def _salvaged(text: str) -> Iterator[Any]:
    """The objects of broken JSON that are whole."""
    decoder, place = json.JSONDecoder(), 0
    for _ in range(_MOST):
        place = text.find("{", place)
        if place < 0:
            return
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            place += 1
            continue
        if _has_text(value):
            yield value
        place = end


def _has_text(value: dict[str, Any]) -> bool:
    return any(name in value for name in _TEXTS)


def _item(value: Any, asked: str) -> Said:
    """One value of a list. What has no text is an empty one, which the rule `empty` rejects."""
    if not isinstance(value, dict):
        return Said(clean(value, asked) if isinstance(value, str) else "")
    text = next((value[name] for name in _TEXTS if name in value), "")
    label = next((value[name] for name in _LABELS if name in value), "")
    told = label if isinstance(label, str | int) else ""
    return Said(clean(text, asked) if isinstance(text, str) else "", _spaced(str(told)))


def _lines(text: str, asked: str) -> Iterator[Said]:
    """A text for each line; a line such as ``Intent: refund`` says what those after it are."""
    label = ""
    lines = [line for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        header = _HEADER.fullmatch(line.strip())
        if header:
            label = _named(header, label)
            continue
        said = clean(line, asked)
        is_preface = number == 0 and len(lines) > 1 and line.rstrip(" *").endswith(":")
        if is_preface or label_form(said) == label_form(asked):
            continue
        if said:
            yield Said(said, label)


def _one(text: str, asked: str) -> Iterator[Said]:
    """The first paragraph that is no preface, without headers before it and from the next header on."""
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
    said = clean(" ".join(kept), asked)
    if said:
        yield Said(said, label)


def _named(header: re.Match[str], label: str) -> str:
    return _spaced(header[2].strip("* ")) if header[1].casefold() in _LABELS else label


def clean(text: str, asked: str) -> str:
    """A text without list mark, ``Message:``, the label before or behind it, emphasis and quotes around it; spaces are
    single."""
    text = _spaced(text)
    for _ in range(3):
        before = text
        text = _without_label(peel(text, _PREFIXES), label_form(asked)).strip()
        if text == before:
            break
    return text


def _without_label(text: str, form: str) -> str:
    """Takes off ``refund:`` before a text, and ``[refund]`` or ``(refund)`` at an end of it."""
    head, colon, rest = text.partition(":")
    if colon and rest.strip() and form and len(head) < 3 * len(form) + 8 and label_form(head) == form:
        return rest
    for opening, closing in ("[]", "()"):
        if text.endswith(closing) and form and label_form(text[text.rfind(opening) :]) == form:
            return text[: text.rfind(opening)]
        if text.startswith(opening) and form and label_form(text[: text.find(closing) + 1]) == form:
            return text[text.find(closing) + 1 :]
    return text


def _spaced(text: str) -> str:
    """As it is stored, spaces single."""
    return " ".join(stored(text).split())
