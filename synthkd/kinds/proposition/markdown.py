"""Blocks of a Markdown document."""

from __future__ import annotations

import re
from collections.abc import Iterator

from synthkd.kinds.proposition.blocks import MARK, Block, Line, indented, item, span, until

_FENCE = re.compile(r"(`{3,}|~{3,})")
_HEADING = re.compile(r"#{1,6}(?:\s|$)")
_UNDERLINE = re.compile(r"(?:=+|-{2,})$")
_BAR = re.compile(r"([-*_])(?:\s*\1){2,}$")
_COLUMNS = re.compile(r"(?=.*\|)(?=.*-)[\s|:-]+$")
_REFERENCE = re.compile(r"\[[^\]]+\]:\s")
_FRONT = re.compile(r"(?:---|\.\.\.)$")
_COMMENT_END = re.compile(r".*-->")


def markdown(lines: list[Line]) -> Iterator[Block]:
    """Fenced and indented code, headings of both forms, pipe tables, comments, front matter; all else is prose."""
    place = _front(lines)
    if place:
        yield span(lines, 0, place, "markup")
    in_list = False
    while place < len(lines):
        line = lines[place]
        if not line.text:
            place += 1
            continue
        found = _other(lines, place, in_list)
        if found is None:
            end = _paragraph(lines, place)
            in_list = _is_item(line) or (in_list and line.indent > 0)
            if end < len(lines) and _UNDERLINE.match(lines[end].text) and not MARK.match(line.text):
                yield span(lines, place, end + 1, "heading")
                end += 1
            else:
                yield from item(lines, place, end)
        else:
            end, kind = found
            yield span(lines, place, end, kind)
            in_list = in_list and line.indent > 0
        place = end


def _is_item(line: Line) -> bool:
    return bool(MARK.match(line.text)) and not line.text.startswith(">")


def _front(lines: list[Line]) -> int:
    """The place behind YAML front matter; 0 where there is none."""
    if not lines or lines[0].text != "---" or lines[0].start:
        return 0
    end = until(lines, 1, _FRONT)
    return end if _FRONT.match(lines[end - 1].text) and end > 1 else 0


def _other(lines: list[Line], place: int, in_list: bool) -> tuple[int, str] | None:
    """Where a block that is no prose ends, and what it is."""
    line = lines[place]
    if fence := _FENCE.match(line.text):
        mark = fence[1]
        return until(lines, place + 1, re.compile(rf"{re.escape(mark)}{re.escape(mark[0])}*$")), "code"
    if _HEADING.match(line.text):
        return place + 1, "heading"
    if line.text.startswith("|") or (
        place + 1 < len(lines) and "|" in line.text and _COLUMNS.match(lines[place + 1].text)
    ):
        end = place
        while end < len(lines) and "|" in lines[end].text:
            end += 1
        return end, "table"
    if line.text.startswith("<!--"):
        return until(lines, place, _COMMENT_END), "markup"
    if _BAR.match(line.text) or _REFERENCE.match(line.text):
        return place + 1, "markup"
    if line.indent >= 4 and not in_list and (place == 0 or not lines[place - 1].text):
        return indented(lines, place, 3), "code"
    return None


def _paragraph(lines: list[Line], place: int) -> int:
    """The place behind a paragraph: at a blank line, an item of a list, or the beginning of another block."""
    end = place + 1
    while end < len(lines):
        text = lines[end].text
        if not text or _UNDERLINE.match(text) or (MARK.match(text) and not text.startswith(">")):
            break
        if _FENCE.match(text) or _HEADING.match(text) or text.startswith(("|", "<!--")):
            break
        end += 1
    return end
