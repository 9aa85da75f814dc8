"""Documents as blocks: prose, and what is none (code, tables, headings, marks of a markup)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

PROSE = "prose"
#: What a block may be besides prose; the option `skip` names them.
OTHERS = ("code", "table", "heading", "markup")
MARKUPS = ("plain", "markdown", "rst")
_BLANK = re.compile(r"\n[^\S\n]*(?=\n)")
_LINE = re.compile(r"[^\n]*\n?")
#: What stands before the words of an item of a list, or of a quotation.
MARK = re.compile(r"(?:>[ \t]?|[-*+•][ \t]+|(?:\d{1,3}|#)[.)][ \t]+)+")


@dataclass(frozen=True, slots=True)
class Block:
    """``text[start:end]`` of a document, and what it is."""

    start: int
    end: int
    kind: str = PROSE


@dataclass(frozen=True, slots=True)
class Line:
    """A line without the space around it; ``indent`` is the width of what stood before it."""

    start: int
    end: int
    text: str
    indent: int


def markup_of(name: str, said: str = "") -> str:
    """The markup of a document, by what its row says of it, or else by the ending of its name."""
    low = said.casefold()
    if "restructured" in low or low == "rst":
        return "rst"
    if low in ("markdown", "md"):
        return "markdown"
    if low:
        return "plain"
    name = name.casefold()
    if name.endswith((".md", ".markdown")):
        return "markdown"
    return "rst" if name.endswith(".rst") else "plain"


def blocks(text: str, markup: str = "plain") -> Iterator[Block]:
    """The blocks of a document in their order. Between them stand only space and marks of lists and quotations."""
    if markup == "plain":
        yield from paragraphs(text)
        return
    # Imported here, since both read lines as this file has them.
    from synthkd.kinds.proposition.markdown import markdown
    from synthkd.kinds.proposition.rst import rst

    yield from (markdown if markup == "markdown" else rst)(lines_of(text))


def paragraphs(text: str) -> Iterator[Block]:
    """Pieces between blank lines."""
    place = 0
    for gap in _BLANK.finditer(text):
        if text[place : gap.start()].strip():
            yield Block(place, gap.start())
        place = gap.end()
    if text[place:].strip():
        yield Block(place, len(text))


def lines_of(text: str) -> list[Line]:
    """All lines, blank ones included."""
    found = []
    for match in _LINE.finditer(text):
        whole = match.group()
        if not whole:
            continue
        body = whole.strip()
        indent = len(whole) - len(whole.lstrip()) if body else 0
        start = match.start() + indent
        found.append(Line(start, start + len(body), body, indent))
    return found


def until(lines: list[Line], place: int, end: re.Pattern[str]) -> int:
    """The place behind the first line from ``place`` on that matches; behind the last where none does."""
    while place < len(lines):
        place += 1
        if end.match(lines[place - 1].text):
            break
    return place


def indented(lines: list[Line], place: int, more_than: int) -> int:
    """The place behind the lines that stand further in; blank lines at the end are left."""
    last = place
    while place < len(lines) and (not lines[place].text or lines[place].indent > more_than):
        place += 1
        if lines[place - 1].text:
            last = place
    return last


def span(lines: list[Line], first: int, behind: int, kind: str) -> Block:
    """The block of some lines."""
    return Block(lines[first].start, lines[max(first, behind - 1)].end, kind)


def item(lines: list[Line], first: int, behind: int) -> Iterator[Block]:
    """Prose, without the mark of a list at its beginning."""
    block = span(lines, first, behind, PROSE)
    mark = MARK.match(lines[first].text)
    start = block.start + (mark.end() if mark else 0)
    if start < block.end:
        yield Block(start, block.end)
