"""Blocks of a Markdown document: CommonMark with tables and front matter, read by markdown-it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from synthkd.kinds.proposition.blocks import (
    MARK,
    PROSE,
    DocumentBlock,
    DocumentLine,
    document_lines,
    item_block,
    lines_block,
)

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

#: Tokens of markdown-it that hold no other blocks, and the kinds of their blocks.
_LEAVES = {
    "paragraph_open": PROSE,
    "heading_open": "heading",
    "fence": "code",
    "code_block": "code",
    "table_open": "table",
    "html_block": "markup",
    "hr": "markup",
}
_FRONT = re.compile(r"(?:---|\.\.\.)$")
#: A return that ends a line for markdown-it only.
_RETURN = re.compile(r"\r(?!\n)")


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"maxNesting": 100}).enable("table")
    # Blocks alone: inline markup is not parsed.
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser


def markdown_blocks(text: str) -> Iterator[DocumentBlock]:
    """Yield the blocks of a Markdown document.

    Front matter, HTML, rules and link definitions are `markup`.
    """
    lines = document_lines(text)
    place = _front_matter(lines)
    if place:
        yield lines_block(lines, 0, place, "markup")
    for first, behind, kind in _leaves(text, lines, place):
        yield from _unread(lines, place, first)
        yield from _block(lines, first, behind, kind)
        place = behind
    yield from _unread(lines, place, len(lines))


def _front_matter(lines: list[DocumentLine]) -> int:
    """Return the place behind YAML front matter; 0 if there is none."""
    if not lines or lines[0].text != "---" or lines[0].start:
        return 0
    ends = (place for place, line in enumerate(lines) if place and _FRONT.match(line.text))
    return next(ends, -1) + 1


def _leaves(text: str, lines: list[DocumentLine], begin: int) -> Iterator[tuple[int, int, str]]:
    """Yield the first line of each innermost block, the line behind its last, and its kind."""
    # Front matter is blanked rather than cut, so that line numbers stay.
    rest = "\n" * begin + (
        text[lines[begin].start - lines[begin].indent :] if begin < len(lines) else ""
    )
    for token in _parser().parse(_RETURN.sub(" ", rest)):
        if token.type not in _LEAVES or token.map is None:
            continue
        first, behind = token.map[0], min(token.map[1], len(lines))
        while first < behind and not lines[first].text:
            first += 1
        while behind > first and not lines[behind - 1].text:
            behind -= 1
        if first < behind:
            yield first, behind, _LEAVES[token.type]


def _block(
    lines: list[DocumentLine], first: int, behind: int, kind: str
) -> Iterator[DocumentBlock]:
    if kind != PROSE:
        yield lines_block(lines, first, behind, kind)
    elif all(line.text.startswith("|") for line in lines[first:behind]):
        # A table without the rule below its head.
        yield lines_block(lines, first, behind, "table")
    else:
        yield from item_block(lines, first, behind)


def _unread(lines: list[DocumentLine], begin: int, end: int) -> Iterator[DocumentBlock]:
    """Yield the lines that belong to no block, such as link definitions, as markup."""
    for place in range(begin, end):
        text = lines[place].text
        if text and not MARK.fullmatch(f"{text} "):
            yield lines_block(lines, place, place + 1, "markup")
