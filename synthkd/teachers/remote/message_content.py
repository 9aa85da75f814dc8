"""The content of a choice as servers send it: text, refusal, thoughts and finish reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from synthkd.finish_reasons import MISSING
from synthkd.journal.values import representable

#: Takes secrets out of a server's text.
Mask = Callable[[str], str]
#: Characters of a finish reason at most.
_MAX_REASON = 64
#: Types of parts that are text of the answer, and of parts that are thoughts.
_TEXT_PARTS = (None, "text", "output_text", "input_text")
_THOUGHT_PARTS = frozenset(
    [
        "thinking",
        "reasoning",
        "thought",
        "redacted_thinking",
        "reasoning_content",
        "reasoning_text",
        "summary_text",
    ]
)
#: Fields of a message or a choice that hold thoughts; the first that is not empty counts.
_THOUGHT_ORDER = (
    "reasoning_content",
    "reasoning",
    "thinking",
    "reasoning_text",
    "reasoning_details",
    "thinking_blocks",
)
THOUGHT_FIELDS = frozenset(_THOUGHT_ORDER)
#: Fields of a part of thoughts that hold its text.
_TEXT_FIELDS = ("thinking", "reasoning", "reasoning_content", "text", "content", "summary")
#: Depth of nested parts of thoughts.
_MAX_DEPTH = 4


class ModelRefusal:
    """A model's own refusal, which stands beside an empty content."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def choice_text(choice: dict[str, Any]) -> Any:
    """Return the text of a choice, or its `Refusal`; any other value is not a text."""
    message = choice.get("message")
    if message is None:
        content = choice.get("text")
    elif type(message) is dict:
        content = message.get("content")
        if not content and type(refusal := message.get("refusal")) is str and refusal:
            return ModelRefusal(refusal)
    else:
        return message
    if content is None:
        return ""
    if type(content) is list:
        return _join_parts(content)
    return content


def _join_parts(parts: list[Any]) -> Any:
    """Join the texts of a list of parts without thoughts; return the list if a part is unknown."""
    texts = []
    for part in parts:
        if type(part) is str:
            texts.append(part)
        elif type(part) is not dict:
            return parts
        elif _is_thought(part):
            continue
        elif part.get("type") == "refusal" and type(refusal := part.get("refusal")) is str:
            return ModelRefusal(refusal)
        elif part.get("type") in _TEXT_PARTS and type(part.get("text")) is str:
            texts.append(part["text"])
        elif "text" in part:
            return parts
    if texts or all(type(part) is dict and _is_thought(part) for part in parts):
        return "".join(texts)
    return parts


def _is_thought(part: dict[str, Any]) -> bool:
    kind = part.get("type")
    return (type(kind) is str and kind in _THOUGHT_PARTS) or part.get("thought") is True


def choice_reasoning(choice: dict[str, Any], mask: Mask) -> str | None:
    """Return the thoughts that the server gives apart from the text; None if there are none."""
    message = choice.get("message")
    texts: list[str] = []
    for node in (message, choice):
        if type(node) is not dict:
            continue
        if not THOUGHT_FIELDS.isdisjoint(node):
            for name in _THOUGHT_ORDER:
                if name in node and not texts:
                    texts = _thought_texts(node[name], 0)
        content = node.get("content")
        if not texts and type(content) is list:
            thoughts = [part for part in content if type(part) is dict and _is_thought(part)]
            texts = [text for part in thoughts for text in _thought_texts(part, 0)]
    text = "".join(texts)
    return mask(representable(text)) if text else None


def _thought_texts(value: Any, depth: int) -> list[str]:
    """Return the texts of thoughts, which are a text or nested parts."""
    if type(value) is str:
        return [value]
    if depth > _MAX_DEPTH:
        return []
    if type(value) is list:
        return [text for part in value for text in _thought_texts(part, depth + 1)]
    if type(value) is dict:
        candidates = (_thought_texts(value.get(name), depth + 1) for name in _TEXT_FIELDS)
        return next((texts for texts in candidates if texts), [])
    return []


def choice_finish_reason(choice: dict[str, Any], mask: Mask) -> str:
    """Return the finish reason of a choice; `MISSING` if it has none that can be read."""
    reason = choice.get("finish_reason")
    if reason == "stop" or reason == "length":
        return str(reason)
    # SGLang gives an object.
    if type(reason) is dict:
        reason = reason.get("type")
    if type(reason) is not str or not reason or len(reason) > _MAX_REASON:
        return MISSING
    return mask(str(representable(reason)))
