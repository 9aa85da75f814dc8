"""Blocks and lines of a document: prose, and code, tables, headings and marks of a markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

PROSE = "prose"
#: Blocks other than prose; the option `skip` names them.
OTHERS = ("code", "table", "heading", "markup")
_LINE = re.compile(r"[^\n]*\n?")
#: Marks before the words of a list item or a quotation.
MARK = re.compile(r"(?:>[ \t]?|[-*+•][ \t]+|(?:\d{1,3}|#)[.)][ \t]+)+")


@dataclass(frozen=True, slots=True)
class DocumentBlock:
    """``text[start:end]`` of a document, and its kind: `PROSE` or one of `OTHERS`."""

    start: int
    end: int
    kind: str = PROSE


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """A line without the space around it.

    Attributes:
        start: Place of its first character in the document.
        end: Place behind its last character.
        text: The line.
        indent: Characters of the space before it.
    """

    start: int
    end: int
    text: str
    indent: int


def document_lines(text: str) -> list[DocumentLine]:
    """Return all lines of a document, blank lines included."""
    lines = []
    for match in _LINE.finditer(text):
        whole = match.group()
        if not whole:
            continue
        body = whole.strip()
        indent = len(whole) - len(whole.lstrip()) if body else 0
        start = match.start() + indent
        lines.append(DocumentLine(start, start + len(body), body, indent))
    return lines


def lines_block(lines: list[DocumentLine], first: int, behind: int, kind: str) -> DocumentBlock:
    """Return the block of the lines from ``first`` to before ``behind``."""
    return DocumentBlock(lines[first].start, lines[max(first, behind - 1)].end, kind)


def item_block(lines: list[DocumentLine], first: int, behind: int) -> Iterator[DocumentBlock]:
    """Yield a block of prose without its leading marks; nothing if no words follow them."""
    block = lines_block(lines, first, behind, PROSE)
    mark = MARK.match(lines[first].text)
    start = block.start + (mark.end() if mark else 0)
    if start < block.end:
        yield DocumentBlock(start, block.end)
