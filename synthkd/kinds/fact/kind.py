"""The kind `fact`: triples that a text states, each with the places of its ends.

The teacher reads a text and answers with triples, and on request with the sentence that states each
(the quadruples of Distill-SynthKG, arXiv 2410.16597). Equal triples of one document are one fact;
those of two documents are two.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field

from synthkd.errors import nearest
from synthkd.keys import content_hash
from synthkd.kinds.base import Candidates, Kind, Malformed, Row
from synthkd.kinds.fact.answers import AnswerTriple, ReadTriple, read_answer_triples, triple_lines
from synthkd.options import BaseOptions
from synthkd.text.normal_forms import normal_phrase
from synthkd.text.spans import phrase_finder

_TRIPLE = ("head", "relation", "tail")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_\s-]+")


def relation_key(relation: str) -> str:
    """Return the form under which relations are equal: `isPartOf` is `is Part Of`."""
    words = " ".join(part for part in _CAMEL.split(relation) if part)
    return normal_phrase(words) or normal_phrase(relation)


class FactKind(Kind):
    """A head, a relation and a tail, stated by a text."""

    name = "fact"
    columns = ("document_id", "head", "relation", "tail")
    input_columns = ("text",)
    optional_columns = ("document_id",)
    group_column = "document_id"
    class_column = "relation"
    subject_column = "head"
    details: ClassVar[dict[str, str]] = {
        "source": "string",
        "proposition": "string",
        "head_start": "int32",
        "head_end": "int32",
        "tail_start": "int32",
        "tail_end": "int32",
        "head_name": "string",
        "tail_name": "string",
    }
    default_rules = ("in_text", "empty", "self_loop", "too_long", "unfinished")
    several = True

    class Options(BaseOptions):
        relations: tuple[str, ...] = Field(
            (), description="Relations that an answer may name. Default: any."
        )
        propositions: bool = Field(
            False, description="Ask for the sentence that states each triple, as a fourth part."
        )

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.known = {relation_key(name): name for name in self.options.relations}

    @property
    def answer_columns(self) -> tuple[str, ...]:
        return (*_TRIPLE, "proposition") if self.options.propositions else _TRIPLE

    def context(self, row: Row, examples: Sequence[Row], rng: random.Random) -> dict[str, Any]:
        """Add ``relations``, and whether the teacher writes a proposition for each triple."""
        return {
            "document_id": "",
            **row,
            "relations": list(self.options.relations),
            "propositions": self.options.propositions,
            "examples": list(examples),
        }

    def parse(self, text: str, row: Row) -> Candidates:
        triples = read_answer_triples(text)
        if triples is None:
            return Malformed("not_json", "begins as JSON, and no triple is in it")
        if not triples:
            return Malformed("no_text" if not text.strip() else "no_triple")
        return [self._candidate(triple, row) for triple in triples]

    def read(self, answer: Mapping[str, Any], row: Row) -> Candidates:
        """Read a structured answer: a list of objects with head, relation and tail."""
        triples = [
            AnswerTriple(*(str(item.get(name) or "").strip() for name in (*_TRIPLE, "proposition")))
            for item in answer["answers"]
        ]
        return [self._candidate(triple, row) for triple in triples] or Malformed("no_answers")

    def _candidate(self, triple: ReadTriple, row: Row) -> dict[str, Any] | Malformed:
        if isinstance(triple, Malformed):
            return triple
        relation, known = triple.relation, list(self.options.relations)
        if known and (relation := self.known.get(relation_key(relation), "")) == "":
            return Malformed(
                "unknown_relation", f"{triple.relation!r}{nearest(triple.relation, known)}"
            )
        source, places = str(row.get("text") or ""), dict[str, int | None]()
        for end in ("head", "tail"):
            span = phrase_finder(source).find(getattr(triple, end))
            places[f"{end}_start"] = None if span is None else span.start
            places[f"{end}_end"] = None if span is None else span.end
        return {
            "document_id": document_id(row),
            "head": triple.head,
            "relation": relation,
            "tail": triple.tail,
            "source": source,
            "proposition": triple.proposition or None,
            "head_name": triple.head,
            "tail_name": triple.tail,
            **places,
        }

    def question(self, candidate: Row) -> dict[str, Any]:
        """Return the text that a fact was read from."""
        return {
            "text": str(candidate.get("source") or ""),
            "document_id": str(candidate["document_id"] or ""),
        }

    def group_by_input(self, candidates: Sequence[Row]) -> list[tuple[dict[str, Any], list[Row]]]:
        """Group facts by their text, each text with the facts in the order of their places."""
        return [
            (question, sorted(rows, key=_place))
            for question, rows in super().group_by_input(candidates)
        ]

    def completion(self, candidates: Sequence[Row], row: Row) -> str:
        """Write a line for each fact, with bars between its parts."""
        return "\n" + triple_lines(
            [
                [str(candidate.get(name) or "") for name in self.answer_columns]
                for candidate in candidates
            ]
        )

    def verbalize(self, candidate: Row) -> str:
        head, relation, tail = (str(candidate[name] or "") for name in _TRIPLE)
        return f"{head} {relation_key(relation)} {tail}"

    def normalize(self, candidate: Row) -> tuple[str, ...]:
        return (
            str(candidate["document_id"] or ""),
            normal_phrase(str(candidate["head"] or "")),
            relation_key(str(candidate["relation"] or "")),
            normal_phrase(str(candidate["tail"] or "")),
        )

    def vote_on(self, candidate: Row) -> tuple[str, ...]:
        """Return the document: its completions vote on which facts it states."""
        return (document_id(candidate),)

    def vote_for(self, candidate: Row) -> str:
        return "\n".join(self.normalize(candidate)[1:])


def document_id(row: Row) -> str:
    """Return the id of an input's document; of a row without one, the hash of its text."""
    given = str(row.get("document_id") or "").strip()
    return given or content_hash(str(row.get("text") or ""))[:16]


def _place(candidate: Row) -> tuple[float, float, str]:
    """Order facts by where they are complete: the later of their ends."""
    starts = [candidate.get(f"{end}_start") for end in ("head", "tail")]
    places = [float("inf") if start is None else float(start) for start in starts]
    return max(places), min(places), str(candidate["relation"])
