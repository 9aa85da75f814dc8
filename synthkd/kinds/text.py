"""Small, pure functions on text that kinds and rules share."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_LIST_MARK = re.compile(r"^\s*(?:[-*•–]|\(?\d{1,3}[.):])\s+")
_ARTICLE = re.compile(r"^(?:a|an|the)\s+(?=\S)")
_EDGE = " \t.,;:!\"'`“”‘’"


def clean_line(line: str) -> str:
    """A line without control characters, list mark, surrounding quotes and closing full stop."""
    if not line.isprintable():
        line = "".join(ch if ch.isprintable() else " " for ch in line)
    line = _LIST_MARK.sub("", line).strip()
    if len(line) > 1 and line[0] == line[-1] and line[0] in "\"'`":
        line = line[1:-1].strip()
    return line.rstrip(" .,;").strip()


@lru_cache(1 << 14)
def normal_phrase(text: str) -> str:
    """NFKC, lower case, single spaces, no edge punctuation, no leading article; done again until nothing changes."""
    while True:
        plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(_EDGE)
        plain = _ARTICLE.sub("", plain)
        if plain == text:
            return plain
        text = plain


def as_line(text: str, *others: str) -> str:
    """A line from which `clean_line` reads a text again: the text itself, in quotes, or the first of ``others`` that does;
    the text itself where none does."""
    if clean_line(text) == text:
        return text
    quoted = (f"{mark}{text}{mark}" for mark in "\"'`")
    return next((line for line in (*quoted, *others) if clean_line(line) == text), text)
