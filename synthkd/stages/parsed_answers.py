"""The candidates in the distinct answers of a batch of inputs, as columns.

Samples of one input are often equal, so a text is parsed once for each input. A kind that has
`Kind.parse_columns` reads plain answers all at once; others, and structured answers, one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from synthkd.filters.vote_weights import ANSWER, QUESTION
from synthkd.keys import content_hash
from synthkd.kinds.base import Kind, Malformed
from synthkd.kinds.columns import (
    AnswerColumns,
    Numbers,
    ParsedColumns,
    column_answers,
    column_identities,
    column_questions,
)
from synthkd.stages.components import Components
from synthkd.text.thoughts import ONLY_THOUGHTS


@dataclass(frozen=True)
class ParsedAnswers:
    """Candidates as columns of one length, in the order of their answers.

    Attributes:
        counts: Candidates of each answer.
        columns: Values by name: the kind's own, `id`, `text`, and those that votes need.
        malformed: Unreadable parts of answers by the number of the answer; of an answer without a
            candidate, one stands for all.
        repaired: True for each answer that was read after a repair.
    """

    counts: Numbers
    columns: Mapping[str, pa.Array]
    malformed: Mapping[int, Sequence[Malformed]]
    repaired: Numbers


class AnswerParser:
    """Parses the answers of one recipe."""

    def __init__(self, components: Components, schema: pa.Schema) -> None:
        self.components, self.kind = components, components.kind
        own = [*self.kind.columns, *self.kind.details]
        self._own = {name: _stored_once(schema.field(name).type) for name in own}
        self._questions: dict[tuple[str, ...], str] = {}

    def parse(self, answers: AnswerColumns, only_thoughts: Numbers) -> ParsedAnswers:
        """Return the candidates in answers.

        Args:
            answers: The parts of completions that are read, by `Components.part_of`.
            only_thoughts: Marks answers that are known to be thoughts alone.
        """
        self._questions.clear()
        if self.components.answer is None and not only_thoughts.any():
            parsed = self.kind.parse_columns(answers)
            if parsed is not None:
                return self._of_columns(parsed, len(answers.text))
        return self._one_by_one(answers, only_thoughts)

    def _of_columns(self, parsed: ParsedColumns, answers: int) -> ParsedAnswers:
        kind, normal = self.kind, dict(zip(self.kind.columns, parsed.normal, strict=True))
        given = [normal[name] for name in kind.columns if name in kind.input_columns]
        columns = {
            "id": column_identities(kind.name, parsed.normal),
            "text": parsed.sentence,
            QUESTION: column_questions(kind.name, given or parsed.normal),
            ANSWER: column_answers(parsed.normal),
            **parsed.columns,
        }
        return ParsedAnswers(
            np.bincount(parsed.answer, minlength=answers),
            columns,
            parsed.malformed,
            np.zeros(answers, bool),
        )

    def _one_by_one(self, answers: AnswerColumns, only_thoughts: Numbers) -> ParsedAnswers:
        kind, count = self.kind, len(answers.text)
        rows: list[tuple[Any, ...]] = []
        counts, repaired = np.zeros(count, np.int64), np.zeros(count, bool)
        malformed: dict[int, tuple[Malformed, ...]] = {}
        pairs = zip(answers.text.tolist(), answers.row.tolist(), strict=True)
        for number, (text, at) in enumerate(pairs):
            if only_thoughts[number]:
                malformed[number] = (
                    Malformed(ONLY_THOUGHTS, "no answer stands behind the thoughts"),
                )
                continue
            row = answers.rows[at]
            found, repaired[number] = self.components.read_part(answers.texts[text], row)
            # Nothing is dropped in silence.
            parts = [found] if isinstance(found, Malformed) else found or [_NO_CANDIDATE]
            candidates = [part for part in parts if not isinstance(part, Malformed)]
            unreadable = tuple(part for part in parts if isinstance(part, Malformed))
            if unreadable:
                malformed[number] = unreadable if candidates else unreadable[:1]
            counts[number] = len(candidates)
            rows += [
                (
                    kind.identity(one), kind.verbalize(one), self.question(kind.vote_on(one)),
                    kind.vote_for(one) or None, *map(one.get, self._own),
                )
                for one in candidates
            ]  # fmt: skip
        types = {"id": pa.string(), "text": pa.string(), QUESTION: pa.string()}
        types |= {ANSWER: pa.string()} | self._own
        # A kind with a column `text` has no further sentence: the last of a name counts.
        names = ["id", "text", QUESTION, ANSWER, *self._own]
        values = list(zip(*rows, strict=True)) if rows else [()] * len(names)
        columns = {
            name: pa.array(column, types[name])
            for name, column in dict(zip(names, values, strict=True)).items()
        }
        return ParsedAnswers(counts, columns, malformed, repaired)

    def question(self, parts: tuple[str, ...]) -> str:
        """Return the hash of a question; cached, since most rows of an input have the same."""
        known = self._questions.get(parts)
        if known is None:
            known = self._questions[parts] = question_hash(self.kind, parts)
        return known


def _stored_once(of: pa.DataType) -> pa.DataType:
    """Return the type of a column while rows are made: many rows may share a long source text."""
    return pa.dictionary(pa.int32(), of) if pa.types.is_string(of) else of


_NO_CANDIDATE = Malformed("no_candidate")


def question_hash(kind: Kind, parts: Sequence[str]) -> str:
    """Return the hash of a question on which completions vote."""
    return content_hash([kind.name, *parts])
