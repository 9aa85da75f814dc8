"""Turn rows of a kind into prompts and completions.

    rows ── kind.group_by_input ──► question + candidates ── template ──► prompt
                                      └──── kind.completion ──────► completion ── kind.parse ──► the
                                      same candidates?

A completion from which the kind does not parse the same candidates again is left out and counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from synthkd.errors import StudentError
from synthkd.kinds.base import Kind, Malformed, Row, readable
from synthkd.prompts import Prompt

Messages = tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and the completion to learn.

    Attributes:
        messages: The prompt.
        completion: The completion.
        weight: Weight in the loss.
        task: Name of the task, if there are several.
        question: Number of the question, which the examples of one question share.
        good: False for a negative of a contrastive objective.
        quality: Quality in [0, 1], for contrastive objectives.
    """

    messages: Messages
    completion: str
    weight: float = 1.0
    task: str = ""
    question: int = 0
    good: bool = True
    quality: float = 1.0

    @property
    def prompt(self) -> str:
        """The messages as one text."""
        return "\n\n".join(message["content"] for message in self.messages)


@dataclass(frozen=True, slots=True)
class Question:
    """An input row with its messages and the candidates that answer it together."""

    row: dict[str, Any]
    messages: Messages
    candidates: list[Row]
    number: int = 0
    good: bool = True


#: Makes the examples of a question from the one that has the whole answer: one for each task.
TaskSplitter = Callable[[Question, Example], Iterable[Example]]


@dataclass
class SkippedRows:
    """Rows without an example.

    Attributes:
        rows: The rows that were given.
        reasons: The rows that were left out, by reason.
    """

    rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        parts = ", ".join(
            f"{count:,} {reason}" for reason, count in sorted(self.reasons.items()) if count
        )
        return f"{sum(self.reasons.values()):,} of {self.rows:,} rows left out ({parts})"


class ExampleBuilder:
    """Renders the rows of a kind with a template, without few-shot examples."""

    def __init__(self, kind: Kind, prompt: Prompt, tasks: TaskSplitter | None = None) -> None:
        if prompt.head.kind and prompt.head.kind != kind.name:
            raise StudentError(
                f"template {prompt.name} is for the kind {prompt.head.kind!r}, the rows are of the"
                f" kind {kind.name!r}"
            )
        self.kind, self.tasks = kind, tasks
        self.prompt = replace(prompt, examples=(), shots=0)
        self.stop = prompt.head.stops

    def messages(self, row: Row) -> Messages:
        """Return the prompt of an input row, as a run with this template and no shots sends it."""
        return self.prompt.render(row, self.kind, "", 0)

    def cut(self, text: str) -> str:
        """Cut a text at the first stop text of the template."""
        places = [text.find(stop) for stop in self.stop if stop in text]
        return text[: min(places)] if places else text

    def examples(
        self,
        rows: Iterable[Row],
        negatives: Iterable[Row] = (),
        weight: str = "weight",
        quality: str = "",
    ) -> tuple[list[Example], SkippedRows]:
        """Return the examples of rows and of negatives, and the rows that were left out.

        Rows of one question (equal messages) share its number.

        Args:
            rows: Rows of the kind.
            negatives: Rows that are wrong: their examples have `good` false.
            weight: Column of weights; a row without one has weight 1.
            quality: Column of qualities; "" for 1.
        """
        skipped, examples = SkippedRows(), list[Example]()
        numbers: dict[Messages, int] = {}
        for given, good in ((list(rows), True), (list(negatives), False)):
            skipped.rows += len(given)
            for question in self._questions(given, good, skipped):
                key = tuple(tuple(sorted(message.items())) for message in question.messages)
                number = numbers.setdefault(key, len(numbers))  # type: ignore[arg-type]
                numbered = replace(question, number=number)
                example = self._example(numbered, skipped, weight, quality)
                if example is not None:
                    examples += [example] if self.tasks is None else self.tasks(numbered, example)
        return examples, skipped

    def _questions(
        self, rows: Sequence[Row], good: bool, skipped: SkippedRows
    ) -> Iterator[Question]:
        """Group rows by question; each negative is a question by itself."""
        complete = [row for row in rows if self._is_complete(row)]
        skipped.reasons["with an empty column"] += len(rows) - len(complete)
        if good:
            groups = self.kind.group_by_input(complete)
        else:
            groups = [group for row in complete for group in self.kind.group_by_input([row])]
        for row, candidates in groups:
            yield Question(row, self.messages(row), candidates, good=good)

    def _is_complete(self, row: Row) -> bool:
        missing = [column for column in self.kind.columns if column not in row]
        if missing:
            raise StudentError(
                f"a row has no column {missing[0]!r}; rows of the kind {self.kind.name!r} have"
                f" {', '.join(self.kind.columns)}"
            )
        needed = (column for column in self.kind.columns if column not in self.kind.nullable)
        return all(row[column] is not None for column in needed)

    def _example(
        self, question: Question, skipped: SkippedRows, weight: str, quality: str
    ) -> Example | None:
        completion = self.kind.completion(question.candidates, question.row)
        # A negative need not be parsed again: it is only made unlikely.
        if question.good and not self.parses_back(completion, question.row, question.candidates):
            skipped.reasons["that no answer can say"] += len(question.candidates)
            return None
        mean_weight = _mean(question.candidates, weight)
        if mean_weight <= 0:
            skipped.reasons["of no weight"] += len(question.candidates)
            return None
        return Example(
            question.messages,
            completion,
            mean_weight,
            question=question.number,
            good=question.good,
            quality=_mean(question.candidates, quality),
        )

    def parses_back(self, completion: str, row: Row, candidates: Sequence[Row]) -> bool:
        """Return True if the kind parses exactly these candidates from the completion."""
        parsed = readable(self.kind.parse(self.cut(completion), row))
        if isinstance(parsed, Malformed):
            return False
        return {self.kind.normalize(one) for one in parsed} == {
            self.kind.normalize(one) for one in candidates
        }


def _mean(candidates: Sequence[Row], column: str) -> float:
    """Return the mean of a column of numbers; an empty cell counts as 1."""
    if not column:
        return 1.0
    values = [_number(one.get(column), column) for one in candidates]
    return sum(values) / len(values)


def _number(value: Any, column: str) -> float:
    """Return a cell as a number; an empty one is 1."""
    if value is None or value == "":
        return 1.0
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise StudentError(
            f"column {column!r}: {value!r} is no number; mend it, or name another column"
        )
    return number
