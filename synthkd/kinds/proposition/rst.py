"""Blocks of a reStructuredText document or a PEP."""

from __future__ import annotations

import re
from collections.abc import Iterator

from synthkd.kinds.proposition.blocks import (
    MARK,
    DocumentBlock,
    DocumentLine,
    document_lines,
    item_block,
    lines_block,
)

_RULE = re.compile(r"([!-/:-@\[-`{-~])\1{2,}$")
_SIMPLE = re.compile(r"=+(?:\s+=+)+$")
_GRID = re.compile(r"\+[-=+]+\+$")
_NAMED = re.compile(r"\.\. *(?:\|[^|]+\| *)?([\w:-]+?)::")
_EXPLICIT = re.compile(r"(?:\.\.(?:\s|$)|__\s)")
_FIELD = re.compile(r":[^:\s][^:]*:(?:\s|$)")
_HEADER = re.compile(r"[A-Z][A-Za-z-]*:(?:\s|$)")
_CODE = {
    "code",
    "code-block",
    "sourcecode",
    "literalinclude",
    "doctest",
    "testcode",
    "parsed-literal",
    "highlight",
}
#: Directives that contain prose.
_PROSE = {
    "note", "warning", "tip", "hint", "important", "caution", "danger", "attention", "error",
    "admonition", "seealso",
    "versionadded", "versionchanged", "deprecated", "versionremoved", "topic", "epigraph",
}  # fmt: skip
_BLANK = re.compile(r"$")


def rst_blocks(text: str) -> Iterator[DocumentBlock]:
    """Yield the blocks of a document.

    Titles, literal blocks, directives, comments, tables and field lists are recognised; other text
    is prose.
    """
    lines, place = document_lines(text), 0
    while place < len(lines) and not lines[place].text:
        place += 1
    if place < len(lines) and _HEADER.match(lines[place].text) and not lines[place].indent:
        end = _until(lines, place, _BLANK)
        yield lines_block(lines, place, _back(lines, end), "markup")
        place = end
    while place < len(lines):
        if not lines[place].text:
            place += 1
            continue
        other = _other(lines, place)
        if other is not None:
            end, kind = other
            yield lines_block(lines, place, end, kind)
            place = end
            continue
        end = _paragraph(lines, place)
        yield from item_block(lines, place, end)
        if lines[end - 1].text.endswith("::"):
            body = _next(lines, end)
            behind = _indented(lines, body, min(line.indent for line in lines[place:end]))
            if behind > body:
                yield lines_block(lines, body, behind, "code")
                end = behind
        place = end


def _other(lines: list[DocumentLine], place: int) -> tuple[int, str] | None:
    """Return the end and the kind of a block other than prose; None for prose."""
    line = lines[place]
    following = lines[place + 1].text if place + 1 < len(lines) else ""
    if _SIMPLE.match(line.text) or _GRID.match(line.text):
        return _table(lines, place), "table"
    if _RULE.match(line.text):
        if following and place + 2 < len(lines) and lines[place + 2].text[:3] == line.text[:3]:
            return place + 3, "heading"
        return place + 1, "markup"
    if (
        following
        and line.indent == 0
        and _RULE.match(following)
        and len(following) + 3 >= len(line.text)
    ):
        return place + 2, "heading"
    if line.text.startswith(">>>"):
        return _back(lines, _until(lines, place, _BLANK)), "code"
    if _EXPLICIT.match(line.text):
        named = _NAMED.match(line.text)
        name = named[1].casefold() if named else ""
        if name in _PROSE:
            return place + 1, "markup"
        return max(
            place + 1, _indented(lines, place + 1, line.indent)
        ), "code" if name in _CODE else "markup"
    if _FIELD.match(line.text):
        return max(place + 1, _indented(lines, place + 1, line.indent)), "markup"
    return None


def _table(lines: list[DocumentLine], place: int) -> int:
    """Return the place behind a table.

    A simple table ends with the last border before a blank line, a grid with its last row.
    """
    if _GRID.match(lines[place].text):
        end = place
        while end < len(lines) and lines[end].text.startswith(("+", "|")):
            end += 1
        return end
    borders = 1
    end = place + 1
    while end < len(lines):
        if _SIMPLE.match(lines[end].text):
            borders += 1
            if borders >= 2 and (end + 1 == len(lines) or not lines[end + 1].text):
                return end + 1
        end += 1
    return place + 1


def _paragraph(lines: list[DocumentLine], place: int) -> int:
    end = place + 1
    while end < len(lines) and lines[end].text:
        if MARK.match(lines[end].text) and lines[end].indent <= lines[place].indent:
            break
        if _EXPLICIT.match(lines[end].text):
            break
        end += 1
    return end


def _next(lines: list[DocumentLine], place: int) -> int:
    """Return the place of the next line with text."""
    while place < len(lines) and not lines[place].text:
        place += 1
    return place


def _back(lines: list[DocumentLine], end: int) -> int:
    """Return the place before the blank line that ended a search."""
    return end - 1 if not lines[end - 1].text else end


def _until(lines: list[DocumentLine], place: int, end: re.Pattern[str]) -> int:
    """Return the index after the first matching line from ``place`` on, or after the last line."""
    while place < len(lines):
        place += 1
        if end.match(lines[place - 1].text):
            break
    return place


def _indented(lines: list[DocumentLine], place: int, more_than: int) -> int:
    """Return the place behind the lines of a greater indent, without blank lines at their end."""
    last = place
    while place < len(lines) and (not lines[place].text or lines[place].indent > more_than):
        place += 1
        if lines[place - 1].text:
            last = place
    return last
