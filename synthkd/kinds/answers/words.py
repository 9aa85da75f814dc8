"""Answers in words: yes or no, and free text."""

from __future__ import annotations

import re

from synthkd.kinds.base import Malformed
from synthkd.kinds.text import clean_line, normal_phrase

_YES_NO = re.compile(r"\b(yes|no|true|false)\b(?!\s+(?:one|longer|matter|doubt))", re.IGNORECASE)
_MEANS = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
_ASKS_YES_NO = re.compile(
    r"^(?:is|are|was|were|do|does|did|can|could|will|would|has|have|had|should|may|might|am)\b", re.IGNORECASE
)
_MOST_WORDS = 25


def read_yes_no(text: str) -> str | Malformed:
    """`yes` or `no`: the word that the text begins with, or the only one in it."""
    said = [_MEANS[word.lower()] for word in _YES_NO.findall(text)]
    first = _YES_NO.match(text.lstrip(" \"'(*:"))
    if first:
        return _MEANS[first[1].lower()]
    if len(set(said)) > 1:
        return Malformed("ambiguous", "yes and no")
    return said[0] if said else Malformed("not_yes_or_no", " ".join(text.split())[:80])


def asks_yes_no(question: str) -> bool:
    """Whether a question can be answered by yes or no."""
    last = re.split(r"(?<=[.!?])\s+", question.strip())[-1]
    return bool(_ASKS_YES_NO.match(last)) and not re.search(r"\bor\b", last, re.IGNORECASE)


def read_text(text: str) -> str | Malformed:
    """Free text in one line, without quotes and closing full stop."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    line = clean_line(line)
    if not normal_phrase(line):
        return Malformed("no_answer")
    if len(line.split()) > _MOST_WORDS:
        return Malformed("no_answer", f"{len(line.split())} words")
    return line
