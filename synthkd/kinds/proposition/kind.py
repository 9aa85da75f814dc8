"""Propositions: what the sentences of documents say, one claim each, able to stand alone (Hosseini et al. 2024,
arXiv 2406.19803).

A document is cut to sentences and chunks of them; the teacher is asked about a chunk and answers grouped by sentence.
Every sentence has a row in every completion: its propositions, or one without, whose ``flaw`` says why; the rule
`has_proposition` rejects that one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from synthkd.errors import RecipeError, nearest
from synthkd.kinds.base import Kind, Malformed, Row
from synthkd.kinds.proposition.align import NO_TEXT, Said, align
from synthkd.kinds.proposition.blocks import MARKUPS, OTHERS, markup_of
from synthkd.kinds.proposition.groups import Group, Written, cleaned, read_groups
from synthkd.kinds.proposition.json_groups import read_json
from synthkd.kinds.proposition.regroup import by_chunk, chunk_row, grouped_text, in_order
from synthkd.kinds.proposition.sentences import SENTENCIZER, Splitter, readable
from synthkd.kinds.proposition.units import Unit, chunks, units
from synthkd.text.normal_forms import normal_phrase

if TYPE_CHECKING:
    from synthkd.recipe import Recipe

#: Rules that reject a row without a proposition.
_NEEDED = {"has_proposition", "empty"}


class PropositionKind(Kind):
    """What the sentences of documents say, one claim each.

    ``sentences``: `sentencizer`, or an installed spaCy model; ``language`` of the sentencizer.
    ``chunk_sentences``, ``chunk_words``: most of them that a teacher reads together.
    ``context_sentences``: how many sentences before a chunk the template has as ``before``.
    ``longest``: characters of a sentence; a longer one is cut to pieces.
    ``markup``: `auto` (by the row's column `markup`, or the name's ending), `plain`, `markdown` or `rst`.
    ``skip``: blocks that are left out: code, table, heading, markup.
    """

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
    default_rules = ("has_proposition", "empty", "self_contained", "one_claim", "not_copy", "grounded")
    several = True

    def __init__(
        self,
        sentences: str = SENTENCIZER,
        language: str = "en",
        chunk_sentences: int = 5,
        chunk_words: int = 200,
        context_sentences: int = 0,
        longest: int = 1000,
        markup: str = "auto",
        skip: Sequence[str] = OTHERS,
    ) -> None:
        least = {"chunk_sentences": 1, "chunk_words": 1, "context_sentences": 0, "longest": 20}
        for name, low in least.items():
            value = locals()[name]
            if not isinstance(value, int) or isinstance(value, bool) or value < low:
                raise ValueError(f"{name}: {value!r} is no whole number of at least {low}")
        if markup not in ("auto", *MARKUPS):
            raise ValueError(f"markup: {markup!r} is unknown{nearest(str(markup), ['auto', *MARKUPS])}")
        skip = [skip] if isinstance(skip, str) else list(skip)
        for name in skip:
            if name not in OTHERS:
                raise ValueError(f"skip: {name!r} is unknown{nearest(str(name), list(OTHERS))}")
        self.splitter = Splitter(sentences, language)
        self.chunk_sentences, self.chunk_words = chunk_sentences, chunk_words
        self.context_sentences, self.longest = context_sentences, longest
        self.markup, self.skip = markup, skip
        # Some three propositions of a sentence, and each row bears its source and the whole answer.
        self.answer_size = 3.0 * chunk_sentences * (1 + chunk_sentences / 2)
        self._last: tuple[tuple[Any, ...], list[dict[str, Any]]] | None = None

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> PropositionKind:
        """The kind as a recipe asks for it. Its rules must reject sentences of which nothing is said."""
        rules = recipe.rules
        if rules is not None and not _NEEDED & {rule.name for rule in rules}:
            raise RecipeError(
                "rules: put `has_proposition` first: sentences of which the teacher says nothing have a row too, and"
                " without this rule they would be accepted"
            )
        return cls(**recipe.kind.options)

    @property
    def answer_columns(self) -> tuple[str, ...]:
        return ("proposition",)

    # Documents

    def units(self, row: Row) -> Iterator[Unit]:
        """The units of a document, skipped ones too."""
        markup = self.markup
        if markup == "auto":
            markup = markup_of(str(row.get("document_id") or ""), str(row.get("markup") or ""))
        return units(str(row.get("text") or ""), self.splitter, markup, self.skip, self.longest)

    def expand(self, row: Row) -> list[dict[str, Any]]:
        """A document's chunks; none where it has no sentence. A chunk stays as it is."""
        if _is_chunk(row) or not all(column in row for column in self.input_columns):
            return [dict(row)]
        key = (row["document_id"], row.get("markup"), row["text"])
        if self._last is None or self._last[0] != key:
            # A run asks for the same document more than once in a row.
            self._last = (key, list(self._chunks(row)))
        rest = {
            name: value for name, value in row.items() if name not in (*self.input_columns, *self.details)
        }
        return [{**rest, **chunk} for chunk in self._last[1]]

    def _chunks(self, row: Row) -> Iterator[dict[str, Any]]:
        document, before = str(row["text"] or ""), list[str]()
        for chunk in chunks(document, self.units(row), self.chunk_sentences, self.chunk_words):
            sentences = [readable(document[unit.start : unit.end]) for unit in chunk]
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
                problem = f"document {row['document_id']!r} has a broken character (half of a pair) near {error.start}"
        return problem

    def context(self, row: Row, examples: Sequence[Row], rng: random.Random) -> dict[str, Any]:
        """``sentences`` as a list, each in one line; ``before``: what stands before them; ``source``: all of it."""
        chunk = self._chunk(row)
        return {**row, **chunk, "source": self._source(chunk), "examples": list(examples)}

    # Answers

    def parse(self, text: str, row: Row) -> list[dict[str, Any]] | Malformed:
        written = read_json(text)
        chunk = self._chunk(row)
        sentences = chunk["sentences"]
        return self._rows(text, written or read_groups(text, sentences), chunk)

    def read(self, answer: Mapping[str, Any], row: Row) -> list[dict[str, Any]] | Malformed:
        """A structured answer: a list of propositions, each of which goes to the sentence whose words it has."""
        said = [found for item in answer["answers"] if (found := cleaned(str(item["proposition"])))]
        written = Written([], Group(said, opened=False))
        return self._rows("\n".join(said), written, self._chunk(row))

    def _rows(self, text: str, written: Written, chunk: Row) -> list[dict[str, Any]] | Malformed:
        sentences = chunk["sentences"]
        if not sentences:
            return Malformed("no_sentences")
        if text.strip():
            found = align(written, sentences)
        else:
            found = [Said(i, "", flaw=NO_TEXT) for i in range(len(sentences))]
        same = {
            "document_id": chunk["document_id"],
            "source": self._source(chunk),
            "splitter": self.splitter.name,
        }
        return [{**same, **self._row(said, chunk)} for said in found]

    def _row(self, said: Said, chunk: Row) -> dict[str, Any]:
        row: dict[str, Any] = {
            "sentence": "", "proposition": said.proposition, "aligned_by": said.aligned_by, "flaw": said.flaw,
            "sentence_index": None, "start": None, "end": None, "unit": None,
        }  # fmt: skip
        if said.sentence is not None:
            start, end = chunk["starts"][said.sentence], chunk["ends"][said.sentence]
            base = chunk["starts"][0]
            row |= {
                "sentence": chunk["text"][start - base : end - base],
                "sentence_index": chunk["first_index"] + said.sentence,
                "start": start,
                "end": end,
                "unit": chunk["units"][said.sentence],
            }
        return row

    def _chunk(self, row: Row) -> dict[str, Any]:
        """The row as `expand` makes it: of one that has not gone through it, the whole text."""
        if _is_chunk(row):
            return dict(row)
        document = str(row.get("text") or "")
        found = [unit for unit in self.units(row) if unit.index >= 0]
        return {
            "document_id": str(row.get("document_id") or ""),
            "text": document[found[0].start : found[-1].end] if found else "",
            "sentences": [readable(document[unit.start : unit.end]) for unit in found],
            "before": "",
            "starts": [unit.start for unit in found],
            "ends": [unit.end for unit in found],
            "units": [unit.kind for unit in found],
            "first_index": 0,
        }

    @staticmethod
    def _source(chunk: Row) -> str:
        return " ".join(str(part) for part in (chunk.get("before"), *chunk["sentences"]) if part)

    # Candidates

    def grouped(self, candidates: Sequence[Row]) -> list[tuple[dict[str, Any], list[Row]]]:
        """By chunk: all propositions of its sentences, in one answer. A sentence of which nothing is said is left out of
        the chunk; propositions that have no sentence are left to themselves."""
        found = []
        for chunk in by_chunk(candidates):
            rows = [row for of_one in chunk.values() for row in of_one]
            document = str(rows[0]["document_id"] or "")
            found.append((chunk_row(chunk, document, self.context_sentences > 0), rows))
        return found

    def question(self, candidate: Row) -> dict[str, Any]:
        """The sentence alone, as a chunk."""
        return self.grouped([candidate])[0][0]

    def completion(self, candidates: Sequence[Row], row: Row) -> str:
        """Grouped by sentence: each sentence's distinct propositions in tags, in the order of its words."""
        chunk = self._chunk(row)
        base, said = chunk["starts"][0] if chunk["starts"] else 0, dict[str, list[Row]]()
        for candidate in candidates:
            said.setdefault(str(candidate["sentence"] or ""), []).append(candidate)
        sentences = [
            chunk["text"][start - base : end - base]
            for start, end in zip(chunk["starts"], chunk["ends"], strict=True)
        ]
        return grouped_text(in_order(said.get(sentence, []), sentence) for sentence in sentences)

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
    """Whether a row has gone through `expand`."""
    return "starts" in row and "first_index" in row
