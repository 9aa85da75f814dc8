"""Units of a document (sentences, pieces, skipped blocks) with their places, and their chunks."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from synthkd.kinds.proposition.blocks import PROSE, DocumentBlock
from synthkd.kinds.proposition.markup import document_blocks
from synthkd.kinds.proposition.sentences import Splitter, cut_place

SENTENCE, PIECE, NO_WORDS = "sentence", "piece", "no_words"


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of a document.

    Attributes:
        start: Place of its first character.
        end: Place behind its last character.
        kind: `SENTENCE`, `PIECE` of a long sentence, or why the unit is skipped.
        index: Number of the sentence or piece, from 0; -1 for a skipped unit.
    """

    start: int
    end: int
    kind: str
    index: int = -1


def units(
    document: str,
    splitter: Splitter,
    markup: str = "plain",
    skip: Collection[str] = (),
    longest: int = 1000,
) -> Iterator[Unit]:
    """Yield the units of a document, in order.

    Between two units is only space, and marks of lists and quotations.

    Args:
        document: The text.
        splitter: Splits prose into sentences.
        markup: One of `markup.MARKUPS`.
        skip: Kinds of blocks to skip.
        longest: Characters of a sentence; a longer one is cut into pieces.
    """
    index = 0
    for block in document_blocks(document, markup):
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


def _spans(document: str, block: DocumentBlock, splitter: Splitter) -> Iterator[tuple[int, int]]:
    if block.kind == PROSE:
        for start, end in splitter.spans(document[block.start : block.end]):
            yield block.start + start, block.start + end
        return
    # Each line of code, of a table or of a heading with its underline is a unit.
    place = block.start
    for line in document[block.start : block.end].split("\n"):
        if line.strip():
            start = place + len(line) - len(line.lstrip())
            yield start, place + len(line.rstrip())
        place += len(line) + 1


def _pieces(document: str, start: int, end: int, longest: int) -> Iterator[tuple[int, int]]:
    """Yield a sentence, or the pieces of a long one, without space around them."""
    while end - start > longest:
        cut = cut_place(document, start, start + longest)
        behind = start + len(document[start:cut].rstrip())
        yield start, behind
        start = cut + len(document[cut:end]) - len(document[cut:end].lstrip())
    if start < end:
        yield start, end


def sentence_chunks(
    document: str, sentence_units: Iterator[Unit], sentences: int, words: int
) -> Iterator[list[Unit]]:
    """Yield chunks of sentences that a teacher reads together.

    A chunk does not cross a skipped block, except lines without words.

    Args:
        document: The text.
        sentence_units: Its units.
        sentences: Sentences of a chunk, at most.
        words: Words of a chunk, about.
    """
    chunk: list[Unit] = []
    size = 0
    for unit in sentence_units:
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
