"""Split a document of any markup into blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from synthkd.kinds.proposition.blocks import DocumentBlock
from synthkd.kinds.proposition.markdown import markdown_blocks
from synthkd.kinds.proposition.rst import rst_blocks

MARKUPS = ("plain", "markdown", "rst")
_BLANK = re.compile(r"\n[^\S\n]*(?=\n)")


def markup_of(name: str, declared: str = "") -> str:
    """Return the markup of a document.

    Args:
        name: Name of the document, such as a path; its ending counts if nothing is declared.
        declared: The markup as the document's row gives it.
    """
    low = declared.casefold()
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


def document_blocks(text: str, markup: str = "plain") -> Iterator[DocumentBlock]:
    """Yield the blocks of a document, in order.

    Between two blocks is only space, and marks of lists and quotations.
    """
    if markup == "markdown":
        yield from markdown_blocks(text)
    elif markup == "rst":
        yield from rst_blocks(text)
    else:
        yield from _paragraphs(text)


def _paragraphs(text: str) -> Iterator[DocumentBlock]:
    place = 0
    for gap in _BLANK.finditer(text):
        if text[place : gap.start()].strip():
            yield DocumentBlock(place, gap.start())
        place = gap.end()
    if text[place:].strip():
        yield DocumentBlock(place, len(text))
