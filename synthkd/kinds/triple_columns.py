"""Triples in many answers at once: `TripleKind.parse`, `verbalize` and `normalize` over columns.

A tail that many heads share is cleaned and normalised once. Only a line that may repeat the
beginning of its sentence is looked at for each head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthkd.kinds.base import Malformed, without_thoughts
from synthkd.kinds.columns import (
    AnswerColumns,
    Numbers,
    ParsedColumns,
    dictionary_of,
    encode_texts,
    spread,
)
from synthkd.kinds.relations import Relation, take_names
from synthkd.text.normal_forms import normal_phrase

#: Letters by which a line and the beginning of a sentence are told apart.
_LETTERS = 3


class TripleReader(Protocol):
    """Methods of `TripleKind` that read the lines of an answer for an input."""

    relations: Mapping[str, Relation]

    def lines(self, text: str) -> list[str] | Malformed:
        """Return the lines of an answer that are tails."""

    def tail(self, line: str, relation: Relation, head: str) -> str:
        """Return the tail that a line gives to a head."""

    def stem(self, relation: Relation, head: str) -> str:
        """Return the sentence up to the tail."""


def parse_triples(kind: TripleReader, answers: AnswerColumns) -> ParsedColumns | None:
    """Read the triples in answers; None if an input has no relation of the kind."""
    relations = [kind.relations.get(str(row["relation"])) for row in answers.rows]
    known = [relation for relation in relations if relation is not None]
    if len(known) < len(relations):
        return None
    inputs = _Inputs(kind, [str(row["head"]) for row in answers.rows], known)
    lines, line_of, begins, malformed = _lines(kind, answers.texts)
    answer, within = spread(np.diff(begins)[answers.text])
    line = line_of[begins[answers.text[answer]] + within]
    row = answers.row[answer]
    tails, tail = inputs.tails(lines, line, row)
    normal_tail, normal_tails = encode_texts(list(map(normal_phrase, tails)))
    return ParsedColumns(
        answer,
        {
            "head": inputs.head.take(pa.array(row)),
            "relation": inputs.relation.take(pa.array(row)),
            "tail": dictionary_of(tail, tails),
        },
        [
            inputs.normal_head.take(pa.array(row)),
            inputs.relation.take(pa.array(row)),
            dictionary_of(normal_tail[tail], normal_tails),
        ],
        inputs.sentences(tails, tail, row),
        {
            int(place): (malformed[text],)
            for place in np.flatnonzero(np.isin(answers.text, list(malformed)))
            for text in (int(answers.text[place]),)
        },
    )


def _lines(
    kind: TripleReader, texts: Sequence[str]
) -> tuple[list[str], Numbers, Numbers, dict[int, Malformed]]:
    """Return distinct lines; of each text the numbers of its lines, one after the other.

    And the places where each text's begin; and the texts without a line.
    """
    found: list[str] = []
    begins = [0]
    malformed: dict[int, Malformed] = {}
    for number, text in enumerate(texts):
        answer = without_thoughts(text)
        lines = answer if isinstance(answer, Malformed) else kind.lines(answer)
        if isinstance(lines, Malformed):
            malformed[number] = lines
        else:
            found += lines
        begins.append(len(found))
    line_of, lines = encode_texts(found)
    return lines, line_of, np.array(begins), malformed


class _Inputs:
    """Heads and relations of a batch of inputs, each with the sentence up to its tail."""

    def __init__(self, kind: TripleReader, heads: list[str], relations: list[Relation]) -> None:
        self.kind, self.heads, self.relations = kind, heads, relations
        codes, distinct = encode_texts(heads)
        self.head = dictionary_of(codes, distinct)
        normal, forms = encode_texts(list(map(normal_phrase, distinct)))
        self.normal_head = dictionary_of(normal[codes], forms)
        self.relation = dictionary_of(*encode_texts([relation.name for relation in relations]))
        self.event = np.array([relation.event for relation in relations], bool)

    def tails(self, lines: list[str], line: Numbers, row: Numbers) -> tuple[list[str], Numbers]:
        """Return the tails of lines that answer inputs, distinct ones with a number for each."""
        event = self.event[row]
        tails = [*lines, *(map(take_names, lines) if event.any() else ())]
        tail = line + len(lines) * event
        kind, number = self.kind, len(tails)
        further: dict[str, int] = {}
        for place in np.flatnonzero(self._may_repeat(lines)(line, row)).tolist():
            at = int(row[place])
            text = kind.tail(lines[line[place]], self.relations[at], self.heads[at])
            if text != tails[tail[place]]:
                tail[place] = number + further.setdefault(text, len(further))
        codes, distinct = encode_texts([*tails, *further])
        return distinct, codes[tail]

    def _may_repeat(self, lines: list[str]) -> _MayRepeat:
        stems = [
            self.kind.stem(relation, head)
            for relation, head in zip(self.relations, self.heads, strict=True)
        ]
        return _MayRepeat(lines, stems)

    def sentences(self, tails: list[str], tail: Numbers, row: Numbers) -> pa.Array:
        """Return the sentences of triples."""
        parts = [
            relation.sentence.replace("{head}", head).split("{tail}")
            for relation, head in zip(self.relations, self.heads, strict=True)
        ]
        said = pa.array(tails, pa.string()).take(pa.array(tail))
        if all(len(part) == 2 for part in parts):
            before, after = (
                dictionary_of(*encode_texts(list(texts))).take(pa.array(row)).dictionary_decode()
                for texts in zip(*parts, strict=True)
            )
            return pc.binary_join_element_wise(before, said, after, "")
        texts = said.to_pylist()
        return pa.array(
            [text.join(parts[at]) for text, at in zip(texts, row.tolist(), strict=True)],
            pa.string(),
        )


class _MayRepeat:
    """Tells which lines may begin like their sentence: False is sure, True is not.

    Two texts whose first letters are ASCII and differ, whatever the case, begin differently.
    """

    def __init__(self, lines: list[str], stems: list[str]) -> None:
        numbers: dict[str, int] = {}
        self._line = np.array([_first(line, 0, numbers) for line in lines], np.int64)
        self._stem = np.array([_first(stem, _LETTERS, numbers) for stem in stems], np.int64)

    def __call__(self, line: Numbers, row: Numbers) -> Numbers:
        first, stem = self._line[line], self._stem[row]
        result: Numbers = (first == stem) | (first < 0) | (stem < 0)
        return result


def _first(text: str, least: int, numbers: dict[str, int]) -> int:
    """Return a number for the first letters; -1 if they are not all ASCII, or too few."""
    first = text[:_LETTERS]
    if not (first.isascii() and first.isprintable()) or len(first) < least:
        return -1
    return numbers.setdefault(first.lower(), len(numbers))
