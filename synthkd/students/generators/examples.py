"""Rows of a kind as what a student reads and what it is to write.

    rows ── kind.grouped ──► question + candidates ── template ──► prompt
                                      └──── kind.completion ──────► completion ── kind.parse ──► the same candidates?

A completion from which the kind does not read the same knowledge again teaches nothing, and is left out and counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from synthkd.errors import StudentError
from synthkd.kinds.base import Kind, Malformed, Row
from synthkd.prompts import Prompt

Messages = tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class Example:
    """One prompt and what is to be written after it.

    ``weight``: how much it counts; ``task``: its name where there are several; ``question``: the number of its question,
    which the examples of one question share; ``good``: False for a negative, ``quality`` in [0, 1]: how good it is held
    to be, both for contrastive objectives.
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
        """What is read, as one text."""
        return "\n\n".join(message["content"] for message in self.messages)


@dataclass(frozen=True, slots=True)
class Question:
    """A question: its input row, its messages, and the candidates that answer it together."""

    row: dict[str, Any]
    messages: Messages
    candidates: list[Row]
    number: int = 0
    good: bool = True


#: Makes the examples of a question, in place of the one that says it all: several tasks, say.
TaskSplitter = Callable[[Question, Example], Iterable[Example]]


@dataclass
class SkippedRows:
    """Candidates that no example was made of, by reason; ``rows`` were given."""

    rows: int = 0
    why: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        parts = ", ".join(f"{count:,} {reason}" for reason, count in sorted(self.why.items()) if count)
        return f"{sum(self.why.values()):,} of {self.rows:,} rows left out ({parts})"


class ExampleBuilder:
    """Puts questions and rows of a kind into a template, without few-shot examples."""

    def __init__(self, kind: Kind, prompt: Prompt, tasks: TaskSplitter | None = None) -> None:
        if prompt.head.kind and prompt.head.kind != kind.name:
            raise StudentError(
                f"template {prompt.name} is for the kind {prompt.head.kind!r}, the rows are of the kind {kind.name!r}"
            )
        self.kind, self.tasks = kind, tasks
        self.prompt = replace(prompt, examples=(), shots=0)
        self.stop = tuple(prompt.head.stop)

    def messages(self, row: Row) -> Messages:
        """What the student reads of an input row; the same as a run with this template and no shots sends."""
        return self.prompt.render(row, self.kind, "", 0)

    def cut(self, text: str) -> str:
        """A text up to the first stop text of the template."""
        places = [text.find(stop) for stop in self.stop if stop in text]
        return text[: min(places)] if places else text

    def examples(
        self, rows: Iterable[Row], negatives: Iterable[Row] = (), weight: str = "weight", quality: str = ""
    ) -> tuple[list[Example], SkippedRows]:
        """Examples of rows, and of ``negatives`` with ``good`` false. ``weight`` and ``quality`` name columns; rows without
        them count 1. Rows of one question (equal messages) share its number."""
        left, found = SkippedRows(), list[Example]()
        numbers: dict[Messages, int] = {}
        for given, good in ((list(rows), True), (list(negatives), False)):
            left.rows += len(given)
            for asked in self._asked(given, good, left):
                key = tuple(tuple(sorted(message.items())) for message in asked.messages)
                number = numbers.setdefault(key, len(numbers))  # type: ignore[arg-type]
                example = self._example(replace(asked, number=number), left, weight, quality)
                if example is not None:
                    one = replace(asked, number=number)
                    found += [example] if self.tasks is None else self.tasks(one, example)
        return found, left

    def _asked(self, rows: Sequence[Row], good: bool, left: SkippedRows) -> Iterator[Question]:
        """Questions; negatives stand each for itself, since together they would be no answer that anyone gave."""
        whole = [row for row in rows if self._is_whole(row)]
        left.why["with an empty column"] += len(rows) - len(whole)
        if good:
            groups = self.kind.group_by_input(whole)
        else:
            groups = [group for row in whole for group in self.kind.group_by_input([row])]
        for row, candidates in groups:
            yield Question(row, self.messages(row), candidates, good=good)

    def _is_whole(self, row: Row) -> bool:
        missing = [column for column in self.kind.columns if column not in row]
        if missing:
            raise StudentError(
                f"a row has no column {missing[0]!r}; rows of the kind {self.kind.name!r} have"
                f" {', '.join(self.kind.columns)}"
            )
        return all(row[column] is not None for column in self.kind.columns)

    def _example(self, asked: Question, left: SkippedRows, weight: str, quality: str) -> Example | None:
        completion = self.kind.completion(asked.candidates, asked.row)
        # What a negative says need not be readable: it only is what must not be said.
        if asked.good and not self.reads_back(completion, asked.row, asked.candidates):
            left.why["that no answer can say"] += len(asked.candidates)
            return None
        heavy = _mean(asked.candidates, weight)
        if heavy <= 0:
            left.why["of no weight"] += len(asked.candidates)
            return None
        return Example(
            asked.messages,
            completion,
            heavy,
            question=asked.number,
            good=asked.good,
            quality=_mean(asked.candidates, quality),
        )

    def reads_back(self, completion: str, row: Row, candidates: Sequence[Row]) -> bool:
        """Whether the kind reads these candidates, and no others, in a completion as a run would cut it."""
        found = self.kind.parse(self.cut(completion), row)
        if isinstance(found, Malformed):
            return False
        return {self.kind.normalize(one) for one in found} == {self.kind.normalize(one) for one in candidates}


def _mean(candidates: Sequence[Row], column: str) -> float:
    """Mean of a column of numbers, 1 where a row has none."""
    if not column:
        return 1.0
    values = [_number(one.get(column), column) for one in candidates]
    return sum(values) / len(values)


def _number(value: Any, column: str) -> float:
    """A cell as a number; an empty one is 1."""
    if value is None or value == "":
        return 1.0
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise StudentError(f"column {column!r}: {value!r} is no number; mend it, or name another column")
    return found
