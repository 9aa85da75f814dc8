"""The units of a document: sentences that are asked about, and what is skipped, each with its place; and chunks of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from synthkd.kinds.proposition.blocks import PROSE, Block, blocks
from synthkd.kinds.proposition.sentences import Splitter, cut_place

SENTENCE, PIECE, NO_WORDS = "sentence", "piece", "no_words"


@dataclass(frozen=True, slots=True)
class Unit:
    """``document[start:end]``. ``kind``: a sentence, a piece of one that was too long, or why it is skipped.

    ``index`` numbers sentences and pieces; -1 for what is skipped.
    """

    start: int
    end: int
    kind: str
    index: int = -1


def units(
    document: str, splitter: Splitter, markup: str = "plain", skip: Collection[str] = (), longest: int = 1000
) -> Iterator[Unit]:
    """All units in their order. Between them stand only space and marks of lists and quotations."""
    index = 0
    for block in blocks(document, markup):
        if block.kind in skip:
            yield Unit(block.start, block.end, block.kind)
            continue
        for start, end in _spans(document, block, splitter):
            pieces = list(_pieces(document, start, end, longest))
            for start, end in pieces:
                if not any(map(str.isalnum, document[start:end])):
                    yield Unit(start, end, NO_WORDS)
                    continue
                yield Unit(start, end, SENTENCE if len(pieces) == 1 else PIECE, index)
                index += 1


def _spans(document: str, block: Block, splitter: Splitter) -> Iterator[tuple[int, int]]:
    if block.kind == PROSE:
        for start, end in splitter.spans(document[block.start : block.end]):
            yield block.start + start, block.start + end
        return
    # Of code, a table or a heading with its underline, every line stands for itself.
    place = block.start
    for line in document[block.start : block.end].split("\n"):
        if line.strip():
            start = place + len(line) - len(line.lstrip())
            yield start, place + len(line.rstrip())
        place += len(line) + 1


def _pieces(document: str, start: int, end: int, longest: int) -> Iterator[tuple[int, int]]:
    """A sentence, or pieces of one that is too long, each without space around it."""
    while end - start > longest:
        cut = cut_place(document, start, start + longest)
        behind = start + len(document[start:cut].rstrip())
        yield start, behind
        start = cut + len(document[cut:end]) - len(document[cut:end].lstrip())
    if start < end:
        yield start, end


def chunks(document: str, found: Iterator[Unit], sentences: int, words: int) -> Iterator[list[Unit]]:
    """Sentences that a teacher reads together: at most so many, of about so many words. No chunk reaches over what is
    skipped, but for lines without words."""
    chunk: list[Unit] = []
    size = 0
    for unit in found:
        if unit.kind == NO_WORDS:
            continue
        count = 0 if unit.index < 0 else len(document[unit.start : unit.end].split())
        if chunk and (unit.index < 0 or len(chunk) == sentences or size + count > words):
            yield chunk
            chunk, size = [], 0
        if unit.index >= 0:
            chunk.append(unit)
            size += count
    if chunk:
        yield chunk
