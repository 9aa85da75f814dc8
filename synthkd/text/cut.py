"""Cut long texts at the ends of sentences and paragraphs."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Ends of sentences with the blanks behind them, wide full stops, and empty lines.
_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？｡])\s*|\n\s*\n\s*")


def cut_text(text: str, words: int) -> Iterator[str]:
    """Yield the parts of a text, each of whole sentences and at most so many words.

    A longer sentence is cut between words. No word is lost or repeated, and the line breaks within
    a part stay.

    Args:
        text: The text.
        words: Words of a part at most, as white space divides them.
    """
    part: list[str] = []
    count = 0
    for sentence in _sentences(text):
        for piece in _pieces(sentence, words):
            size = len(piece.split())
            if count + size > words and part:
                yield "".join(part).strip()
                part, count = [], 0
            part.append(piece)
            count += size
    if count:
        yield "".join(part).strip()


def _sentences(text: str) -> Iterator[str]:
    start = 0
    for match in _END.finditer(text):
        yield text[start : match.end()]
        start = match.end()
    yield text[start:]


def _pieces(sentence: str, words: int) -> Iterator[str]:
    """Yield a sentence whole if it is short enough, else in pieces of so many words."""
    start = 0
    for number, match in enumerate(re.finditer(r"\S+\s*", sentence)):
        if number and number % words == 0:
            yield sentence[start : match.start()]
            start = match.start()
    yield sentence[start:]
