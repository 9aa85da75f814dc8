"""Comparisons in JSON that a chat model wrote where plain text would do."""

from __future__ import annotations

from typing import Any

from synthkd.kinds.json_values import json_value

#: What the text of an answer may stand under, the first that is there.
_FIELDS = ("comparative", "answer", "sentence", "text", "comparison")


def json_items(text: str) -> list[str] | None:
    """The texts in a JSON answer; None where it is no JSON."""
    value = json_value(text)
    return None if value is None else _texts(value)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict) and isinstance(value.get("answers"), list):
        value = value["answers"]
    items = value if isinstance(value, list) else [value]
    return [_text(item) for item in items]


def _text(item: Any) -> str:
    if not isinstance(item, dict):
        return item if isinstance(item, str) else ""
    said = next((item[name] for name in _FIELDS if isinstance(item.get(name), str)), "")
    # A bare comparative may have its adverb and quantifier beside it.
    beside = [item.get(name) for name in ("adverb", "quantifier") if "comparative" in item]
    return " ".join([*(word for word in beside if isinstance(word, str) and word), said])
