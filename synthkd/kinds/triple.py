"""The kind `triple`: head, relation, tail.

The teacher continues a head and a relation with a tail. In relations between events (the seven of
ATOMIC-10x), PersonX and PersonY have names in prompts, which are mapped back in answers (West et
al. 2022, arXiv 2110.07178).
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from synthkd.errors import KindError, nearest
from synthkd.kinds.answer_text import answer_lines, as_line, clean_line
from synthkd.kinds.base import Kind, Malformed, Row
from synthkd.kinds.relations import NAMES, QUERY, Relation, load_relations, put_names, take_names
from synthkd.options import BaseOptions
from synthkd.text.json_values import json_texts
from synthkd.text.normal_forms import normal_phrase, stored

if TYPE_CHECKING:
    from synthkd.kinds.columns import AnswerColumns, ParsedColumns
    from synthkd.recipe import Recipe

#: Fields of a JSON answer that may hold the tail, in order of preference.
_FIELDS = ("tail", "object", "answer", "text", "value", "output", "completion")


class TripleKind(Kind):
    """A head, a relation and a tail.

    Args:
        relations: Relations that inputs may name: a mapping, or as in `kind.relations` of a recipe
            a shipped set, a YAML file or a list of names; None takes all shipped sets.
    """

    name = "triple"
    columns = ("head", "relation", "tail")
    input_columns = ("head", "relation")
    group_column = "head"
    class_column = "relation"
    default_rules = ("empty", "echo", "too_long", "self_loop", "unfinished", "characters")

    class Options(BaseOptions):
        several: bool = Field(False, description="Read every line of an answer as a tail.")

    options: Options

    def __init__(
        self,
        relations: dict[str, Relation] | str | Path | list[str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.relations = relations if isinstance(relations, dict) else load_relations(relations)
        self.several = self.options.several

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> TripleKind:
        """Return the kind of a recipe."""
        source: Any = recipe.kind.relations
        if isinstance(source, str) and source.endswith((".yaml", ".yml")):
            source = recipe.resolve(source)
        return cls(load_relations(source), **cls.options_of(recipe))

    def expand(self, row: Row) -> list[dict[str, Any]]:
        """Expand a row without a relation to a row with each relation."""
        if row.get("relation"):
            return [dict(row)]
        return [{**row, "relation": relation} for relation in self.relations]

    def check(self, row: Row) -> str | None:
        problem = super().check(row)
        name = str(row.get("relation"))
        if problem is None and (not isinstance(row["relation"], str) or name not in self.relations):
            problem = f"unknown relation {name!r}{nearest(name, list(self.relations))}"
        return problem

    def check_examples(self, rows: Sequence[Row]) -> None:
        """Refuse few-shot examples without a head, tail or relation."""
        for number, row in enumerate(rows, 1):
            for column in ("head", "tail") if len(self.relations) == 1 else self.columns:
                if not str(row.get(column) or "").strip():
                    raise KindError(
                        f"few-shot row {number}: {column!r} is empty or missing; give it, or leave"
                        " the row out"
                    )

    def context(self, row: Row, examples: Sequence[Row], rng: random.Random) -> dict[str, Any]:
        """Add ``question``, ``stem`` and, to each example, ``sentence``; people get names."""
        relation = self.relations[row["relation"]]
        if not relation.event:
            shown = [self._example(relation, example, None) for example in examples]
            head = str(row["head"])
        else:
            names = list(NAMES)
            rng.shuffle(names)
            pairs = list(zip(names[::2], names[1::2], strict=True))
            shown = [
                self._example(relation, example, pairs[i % len(pairs)])
                for i, example in enumerate(examples)
            ]
            head = put_names(str(row["head"]))
        return {
            **row,
            "head": head,
            "question": relation.question,
            "stem": put_names(relation.stem(head)) if relation.event else relation.stem(head),
            "x": QUERY[0],
            "y": QUERY[1],
            "examples": shown,
        }

    def _example(
        self, relation: Relation, example: Row, names: tuple[str, str] | None
    ) -> dict[str, Any]:
        head, tail = str(example["head"]), str(example["tail"])
        # An example's sentence is that of its own relation, which may differ from the input's.
        input_relation, relation = relation, self._of_example(example, relation)
        if (input_relation.event or relation.event) and input_relation is not relation:
            raise KindError(
                f"a few-shot example of {relation.name!r} for an input of {input_relation.name!r}:"
                " examples about events are of the input's own relation; set `prompt.examples.by:"
                " relation`"
            )
        x, y = names or ("", "")
        if names:
            head, tail = put_names(head, x, y), put_names(tail, x, y)
        sentence = relation.verbalize(head, tail)
        if names:
            sentence = put_names(sentence, x, y)
        return {**example, "head": head, "tail": tail, "x": x, "y": y, "sentence": sentence}

    def _of_example(self, example: Row, asked: Relation) -> Relation:
        name = str(example.get("relation") or asked.name)
        if name not in self.relations:
            raise KindError(
                f"few-shot example: unknown relation {name!r}{nearest(name, list(self.relations))}"
            )
        return self.relations[name]

    def parse(self, text: str, row: Row) -> list[dict[str, str]] | Malformed:
        relation = self.relations.get(str(row["relation"]))
        if relation is None:
            return Malformed("unknown_relation", str(row["relation"]))
        lines = self.lines(text)
        if isinstance(lines, Malformed):
            return lines
        head = str(row["head"])
        return [
            {"head": head, "relation": relation.name, "tail": self.tail(line, relation, head)}
            for line in lines
        ]

    def lines(self, text: str) -> list[str] | Malformed:
        """Return the lines of an answer that are tails, whatever its input."""
        written = json_texts(text, _FIELDS)
        if written is not None and not written:
            return Malformed("not_json", "begins as JSON, and no text is in it")
        lines = answer_lines("\n".join(written) if written else text)
        if not lines:
            return Malformed("no_text")
        return lines if self.several else lines[:1]

    def parse_columns(self, answers: AnswerColumns) -> ParsedColumns | None:
        from synthkd.kinds.triple_columns import parse_triples

        return parse_triples(self, answers)

    def tail(self, line: str, relation: Relation, head: str) -> str:
        """Return a line without a repeated stem, and with PersonX and PersonY for names."""
        plain = _without_stem(line, self.stem(relation, head))
        return take_names(plain) if relation.event else plain

    @staticmethod
    def stem(relation: Relation, head: str) -> str:
        """Return the sentence up to the tail, as the teacher reads it."""
        stem = relation.stem(head)
        return put_names(stem) if relation.event else stem

    def completion(self, candidates: Sequence[Row], row: Row) -> str:
        """Write a tail per line; people have the names of the prompt."""
        relation = self.relations.get(str(row["relation"]))
        return " " + "\n".join(
            self._line(str(candidate["tail"] or ""), relation, str(row["head"]))
            for candidate in candidates
        )

    def _line(self, tail: str, relation: Relation | None, head: str) -> str:
        if relation is None:
            return tail
        line = as_line(put_names(tail) if relation.event else tail)
        if self.tail(clean_line(line), relation, head) == tail:
            return line
        # A tail that begins like its stem is written behind the stem, which alone is removed.
        return f"{self.stem(relation, head)} {line}"

    def verbalize(self, candidate: Row) -> str:
        relation = self.relations.get(str(candidate["relation"]))
        if relation is None:
            name = str(candidate["relation"])
            raise KindError(f"unknown relation {name!r}{nearest(name, list(self.relations))}")
        return relation.verbalize(str(candidate["head"]), str(candidate["tail"]))

    def normalize(self, candidate: Row) -> tuple[str, ...]:
        return (
            normal_phrase(str(candidate["head"])),
            str(candidate["relation"]),
            normal_phrase(str(candidate["tail"])),
        )


def _without_stem(line: str, stem: str) -> str:
    begin = line[: len(stem)]
    # Compiling a pattern for each stem would take longer than parsing.
    if begin.isascii() and stem.isascii() and stem.isprintable() and begin.lower() != stem.lower():
        return line
    stem = stored(stem)
    if re.match(re.escape(stem) + r"\b", line, re.IGNORECASE):
        return clean_line(line[len(stem) :]) or line
    return line
