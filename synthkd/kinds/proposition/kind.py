"""The kind `proposition`: self-contained claims of a document's sentences.

A document is split into sentences and chunks of them; the teacher answers about a chunk, grouped by
sentence. Every sentence has a row in every completion: its propositions, or a row without one whose
``flaw`` gives the reason and which the rule `has_proposition` rejects. Source: Hosseini et al.
2024, arXiv 2406.19803.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from synthkd.errors import RecipeError, nearest
from synthkd.kinds.base import Kind, Malformed, Row
from synthkd.kinds.proposition.alignment import NO_TEXT, AlignedProposition, align
from synthkd.kinds.proposition.blocks import OTHERS
from synthkd.kinds.proposition.completions import (
    chunk_row,
    group_by_chunk,
    grouped_text,
    ordered_propositions,
)
from synthkd.kinds.proposition.groups import (
    GroupedPropositions,
    PropositionGroup,
    clean_proposition,
    read_groups,
)
from synthkd.kinds.proposition.json_groups import read_json_groups
from synthkd.kinds.proposition.markup import markup_of
from synthkd.kinds.proposition.sentences import SENTENCIZER, Splitter, one_line
from synthkd.kinds.proposition.units import Unit, sentence_chunks, units
from synthkd.options import BaseOptions
from synthkd.text.normal_forms import normal_phrase

if TYPE_CHECKING:
    from synthkd.recipe import Recipe

#: Rules that reject a row without a proposition; a recipe needs one of them.
_NEEDED = {"has_proposition", "empty"}


class PropositionKind(Kind):
    """Claims of the sentences of documents."""

    name = "proposition"
    columns = ("document_id", "sentence", "proposition")
    input_columns = ("document_id", "text")
    optional_columns = ("markup",)
    group_column = "document_id"
    details: ClassVar[dict[str, str]] = {
        "sentence_index": "int32",
        "start": "int32",
        "end": "int32",
        "unit": "string",
        "source": "string",
        "splitter": "string",
        "aligned_by": "string",
        "flaw": "string",
    }
    provenance_details: ClassVar[frozenset[str]] = frozenset(
        {"unit", "splitter", "aligned_by", "flaw"}
    )
    default_rules = (
        "has_proposition",
        "empty",
        "self_contained",
        "one_claim",
        "not_copy",
        "unfinished",
        "grounded",
    )
    several = True

    class Options(BaseOptions):
        sentences: str = Field(
            SENTENCIZER,
            description="`sentencizer`, or an installed spaCy model that finds sentences.",
        )
        language: str = Field("en", description="Language of the sentencizer.")
        chunk_sentences: int = Field(
            5, ge=1, description="Sentences that a teacher reads together, at most."
        )
        chunk_words: int = Field(
            200, ge=1, description="Words that a teacher reads together, about."
        )
        context_sentences: int = Field(
            0, ge=0, description="Sentences before a chunk that the template has as `before`."
        )
        longest: int = Field(
            1000, ge=20, description="Characters of a sentence; a longer one is cut into pieces."
        )
        markup: Literal["auto", "plain", "markdown", "rst"] = Field(
            "auto",
            description="Markup of the documents; `auto` goes by the row's column `markup`, or the"
            " ending of its name.",
        )
        skip: str | tuple[str, ...] = Field(
            tuple(OTHERS), description=f"Blocks to skip, of: {', '.join(OTHERS)}."
        )

        @field_validator("skip")
        @classmethod
        def _are_blocks(cls, skip: str | tuple[str, ...]) -> str | tuple[str, ...]:
            for name in [skip] if isinstance(skip, str) else skip:
                if name not in OTHERS:
                    raise ValueError(f"{name!r} is unknown{nearest(name, list(OTHERS))}")
            return skip

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        given = self.options
        self.splitter = Splitter(given.sentences, given.language)
        self.chunk_sentences, self.chunk_words = given.chunk_sentences, given.chunk_words
        self.context_sentences, self.longest = given.context_sentences, given.longest
        self.markup = given.markup
        self.skip = [given.skip] if isinstance(given.skip, str) else list(given.skip)
        self._last: tuple[tuple[Any, ...], list[dict[str, Any]]] | None = None

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> PropositionKind:
        """Return the kind of a recipe, whose rules must reject sentences without a proposition."""
        rules = recipe.rules
        if rules is not None and not _NEEDED & {rule.name for rule in rules}:
            raise RecipeError(
                "rules: put `has_proposition` first: sentences of which the teacher says nothing"
                " have a row too, and without this rule they would be accepted"
            )
        return cls(**cls.options_of(recipe))

    @property
    def answer_columns(self) -> tuple[str, ...]:
        return ("proposition",)

    # Documents

    def units(self, row: Row) -> Iterator[Unit]:
        """Yield the units of a document, skipped units included."""
        markup: str = self.markup
        if markup == "auto":
            markup = markup_of(str(row.get("document_id") or ""), str(row.get("markup") or ""))
        return units(str(row.get("text") or ""), self.splitter, markup, self.skip, self.longest)

    def expand(self, row: Row) -> list[dict[str, Any]]:
        """Return the chunks of a document; a chunk stays as it is."""
        if _is_chunk(row) or not all(column in row for column in self.input_columns):
            return [dict(row)]
        key = (row["document_id"], row.get("markup"), row["text"])
        if self._last is None or self._last[0] != key:
            # A run expands the same document several times in succession.
            self._last = (key, list(self._chunks(row)))
        rest = {
            name: value
            for name, value in row.items()
            if name not in (*self.input_columns, *self.details)
        }
        return [{**rest, **chunk} for chunk in self._last[1]]

    def _chunks(self, row: Row) -> Iterator[dict[str, Any]]:
        document, before = str(row["text"] or ""), list[str]()
        for chunk in sentence_chunks(
            document, self.units(row), self.chunk_sentences, self.chunk_words
        ):
            sentences = [one_line(document[unit.start : unit.end]) for unit in chunk]
            yield {
                "document_id": str(row["document_id"] or ""),
                "text": document[chunk[0].start : chunk[-1].end],
                "sentences": sentences,
                "before": " ".join(before),
                "starts": [unit.start for unit in chunk],
                "ends": [unit.end for unit in chunk],
                "units": [unit.kind for unit in chunk],
                "first_index": chunk[0].index,
            }
            if self.context_sentences:
                before = [*before, *sentences][-self.context_sentences :]

    def check(self, row: Row) -> str | None:
        problem = super().check(row)
        if problem is None:
            try:
                str(row["text"]).encode()
            except UnicodeEncodeError as error:
                problem = (
                    f"document {row['document_id']!r} has a broken character (half of a pair)"
                    f" near {error.start}"
                )
        return problem

    def context(self, row: Row, examples: Sequence[Row], rng: random.Random) -> dict[str, Any]:
        """Add ``sentences`` (one per line), ``before`` (those before) and ``source`` (both)."""
        chunk = self._chunk(row)
        return {**row, **chunk, "source": self._source(chunk), "examples": list(examples)}

    # Answers

    def parse(self, text: str, row: Row) -> list[dict[str, Any]] | Malformed:
        written = read_json_groups(text)
        chunk = self._chunk(row)
        sentences = chunk["sentences"]
        return self._rows(text, written or read_groups(text, sentences), chunk)

    def read(self, answer: Mapping[str, Any], row: Row) -> list[dict[str, Any]] | Malformed:
        """Read a structured answer: a list of propositions, aligned by their words."""
        propositions = [
            proposition
            for item in answer["answers"]
            if (proposition := clean_proposition(str(item["proposition"])))
        ]
        written = GroupedPropositions([], PropositionGroup(propositions, opened=False))
        return self._rows("\n".join(propositions), written, self._chunk(row))

    def _rows(
        self, text: str, written: GroupedPropositions, chunk: Row
    ) -> list[dict[str, Any]] | Malformed:
        sentences = chunk["sentences"]
        if not sentences:
            return Malformed("no_sentences")
        if text.strip():
            aligned = align(written, sentences)
        else:
            aligned = [AlignedProposition(i, "", flaw=NO_TEXT) for i in range(len(sentences))]
        same = {
            "document_id": chunk["document_id"],
            "source": self._source(chunk),
            "splitter": self.splitter.name,
        }
        return [{**same, **self._row(one, chunk)} for one in aligned]

    def _row(self, aligned: AlignedProposition, chunk: Row) -> dict[str, Any]:
        row: dict[str, Any] = {
            "sentence": "", "proposition": aligned.proposition, "aligned_by": aligned.aligned_by,
            "flaw": aligned.flaw,
            "sentence_index": None, "start": None, "end": None, "unit": None,
        }  # fmt: skip
        if aligned.sentence is not None:
            start, end = chunk["starts"][aligned.sentence], chunk["ends"][aligned.sentence]
            base = chunk["starts"][0]
            row |= {
                "sentence": chunk["text"][start - base : end - base],
                "sentence_index": chunk["first_index"] + aligned.sentence,
                "start": start,
                "end": end,
                "unit": chunk["units"][aligned.sentence],
            }
        return row

    def _chunk(self, row: Row) -> dict[str, Any]:
        """Return a row as `expand` makes it; a document becomes one chunk."""
        if _is_chunk(row):
            return dict(row)
        document = str(row.get("text") or "")
        sentences = [unit for unit in self.units(row) if unit.index >= 0]
        return {
            "document_id": str(row.get("document_id") or ""),
            "text": document[sentences[0].start : sentences[-1].end] if sentences else "",
            "sentences": [one_line(document[unit.start : unit.end]) for unit in sentences],
            "before": "",
            "starts": [unit.start for unit in sentences],
            "ends": [unit.end for unit in sentences],
            "units": [unit.kind for unit in sentences],
            "first_index": 0,
        }

    @staticmethod
    def _source(chunk: Row) -> str:
        return " ".join(str(part) for part in (chunk.get("before"), *chunk["sentences"]) if part)

    # Candidates

    def group_by_input(self, candidates: Sequence[Row]) -> list[tuple[dict[str, Any], list[Row]]]:
        """Group candidates by chunk, so that one answer has all propositions of its sentences.

        Sentences without a proposition are left out of the chunk.
        """
        groups = []
        for chunk in group_by_chunk(candidates):
            rows = [row for of_one in chunk.values() for row in of_one]
            document = str(rows[0]["document_id"] or "")
            groups.append((chunk_row(chunk, document, self.context_sentences > 0), rows))
        return groups

    def question(self, candidate: Row) -> dict[str, Any]:
        """Return the chunk of the candidate's sentence alone."""
        return self.group_by_input([candidate])[0][0]

    def completion(self, candidates: Sequence[Row], row: Row) -> str:
        """Write the distinct propositions of each sentence in tags, in the order of its words."""
        chunk = self._chunk(row)
        base, by_sentence = chunk["starts"][0] if chunk["starts"] else 0, dict[str, list[Row]]()
        for candidate in candidates:
            by_sentence.setdefault(str(candidate["sentence"] or ""), []).append(candidate)
        sentences = [
            chunk["text"][start - base : end - base]
            for start, end in zip(chunk["starts"], chunk["ends"], strict=True)
        ]
        return grouped_text(
            ordered_propositions(by_sentence.get(sentence, []), sentence) for sentence in sentences
        )

    def verbalize(self, candidate: Row) -> str:
        return str(candidate["proposition"] or "")

    def normalize(self, candidate: Row) -> tuple[str, ...]:
        document, sentence, proposition = (str(candidate[column] or "") for column in self.columns)
        return document, normal_phrase(sentence), normal_phrase(proposition)

    def vote_on(self, candidate: Row) -> tuple[str, ...]:
        return self.normalize(candidate)[:2]

    def vote_for(self, candidate: Row) -> str:
        return self.normalize(candidate)[2] if candidate["sentence"] else ""


def _is_chunk(row: Row) -> bool:
    """Return True for a row that `expand` made."""
    return "starts" in row and "first_index" in row
