"""Read triples of an answer: JSON of several shapes, or a line for each; write them as lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthkd.kinds.answer_text import answer_lines, clean_line, peel
from synthkd.kinds.base import Malformed
from synthkd.text.json_values import json_value
from synthkd.text.normal_forms import stored

#: Names that models give the parts, in order of preference.
_NAMES = {
    "head": ("head", "subject", "source", "entity1", "from", "s", "h"),
    "relation": ("relation", "predicate", "relationship", "property", "edge", "p", "r"),
    "tail": ("tail", "object", "target", "entity2", "to", "value", "o", "t"),
    "proposition": ("proposition", "sentence", "statement", "evidence"),
}
#: Parts of a line, in the order of these separators.
_SEPARATORS = (re.compile(r"\s*\|\s*"), re.compile(r"\s*\t\s*"), re.compile(r"\s*;\s+"))
_BRACKETS = re.compile(r"[(\[<{]\s*(.+?)\s*[)\]>}][.,;]?")
_COMMA = re.compile(r"\s*,\s+")
#: Lists of an answer that are read, at most.
_MOST = 2000
#: Titles of the first two columns of a table, as models write them above the triples.
_TITLES = {"head", "subject", "source", "entity 1", "entity1", "head entity", "source entity"}
_RELATION_TITLES = {
    "relation", "relation type", "relationship", "predicate", "property", "edge", "verb",
}  # fmt: skip
#: Characters of a broken triple that its reason shows.
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class AnswerTriple:
    """A triple of an answer.

    Attributes:
        head: Its subject.
        relation: Name of the relation, as written.
        tail: Its object.
        proposition: The sentence that states it; "" without one.
    """

    head: str
    relation: str
    tail: str
    proposition: str = ""


ReadTriple = AnswerTriple | Malformed


def read_answer_triples(text: str) -> list[ReadTriple] | None:
    """Return the triples of an answer, and why a part of it is none; None for JSON without a list.

    Lines without a separator are prose and not read; a line or an item with another number of parts
    than three or four is malformed.
    """
    value = json_value(text)
    if value is not None:
        items = list(_items(value, 4))
        return items or None
    return [triple for line in _lines(text) if (triple := _of_line(line)) is not None]


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if "\t" in line.strip():
            yield line.strip()
        # A row of a table is not a list mark, and its rule is no row.
        elif line.strip().startswith("|") and line.strip().endswith("|"):
            yield line.strip().strip("|").strip()
        elif line.count("|") > 1:
            # A sentence as the last part keeps its full stop.
            yield peel(stored(line))
        else:
            yield from answer_lines(line)


def _of_line(line: str) -> ReadTriple | None:
    inner = _BRACKETS.fullmatch(line)
    for separator in _SEPARATORS:
        parts = separator.split(inner[1] if inner else line)
        if len(parts) > 2:
            return _of_parts(parts, line)
    if inner is not None and len(parts := _COMMA.split(inner[1])) > 1:
        return _of_parts(parts, line)
    # Two parts of a table are a broken triple; a semicolon is part of prose.
    return _of_parts(parts, line) if len(parts := re.split(r"[|\t]", line)) > 1 else None


def _of_parts(parts: Sequence[Any], written: str) -> ReadTriple | None:
    texts = [clean_line(part) if isinstance(part, str) else "" for part in parts]
    if len(texts) in (3, 4) and _is_title(texts):
        return None
    if not any(any(map(str.isalnum, text)) for text in texts):
        return None
    shown = stored(written)[:_SHOWN]
    if len(texts) not in (3, 4):
        return Malformed("no_triple", f"{len(texts)} parts, 3 or 4 are needed: {shown!r}")
    head, relation, tail = texts[:3]
    if not (head and relation and tail):
        return Malformed("no_triple", f"a part is empty: {shown!r}")
    # A sentence keeps its full stop.
    sentence = str(parts[3]) if len(parts) == 4 else ""
    return AnswerTriple(head, relation, tail, stored(sentence).strip())


def _is_title(texts: Sequence[str]) -> bool:
    """Return True for the head of a table; a triple may well be about a source or a subject."""
    return texts[0].casefold() in _TITLES and texts[1].casefold() in _RELATION_TITLES


def _items(value: Any, depth: int) -> Iterator[ReadTriple]:
    """Yield the triples of a JSON value: objects with known names, or lists of texts."""
    if isinstance(value, Mapping):
        parts = {
            part: next((value[name] for name in names if name in value), None)
            for part, names in _NAMES.items()
        }
        if parts["head"] is not None or parts["tail"] is not None:
            texts = [_text(parts[name]) for name in _NAMES]
            given = texts if texts[3] else texts[:3]
            if (triple := _of_parts(given, " | ".join(texts))) is not None:
                yield triple
            return
        for inner in value.values():
            if isinstance(inner, list | Mapping) and depth:
                yield from _items(inner, depth - 1)
    elif isinstance(value, list):
        if value and not any(isinstance(one, list | Mapping) for one in value):
            if len(value) > 1 and not all(isinstance(one, str) and _is_line(one) for one in value):
                texts = [_text(one) for one in value]
                if (triple := _of_parts(texts, " | ".join(texts))) is not None:
                    yield triple
                return
            for one in value:
                if isinstance(one, str) and (triple := _of_line(one)) is not None:
                    yield triple
            return
        for inner in value[:_MOST] if depth else []:
            yield from _items(inner, depth - 1)


def _is_line(text: str) -> bool:
    return text.count("|") > 1 or text.count("\t") > 1


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        value = next((value[name] for name in ("name", "text", "label") if name in value), "")
    if isinstance(value, bool | int | float):
        return str(value)
    return stored(value).strip() if isinstance(value, str) else ""


def triple_lines(triples: Sequence[Sequence[str]]) -> str:
    """Write triples as lines from which `read_answer_triples` reads them again.

    A bar inside a part becomes a slash.
    """
    return "\n".join(
        " | ".join(stored(part).replace("|", "/").strip() for part in parts) for parts in triples
    )
