"""Read the spans of an answer: JSON in many shapes, lines such as `person: Ada`, or tags."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from synthkd.kinds.base import Malformed
from synthkd.kinds.labelled_text.taxonomy import Taxonomy
from synthkd.text.json_values import json_value
from synthkd.text.normal_forms import normal_text

#: Flaws of a span as it is written; `places` adds those of its place.
EMPTY, NO_TYPE, CUT, TOO_MANY = "empty_span", "no_type", "cut", "too_many"
#: Spans of an answer that are read, depth of its JSON, and brackets in prose that are tried.
MOST, _DEPTH, _BRACKETS = 500, 5, 20
_TYPES = ("type", "label", "entity_type", "category", "class", "tag", "kind")
_TEXTS = ("text", "span", "entity", "name", "mention", "term", "surface", "value", "quote")
#: Keys of a list of spans.
_LISTS = frozenset(
    ("answers", "entities", "spans", "items", "results", "list", "annotations", "terms", "output")
)
#: Keys of a line that name no type.
_NO_TYPES = frozenset(
    ("sentence", "text", "in", "input", "output", "answer", "note", "types", "spans", "entities")
)
_NOTHING = re.compile(
    r"\W*(?:there (?:is|are|were) )?(?:none|nothing|n/a|null|no\b(?: \w+){0,4}?"
    r"(?: (?:span|entit|term|clause|match|type)\w*)?)(?:\s+(?:is|are|was|were)?\s*(?:in|found)\b"
    r".{0,60})?\W*",
    re.IGNORECASE,
)
_LINE = re.compile(r"[\s\-*•\d.)]*([^\W\d_][\w /&+-]{0,60}?)\s*(?:\*\*)?[:：]\s*(?:\*\*)?\s*(\S.*)")
_TAG = re.compile(
    r"<\s*(?P<close>/?)\s*(?P<name>[^<>/=\"']{1,80}?)"
    r"(?:\s+(?:type|label|class)\s*=\s*[\"']?(?P<type>[^<>\"']{1,80}?)[\"']?)?\s*>"
)
_FENCE = re.compile(r"^[ \t]*```\w*[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class WrittenSpan:
    """A span as a teacher wrote it.

    Attributes:
        type: Its type, as written.
        text: Its text, as written.
        near: About where it begins in the sentence; None if the answer does not tell.
        flaw: Why it cannot be a span, if the answer alone shows it.
    """

    type: str
    text: str
    near: int | None = None
    flaw: str = ""


def read_json_spans(
    text: str, sentence: str, types: Taxonomy | None
) -> list[WrittenSpan] | Malformed:
    """Read spans from JSON, or else from lines of the form `type: text`.

    JSON may be a list of objects, of pairs or of texts (if there is one type), an object from types
    to texts or from texts to types, or one with the list under a usual name; fenced, behind prose,
    or truncated, of which the whole items are read.

    Returns:
        The spans, an empty list if the answer says that there are none, or why nothing was read.
    """
    if not text.strip():
        return Malformed("no_text")
    value, source = _json(text)
    if value is None:
        return _line_spans(text, sentence, types)
    spans = _limited(_spans(value, types, "", _DEPTH))
    if not spans and source.rstrip().rstrip("`").rstrip()[-1:] not in "]}":
        return Malformed(CUT, "breaks off before its first whole span")
    if not spans and value not in ([], {}) and not _only_empty(value):
        return Malformed("no_spans", "JSON without a type and a text")
    return spans


def _json(text: str) -> tuple[Any, str]:
    """Return the first JSON value of an answer, and the text from its beginning on."""
    value = json_value(text)
    if value is not None:
        return value, text
    for place in re.finditer(r"[\[{]", text):
        if (value := json_value(text[place.start() :])) is not None:
            return value, text[place.start() :]
        if place.start() > _BRACKETS * 100:
            break
    return None, ""


def _only_empty(value: Any) -> bool:
    """Return True for a value in which all lists and objects are empty, such as `{"x": []}`."""
    if isinstance(value, dict):
        return all(_only_empty(one) for one in value.values())
    return value in ([], None, "")


def _limited(spans: Iterator[WrittenSpan]) -> list[WrittenSpan]:
    kept = list[WrittenSpan]()
    for span in spans:
        if len(kept) == MOST:
            return [*kept, WrittenSpan("", "", flaw=TOO_MANY)]
        kept.append(span)
    return kept


def _spans(value: Any, types: Taxonomy | None, under: str, depth: int) -> Iterator[WrittenSpan]:
    """Yield the spans of a value; ``under`` is the type that the keys above it name."""
    if depth == 0:
        return
    if isinstance(value, dict):
        yield from _object(value, types, under, depth)
    elif isinstance(value, list):
        if pair := _pair(value, types):
            yield pair
            return
        for one in value:
            yield from _spans(one, types, under, depth - 1)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        name = under or (types.labels[0] if types and len(types.labels) == 1 else "")
        yield _written(name, str(value))


def _object(
    value: dict[str, Any], types: Taxonomy | None, under: str, depth: int
) -> Iterator[WrittenSpan]:
    inner = [(name, one) for name, one in value.items() if isinstance(one, list | dict)]
    text = next((value[name] for name in _TEXTS if name in value), None)
    name = next((value[key] for key in _TYPES if isinstance(value.get(key), str)), None)
    if text is not None and not isinstance(text, list | dict) and (name is not None or not inner):
        given = under if name is None else str(name)
        near = value.get("start")
        place = near if isinstance(near, int) and not isinstance(near, bool) else None
        yield _written(given, "" if text is None else str(text), place)
        return
    if name is not None and isinstance(text, list):
        yield from _spans(text, types, str(name), depth - 1)
        return
    for key, one in value.items():
        of_key = types.find(key) if types else None
        if isinstance(one, list | dict):
            names_type = of_key or (types is None and key.casefold() not in _LISTS)
            yield from _spans(one, types, (of_key or key) if names_type else under, depth - 1)
        elif isinstance(one, str) and one.strip():
            if of_key:
                yield _written(of_key, one)
            elif types and types.find(one):
                yield _written(one, key)
            elif not inner:
                yield _written(key, one)


def _pair(value: list[Any], types: Taxonomy | None) -> WrittenSpan | None:
    """Read `["person", "Ada"]` or `["Ada", "person"]`."""
    if types is None or len(value) != 2 or not all(isinstance(one, str) for one in value):
        return None
    first, second = value
    if types.find(first):
        return _written(first, second)
    return _written(second, first) if types.find(second) else None


def _written(name: str, text: str, near: int | None = None) -> WrittenSpan:
    flaw = EMPTY if not text.strip() else NO_TYPE if not name.strip() else ""
    return WrittenSpan(name.strip(), text.strip(), near, flaw)


def _line_spans(text: str, sentence: str, types: Taxonomy | None) -> list[WrittenSpan] | Malformed:
    """Read lines of the form `type: text`, or an answer that says that there is nothing."""
    spans, others = list[WrittenSpan](), list[str]()
    for line in text.splitlines()[:MOST]:
        match = _LINE.fullmatch(line)
        name = match[1] if match else ""
        if match is None:
            if line.strip():
                others.append(line)
        elif types.find(name) if types else name.casefold() not in _NO_TYPES:
            content = match[2].strip()
            parts = [content] if content in sentence else re.split(r"\s*;\s*", content)
            # `type: a; type: b` in one line.
            for part in parts:
                again = _LINE.fullmatch(part)
                typed = again is not None and types is not None and types.find(again[1])
                spans.append(
                    _written(again[1], again[2]) if again and typed else _written(name, part)
                )
        elif name.casefold() not in _NO_TYPES:
            others.append(line)
    if spans:
        return spans
    if len(others) == 1 and _NOTHING.fullmatch(others[0]):
        return []
    return Malformed("not_json", "neither JSON nor lines of the form `type: text`")


def read_tagged_spans(
    text: str, sentence: str, types: Taxonomy | None
) -> list[WrittenSpan] | Malformed:
    """Read spans from the sentence with tags, such as `<person>Ada</person>`.

    Tags may be nested; `<entity type="person">` is read as well. Text between angle brackets that
    the sentence has itself is no tag.

    Returns:
        The spans, an empty list if the answer is the sentence without tags, or why nothing was
        read.
    """
    text = _FENCE.sub("", text).strip()
    if not text:
        return Malformed("no_text")
    plain, length, place = list[str](), 0, 0
    opened, closed = list[tuple[str, int]](), list[tuple[str, int, int]]()
    for match in _TAG.finditer(text):
        if match[0] in sentence:
            continue
        plain.append(text[place : match.start()])
        length += match.start() - place
        place = match.end()
        name = (match["type"] or match["name"]).strip()
        if not match["close"]:
            opened.append((name, length))
        elif opened:
            _close(opened, closed, name, length)
    plain.append(text[place:])
    whole = "".join(plain)
    if not closed and not opened:
        return _untagged(whole, sentence)
    shift = max(whole.find(sentence), 0)
    spans = [
        (start, -end, _written(name, whole[start:end], start - shift))
        for name, start, end in closed
    ]
    spans += [
        (start, 0, WrittenSpan(name, whole[start:].strip()[:200], start - shift, CUT))
        for name, start in opened
    ]
    return _limited(span for *_, span in sorted(spans, key=lambda one: one[:2]))


def _close(
    opened: list[tuple[str, int]], closed: list[tuple[str, int, int]], name: str, end: int
) -> None:
    """Close the last open tag of a name; `</entity>` or another name closes the last of all."""
    same = [i for i, (other, _) in enumerate(opened) if other.casefold() == name.casefold()]
    other, start = opened.pop(same[-1] if same else -1)
    closed.append((other, start, end))


def _untagged(text: str, sentence: str) -> list[WrittenSpan] | Malformed:
    if normal_text(sentence) in normal_text(text) or _NOTHING.fullmatch(text.strip()):
        return []
    return Malformed("not_tagged", "neither a tag nor the whole sentence")


def json_answer(spans: list[tuple[str, str]]) -> str:
    """Write (type, text) pairs as `read_json_spans` reads them."""
    return json.dumps([{"type": name, "text": text} for name, text in spans], ensure_ascii=False)
