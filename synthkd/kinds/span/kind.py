"""The kind `span`: typed spans of a sentence, with their characters.

The teacher lists the spans of a sentence, each of a type of the schema. Every answer has a row for
each span that it names; a span that the sentence does not have, of an unknown type, or under
another one, has a ``flaw`` and is rejected by the rule `in_sentence`, so that the sound spans of
the answer stay. A sentence without spans is one row without type and span.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from synthkd.errors import KindError, RecipeError
from synthkd.keys import content_hash
from synthkd.kinds.base import Kind, Malformed, Row
from synthkd.kinds.labelled_text.taxonomy import Resolve, read_taxonomy
from synthkd.kinds.span.answers import (
    WrittenSpan,
    json_answer,
    read_json_spans,
    read_tagged_spans,
)
from synthkd.kinds.span.places import LocatedSpan, Overlaps, locate_spans
from synthkd.options import BaseOptions

if TYPE_CHECKING:
    from synthkd.recipe import Recipe

#: The rule that rejects spans with a flaw; a recipe needs it.
_NEEDED = "in_sentence"
#: The sentence of a row that was given as a text.
_TEXT = "text"


class SpanKind(Kind):
    """Typed spans of sentences."""

    name = "span"
    columns = ("sentence", "type", "span")
    nullable = frozenset(("type", "span"))
    input_columns = ("sentence",)
    optional_columns = ("document_id",)
    group_column = "sentence"
    class_column = "type"
    details: ClassVar[dict[str, str]] = {
        "start": "int32",
        "end": "int32",
        "document_id": "string",
        "flaw": "string",
    }
    provenance_details: ClassVar[frozenset[str]] = frozenset({"flaw"})
    task_categories: ClassVar[tuple[str, ...]] = ("token-classification",)
    default_rules = (_NEEDED,)
    several = True
    longest_answer = 2000

    class Options(BaseOptions):
        types: Any = Field(
            None,
            description="The schema: a list of types, a mapping to descriptions, or a file with the"
            " columns `type` and `description`. Default: every type.",
        )
        overlaps: Overlaps = Field(
            "longest",
            description="Which of overlapping spans of an answer are kept: none of them (`refuse`),"
            " the `longest`, the `first` of the answer, or all (`keep`).",
        )
        answers: Literal["json", "tagged"] = Field(
            "json",
            description="How answers are read: a JSON list of type and text, or the sentence with"
            " tags around its spans.",
        )
        whole_words: bool = Field(
            True, description="Refuse a text that the sentence has inside of words alone."
        )

    options: Options

    def __init__(self, *, resolve: Resolve = Path, **options: Any) -> None:
        super().__init__(**options)
        self.schema = read_taxonomy(
            self.options.types, resolve, option="types", column="type", least=1
        )

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> SpanKind:
        """Return the kind of a recipe, whose rules must reject spans with a flaw."""
        rules = recipe.rules
        if rules is not None and _NEEDED not in {rule.name for rule in rules}:
            raise RecipeError(
                f"rules: put `{_NEEDED}` first: a span that the sentence does not have is a row"
                " too, and without this rule it would be accepted"
            )
        return cls(resolve=recipe.resolve, **cls.options_of(recipe))

    # Inputs

    def expand(self, row: Row) -> list[dict[str, Any]]:
        """Return the row; its ``text`` is the sentence if it has none."""
        if "sentence" in row or _TEXT not in row:
            return [dict(row)]
        rest = {name: value for name, value in row.items() if name != _TEXT}
        return [{"sentence": row[_TEXT], **rest}]

    def check_examples(self, rows: Sequence[Row]) -> None:
        """Refuse few-shot examples whose spans the sentence does not have.

        An example has a ``sentence`` and ``spans``: a list of objects with ``type`` and ``text``.
        """
        for number, row in enumerate(rows, 1):
            sentence = str(row.get("sentence") or row.get(_TEXT) or "")
            if not sentence.strip():
                raise KindError(f"few-shot row {number}: 'sentence' is empty or missing")
            for span in self._of_example(row, f"few-shot row {number}"):
                if span.flaw:
                    raise KindError(
                        f"few-shot row {number}: {span.type!r} {span.text!r}: {span.flaw}; take the"
                        " span out, or write it as the sentence has it"
                    )

    def _of_example(self, row: Row, place: str) -> list[LocatedSpan]:
        spans = row.get("spans")
        written = spans if isinstance(spans, str) else json.dumps(spans, default=str)
        sentence = str(row.get("sentence") or row.get(_TEXT) or "")
        answer = read_json_spans(written, sentence, self.schema)
        if spans is None or isinstance(answer, Malformed):
            raise KindError(
                f"{place}: `spans` is {spans!r:.80}; a list of objects with `type` and `text` is"
                " needed, an empty one for a sentence without spans"
            )
        return locate_spans(answer, sentence, self.schema, "keep", self.options.whole_words)

    def context(self, row: Row, examples: Sequence[Row], rng: random.Random) -> dict[str, Any]:
        """Add ``types`` (name, description) and, to each example, ``answer`` and ``lines``."""
        shown = []
        for number, example in enumerate(examples, 1):
            spans = self._of_example(example, f"few-shot row {number}")
            sentence = str(example.get("sentence") or example.get(_TEXT) or "")
            rows = [self._row({"sentence": sentence}, span) for span in spans]
            answer = self.completion(rows, {"sentence": sentence}).strip()
            lines = [f"{span.type}: {span.text}" for span in spans]
            shown.append({**example, "sentence": sentence, "answer": answer, "lines": lines})
        classes = self.schema.classes.values() if self.schema else ()
        types = [{"name": one.label, "description": one.description} for one in classes]
        return {**super().context(row, shown, rng), "types": types}

    # Answers

    def parse(self, text: str, row: Row) -> list[dict[str, Any]] | Malformed:
        sentence = str(row.get("sentence") or "")
        read = read_tagged_spans if self.options.answers == "tagged" else read_json_spans
        answer = read(text, sentence, self.schema)
        return answer if isinstance(answer, Malformed) else self._rows(answer, row)

    def read(self, answer: Mapping[str, Any], row: Row) -> list[dict[str, Any]] | Malformed:
        """Read a structured answer: a list of objects with ``type`` and ``span``."""
        written = [WrittenSpan(one["type"].strip(), one["span"]) for one in answer["answers"]]
        return self._rows(written, row)

    def _rows(self, written: Sequence[WrittenSpan], row: Row) -> list[dict[str, Any]]:
        options = self.options
        sentence = str(row.get("sentence") or "")
        spans = locate_spans(written, sentence, self.schema, options.overlaps, options.whole_words)
        return [self._row(row, span) for span in spans or [LocatedSpan("", "")]]

    def _row(self, row: Row, span: LocatedSpan) -> dict[str, Any]:
        return {
            "sentence": str(row.get("sentence") or ""), "type": span.type, "span": span.text,
            "start": span.start, "end": span.end,
            "document_id": str(row.get("document_id") or ""), "flaw": span.flaw,
        }  # fmt: skip

    # Candidates

    def completion(self, candidates: Sequence[Row], row: Row) -> str:
        """Write the spans in the order of the sentence, as JSON or as tags."""
        spans = sorted(
            {
                (_number(one.get("start")), -_number(one.get("end")), _text(one, "type"),
                 _text(one, "span"))
                for one in candidates
                if _text(one, "span")
            }
        )  # fmt: skip
        if self.options.answers == "json":
            return " " + json_answer([(name, text) for *_, name, text in spans])
        return " " + _tagged(
            str(row["sentence"]), [(start, -end, name) for start, end, name, _ in spans]
        )

    def verbalize(self, candidate: Row) -> str:
        sentence = " ".join(_text(candidate, "sentence").split())
        name, span = _text(candidate, "type"), _text(candidate, "span")
        return f"{name}: {span}\nIn: {sentence}" if name or span else f"no span\nIn: {sentence}"

    def normalize(self, candidate: Row) -> tuple[str, ...]:
        return tuple(_text(candidate, column) for column in self.columns)

    def identity(self, candidate: Row) -> str:
        """Return the content id: two places of one text are two spans."""
        return content_hash([self.name, *self.normalize(candidate), _place(candidate)])

    def vote_on(self, candidate: Row) -> tuple[str, ...]:
        return (_text(candidate, "sentence"),)

    def vote_for(self, candidate: Row) -> str:
        """Return type, text and place: votes are for exact spans, or for no span at all."""
        return "\n".join((*self.normalize(candidate)[1:], _place(candidate)))

    def label_problem(self, label: str) -> str | None:
        if self.schema is None or label in self.schema.classes:
            return None
        return f"no type {label!r}{self.schema.hint(label)}"


def _text(candidate: Row, column: str) -> str:
    return str(candidate.get(column) or "")


def _number(value: Any) -> int:
    return -1 if value is None or value == "" else int(value)


def _place(candidate: Row) -> str:
    start = _number(candidate.get("start"))
    return "" if start < 0 else str(start)


def _tagged(sentence: str, spans: Sequence[tuple[int, int, str]]) -> str:
    """Return the sentence with a pair of tags around each (start, end, type)."""
    marks = list[tuple[int, int, int, str]]()
    for number, (start, end, name) in enumerate(spans):
        # At one place inner spans close first, then outer ones open first.
        marks += [(start, 1, -end, f"<{name}>"), (end, 0, -start - number, f"</{name}>")]
    text, place = "", 0
    for at, _, _, mark in sorted(marks, key=lambda one: one[:3]):
        text += sentence[place:at] + mark
        place = at
    return text + sentence[place:]
