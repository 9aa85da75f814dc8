"""What a kind of knowledge is: its columns, and how it is parsed, put into words and normalised.

A kind knows no teacher. It sees an input row and a completion's text, and gives candidates or a reason
why there are none. `docs/extending/kind.md` builds one from nothing.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar

from synthkd.keys import content_hash
from synthkd.text.normal_forms import normal_phrase
from synthkd.text.thoughts import ONLY_THOUGHTS, may_hold_thoughts, split_thoughts

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Malformed:
    """A completion in which no candidate was found. ``reason`` is a short name."""

    reason: str
    detail: str = ""


Parse = Callable[[Any, str, Row], "list[dict[str, Any]] | Malformed"]


def without_thoughts(text: str) -> str | Malformed:
    """Return the answer in a reply, or that the reply is nothing but a model's thoughts."""
    if not may_hold_thoughts(text):
        return text
    found = split_thoughts(text)
    if found.unclosed:
        return Malformed(ONLY_THOUGHTS, "the thoughts have no end")
    if found.thoughts and not found.text.strip():
        return Malformed(ONLY_THOUGHTS, "no answer stands behind the thoughts")
    return found.text


def _of_answers(parse: Parse) -> Parse:
    """Make a parser read the answer proper, so that no kind needs to know of thoughts."""

    @wraps(parse)
    def parsed(self: Any, text: str, row: Row) -> list[dict[str, Any]] | Malformed:
        answer = without_thoughts(text)
        return answer if isinstance(answer, Malformed) else parse(self, answer, row)

    return parsed


class Kind(ABC):
    """One kind of knowledge.

    What a kind parses never holds the thoughts of a reasoning model: each `parse` is given the answer behind them (see
    `synthkd.text.thoughts`), and a reply that is thoughts alone is malformed before it is asked.

    ``columns`` are the flat string columns that hold a candidate's content, in order;
    ``input_columns`` are those that an input row must have, ``optional_columns`` further ones of texts that it may have,
    ``loose_columns`` those of another form, such as lists;
    ``group_column`` is the one whose values never stand on both sides of a split.
    ``details`` are columns beside the content, by name and Arrow type (``int32``, ``float64``, ``bool``,
    ``string``): a place in a source, say. They are no part of what a candidate says, and may be missing.
    """

    name: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    input_columns: ClassVar[tuple[str, ...]] = ()
    optional_columns: tuple[str, ...] = ()
    loose_columns: ClassVar[tuple[str, ...]] = ()
    group_column: ClassVar[str]
    details: ClassVar[Mapping[str, str]] = {}
    default_rules: ClassVar[tuple[str, ...]] = ()
    #: The column of few values whose spread is told: relations, labels. None where there is none.
    class_column: ClassVar[str | None] = None
    #: The column that rules on a text look at where they name none. Default: the last.
    rule_column: ClassVar[str | None] = None
    #: What votes keep where a recipe does not say: the `winner` of a question that has one answer, or `all`.
    keeps: ClassVar[str] = "all"
    #: Whether an answer may hold more than one candidate.
    several: bool = False
    #: Rows of the usual size that an answer comes to, about: into how many partitions filtering is divided.
    answer_size: float = 1.0
    #: Characters that a text of a structured answer may have.
    longest_answer: ClassVar[int] = 400

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "parse" in vars(cls):
            cls.parse = _of_answers(cls.parse)  # type: ignore[assignment, method-assign]

    @property
    def answer_columns(self) -> tuple[str, ...]:
        """The columns that the teacher fills; the input has the others."""
        return tuple(column for column in self.columns if column not in self.input_columns)

    @property
    def answer_regex(self) -> str | None:
        """Regular expression of a whole answer, for `teacher.constrained`; None where the kind has none."""
        return None

    @abstractmethod
    def parse(self, text: str, row: Row) -> list[dict[str, Any]] | Malformed:
        """Candidates in a completion: one dict of ``columns`` and ``details`` each. Never raises, whatever the text."""

    def read(self, answer: Mapping[str, Any], row: Row) -> list[dict[str, Any]] | Malformed:
        """Candidates in a structured answer: an object with `answer_columns`, or ``answers`` with a list of them.

        Default: one column goes through `parse`, as a plain text would; several are taken as they stand.
        """
        items = answer["answers"] if self.several else [answer]
        if len(self.answer_columns) == 1:
            (column,) = self.answer_columns
            return self.parse("\n".join(str(item[column]) for item in items), row)
        known = {column: str(row[column]) for column in self.columns if column in self.input_columns}
        return [{**known, **item} for item in items] or Malformed("no_answers")

    def grouped(self, candidates: Sequence[Row]) -> list[tuple[dict[str, Any], list[Row]]]:
        """Candidates by the input row that they answer, in the order of their first ones: what a student is asked, and all
        that its one answer must hold. Default: each alone, or with ``several`` those with equal inputs together."""
        if not self.several:
            return [(self.question(candidate), [candidate]) for candidate in candidates]
        found: dict[tuple[Any, ...], tuple[dict[str, Any], list[Row]]] = {}
        for candidate in candidates:
            asked = self.question(candidate)
            found.setdefault(tuple(asked.items()), (asked, []))[1].append(candidate)
        return list(found.values())

    def question(self, candidate: Row) -> dict[str, Any]:
        """The input row that a candidate answers, as far as the candidate tells it."""
        return {column: str(candidate[column] or "") for column in self.input_columns}

    def completion(self, candidates: Sequence[Row], row: Row) -> str:
        """An answer to an input row from which `parse` reads these candidates again: what a student learns to write. It
        goes on from a prompt, so it begins with a space or a new line. What no text can say is told by `parse`, which then
        reads something else. Default: the one answer column, each candidate in a line."""
        column = self.answer_columns[-1]
        return " " + "\n".join(str(candidate[column] or "") for candidate in candidates)

    @abstractmethod
    def verbalize(self, candidate: Row) -> str:
        """The candidate as a sentence that a person or a critic can read."""

    @abstractmethod
    def normalize(self, candidate: Row) -> tuple[str, ...]:
        """The form under which two candidates are the same knowledge, one string for each column."""

    def expand(self, row: Row) -> list[dict[str, Any]]:
        """The input rows that one row of the file stands for. Default: itself."""
        return [dict(row)]

    def check(self, row: Row) -> str | None:
        """What is wrong with an input row, in one line; ``None`` where nothing is."""
        missing = [column for column in self.input_columns if not str(row.get(column) or "").strip()]
        return f"{missing[0]!r} is empty" if missing else None

    def shown(self) -> list[dict[str, Any]]:
        """Few-shot examples that the kind brings with it, in place of the template's."""
        return []

    def check_shown(self, rows: Sequence[Row]) -> None:
        """Raise `KindError` for few-shot examples that must not be shown. Default: all may."""
        return

    def context(self, row: Row, examples: Sequence[Row], rng: random.Random) -> dict[str, Any]:
        """The variables of the prompt. Default: the input's columns and ``examples``."""
        return {**row, "examples": list(examples)}

    def group(self, candidate: Row, column: str | None = None) -> str:
        """Name the group of a candidate: the normal form of ``column``, by default `group_column`.

        Rows of one group never stand on both sides of a split.
        """
        column = column or self.group_column
        plain = ""
        if column in self.columns and all(candidate.get(name) is not None for name in self.columns):
            plain = self.normalize(candidate)[self.columns.index(column)]
        value = str(candidate[column])
        return plain or normal_phrase(value) or value.strip()

    def identity(self, candidate: Row) -> str:
        """Content id of a candidate: equal for equal knowledge, whoever said it."""
        return content_hash([self.name, *self.normalize(candidate)])

    def vote_on(self, candidate: Row) -> tuple[str, ...]:
        """The question that completions vote on with such a candidate. Equal knowledge has an equal question, since
        the rows of one question are judged together. Default: what the input gives; the knowledge itself where it
        gives nothing."""
        whole = self.normalize(candidate)
        given = [
            value for column, value in zip(self.columns, whole, strict=True) if column in self.input_columns
        ]
        return tuple(given) or whole

    def vote_for(self, candidate: Row) -> str:
        """The answer to that question for which this candidate is a vote; "" is no vote."""
        return "\n".join(self.normalize(candidate))
