"""The contract of a kind of knowledge.

A kind knows no teacher: it gets an input row and the text of a completion, and returns candidates
or the reason why there are none. `docs/extending/kind.md` builds a kind from nothing.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from synthkd.keys import content_hash
from synthkd.kinds.answer_schema import answer_model
from synthkd.kinds.candidates import Candidates as Candidates
from synthkd.kinds.candidates import Malformed as Malformed
from synthkd.kinds.candidates import Row as Row
from synthkd.kinds.candidates import readable as readable
from synthkd.plugins import Plugin
from synthkd.returned_values import Check, short_form
from synthkd.text.normal_forms import normal_phrase
from synthkd.text.thoughts import ONLY_THOUGHTS, may_hold_thoughts, split_thoughts

if TYPE_CHECKING:
    from pydantic import BaseModel

    from synthkd.kinds.columns import AnswerColumns, ParsedColumns
    from synthkd.kinds.relations import Relation
    from synthkd.recipe import Recipe

#: Columns of every row of a corpus, which no kind has (`corpora.schema`).
RESERVED_COLUMNS = frozenset((
    "id", "kind", "input_id", "completion_key", "sample_index", "prompt", "teacher", "logprob",
    "tokens", "finish_reason", "raw", "recurrence", "votes", "agreement", "margin", "entropy",
    "score", "rejected_by", "reason", "rendered_prompt",
))  # fmt: skip
#: Methods that say of one answer or candidate what `Kind.parse_columns` says of many.
_BY_ROW = frozenset(("parse", "verbalize", "normalize", "identity", "vote_on", "vote_for"))


@dataclass(frozen=True)
class SourceText:
    """A row that people wrote.

    Attributes:
        text: The text.
        label: Its label; "" without one.
        place: File and row, for messages.
    """

    text: str
    label: str
    place: str


Parse = Callable[[Any, str, Row], Candidates]


def without_thoughts(text: str) -> str | Malformed:
    """Return the answer of a reply, without a model's thoughts."""
    if not may_hold_thoughts(text):
        return text
    parts = split_thoughts(text)
    if parts.unclosed:
        return Malformed(ONLY_THOUGHTS, "the thoughts have no end")
    if parts.thoughts and not parts.text.strip():
        return Malformed(ONLY_THOUGHTS, "no answer stands behind the thoughts")
    return parts.text


def _of_answers(parse: Parse) -> Parse:
    """Make a parser read answers without thoughts."""

    @wraps(parse)
    def parsed(self: Any, text: str, row: Row) -> Candidates:
        answer = without_thoughts(text)
        return answer if isinstance(answer, Malformed) else parse(self, answer, row)

    return parsed


#: Python types of the values of a column, by Arrow type.
_ARROW_TYPES: dict[str, tuple[type, ...]] = {
    "int32": (int,),
    "int64": (int,),
    "float64": (int, float),
    "bool": (bool,),
    "string": (str,),
}


def _check_candidates(kind: Kind, value: Any, *_: Any) -> str:
    if isinstance(value, Malformed):
        return ""
    if not isinstance(value, list) or not all(
        isinstance(row, Mapping | Malformed) for row in value
    ):
        return f"returned {short_form(value)}; return a list of dicts, or Malformed(reason)"
    for row in value:
        if isinstance(row, Malformed):
            continue
        for column in kind.columns:
            if column not in row:
                return f"returned a candidate without the column {column!r}: {row!s:.80}"
            types = _ARROW_TYPES[kind.types.get(column, "string")]
            if not isinstance(row[column], (*types, type(None))):
                wanted = "a text" if types == (str,) else kind.types[column]
                return f"returned {short_form(row[column])} as {column!r}; {wanted} is needed"
        for column, arrow_type in kind.details.items():
            if not isinstance(row.get(column), (*_ARROW_TYPES[arrow_type], type(None))):
                return f"returned {short_form(row[column])} as {column!r}, which is {arrow_type}"
    return ""


def _check_normal_form(kind: Kind, value: Any, *_: Any) -> str:
    if (
        isinstance(value, tuple)
        and len(value) == len(kind.columns)
        and all(isinstance(part, str) for part in value)
    ):
        return ""
    columns = ", ".join(kind.columns)
    return f"returned {short_form(value)}; return a tuple with a text for each of: {columns}"


def _check_text(kind: Kind, value: Any, *_: Any) -> str:
    return "" if isinstance(value, str) else f"returned {short_form(value)}; return a text"


def _check_problem(kind: Kind, value: Any, *_: Any) -> str:
    if isinstance(value, str | None):
        return ""
    return f"returned {short_form(value)}; return the problem as a text, or None"


def _check_row(kind: Kind, value: Any, *_: Any) -> str:
    return "" if isinstance(value, Mapping) else f"returned {short_form(value)}; return a dict"


def _check_rows(kind: Kind, value: Any, *_: Any) -> str:
    if isinstance(value, list) and all(isinstance(row, Mapping) for row in value):
        return ""
    return f"returned {short_form(value)}; return a list of dicts"


class Kind(Plugin, ABC):
    """A kind of knowledge.

    `parse` never gets the thoughts of a reasoning model, only the answer behind them (see
    `synthkd.text.thoughts`); a reply of thoughts alone is malformed.

    Attributes:
        name: Name of the kind, as recipes and entry points have it.
        columns: Flat columns of a candidate's content, in order; texts unless `types` says
            otherwise.
        types: Arrow types of columns that are no texts (``int64``, ``float64``, ``bool``).
        input_columns: Columns that an input row must have, as texts.
        nullable: Those of `columns` that may be empty.
        optional_columns: Further columns of texts that an input row may have.
        loose_columns: Columns of another form that an input row may have, such as lists.
        group_column: Column whose values are never on both sides of a split.
        details: Columns beside the content, by name and Arrow type (``int32``, ``float64``,
            ``bool``,
            ``string``), such as a place in a source. They are not part of a candidate's content and
            may be missing.
        provenance_details: Those of `details` that tell how a row was made, so that a corpus has
            them with the provenance.
        task_categories: Tasks on the Hugging Face hub that a corpus of the kind serves.
        default_rules: Rules of a recipe that names none.
        class_column: Column of few values whose distribution is reported, such as relations or
            labels.
        rule_column: Column that rules on a text read by default; None is the last column.
        rule_columns: Columns that rules on a text check by default, each by itself; empty for
            `rule_column` alone.
        subject_column: Column of what a row is about, such as a head; None is the first column.
        keeps: What votes keep by default: the `winner` of a question with one answer, or `all`.
        has_claims: True if `claim` orders two things, so that the rule `order` applies.
        several: True if an answer may have more than one candidate.
        longest_answer: Characters of a text in a structured answer, at most.
        relations: Relations that rows of the kind may name.
        real: Rows that people wrote: few-shot examples, and what near-duplicates are compared with.
        evaluation: Rows that no accepted row may repeat.
    """

    name: ClassVar[str]
    returns: ClassVar[Mapping[str, Check]] = {
        "parse": _check_candidates,
        "read": _check_candidates,
        "normalize": _check_normal_form,
        "verbalize": _check_text,
        "completion": _check_text,
        "identity": _check_text,
        "vote_for": _check_text,
        "check": _check_problem,
        "label_problem": _check_problem,
        "context": _check_row,
        "question": _check_row,
        "expand": _check_rows,
        "own_examples": _check_rows,
    }
    columns: ClassVar[tuple[str, ...]]
    input_columns: ClassVar[tuple[str, ...]] = ()
    types: Mapping[str, str] = MappingProxyType({})
    nullable: frozenset[str] = frozenset()
    optional_columns: tuple[str, ...] = ()
    loose_columns: ClassVar[tuple[str, ...]] = ()
    group_column: ClassVar[str]
    details: ClassVar[Mapping[str, str]] = {}
    provenance_details: ClassVar[frozenset[str]] = frozenset()
    task_categories: ClassVar[tuple[str, ...]] = ("text-generation",)
    default_rules: ClassVar[tuple[str, ...]] = ()
    class_column: ClassVar[str | None] = None
    rule_column: ClassVar[str | None] = None
    rule_columns: tuple[str, ...] = ()
    subject_column: ClassVar[str | None] = None
    keeps: ClassVar[str] = "all"
    has_claims: ClassVar[bool] = False
    several: bool = False
    longest_answer: ClassVar[int] = 400
    relations: Mapping[str, Relation] = MappingProxyType({})
    real: Sequence[SourceText] = ()
    evaluation: Sequence[SourceText] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "parse" in vars(cls):
            cls.parse = _of_answers(cls.parse)  # type: ignore[assignment, method-assign]
        # What a class changes for one candidate, the columns of its parent would not know.
        if not _BY_ROW.isdisjoint(vars(cls)) and "parse_columns" not in vars(cls):
            cls.parse_columns = Kind.parse_columns  # type: ignore[method-assign]

    @classmethod
    def class_problem(cls) -> str:
        for name in ("columns", "input_columns", "default_rules"):
            value = getattr(cls, name, None)
            if not isinstance(value, tuple) or not all(isinstance(one, str) for one in value):
                return f'`{name}` is {value!r:.60}; a tuple of names is needed, such as ("term",)'
        if not cls.columns:
            return "`columns` is empty"
        own = {"group_column": getattr(cls, "group_column", None), "class_column": cls.class_column}
        own |= {"rule_column": cls.rule_column, "subject_column": cls.subject_column}
        for name, column in own.items():
            if column not in (*cls.columns, None) or (column is None and name == "group_column"):
                return f"`{name}` is {column!r}, no column of {', '.join(cls.columns)}"
        taken = RESERVED_COLUMNS & {*cls.columns, *cls.details}
        if taken:
            return f"the column {min(taken)!r} is one of every row; choose another name"
        for column, arrow_type in cls.details.items():
            if arrow_type not in _ARROW_TYPES:
                types = ", ".join(_ARROW_TYPES)
                return f"`details` has {column!r} of type {arrow_type!r}; known are {types}"
        return ""

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> Self:
        """Return the kind of a recipe. Default: the constructor with the recipe's options."""
        return cls(**cls.options_of(recipe))

    @classmethod
    def options_of(cls, recipe: Recipe) -> dict[str, Any]:
        """Return a recipe's options, with `kind.several` if the kind has that option."""
        several = {"several": recipe.kind.several} if "several" in cls.Options.model_fields else {}
        return several | recipe.kind.options

    @property
    def answer_columns(self) -> tuple[str, ...]:
        """The columns that the teacher fills; the input row has the others."""
        return tuple(column for column in self.columns if column not in self.input_columns)

    def answer_model(self) -> type[BaseModel]:
        """Return the model of a structured answer. Default: a text for each answer column."""
        return answer_model(self.answer_columns, self.several, self.longest_answer)

    @property
    def answer_regex(self) -> str | None:
        """Regular expression of a whole answer, for `teacher.constrained`; None without one."""
        return None

    @abstractmethod
    def parse(self, text: str, row: Row) -> Candidates:
        """Read the candidates of a completion. Never raise, whatever the text.

        Returns:
            A dict of `columns` and `details` for each candidate, and a Malformed for each part of
            the answer that cannot be read; or a Malformed alone, why there is no candidate.
        """

    def read(self, answer: Mapping[str, Any], row: Row) -> Candidates:
        """Read the candidates of a structured answer.

        Default: one answer column goes through `parse`, as text would; several are taken as they
        are.

        Args:
            answer: An object with `answer_columns`, or ``answers`` with a list of such objects.
            row: The input row.
        """
        items = answer["answers"] if self.several else [answer]
        if len(self.answer_columns) == 1:
            (column,) = self.answer_columns
            return self.parse("\n".join(str(item[column]) for item in items), row)
        shared = {
            column: str(row[column]) for column in self.columns if column in self.input_columns
        }
        return [{**shared, **item} for item in items] or Malformed("no_answers")

    def parse_columns(self, answers: AnswerColumns) -> ParsedColumns | None:
        """Read the candidates of many plain answers at once; None if `parse` reads each.

        Equal to `parse`, `verbalize` and `normalize` of every answer, thoughts included; a class
        that changes one of these without this method reads each answer by itself again. Default:
        None.
        """
        return None

    def group_by_input(self, candidates: Sequence[Row]) -> list[tuple[dict[str, Any], list[Row]]]:
        """Group candidates by input row, in first-seen order; each group is one training example.

        Default: each candidate alone; with ``several``, candidates of equal inputs together.

        Returns:
            The input row of each group, and the candidates that its answer must have.
        """
        if not self.several:
            return [(self.question(candidate), [candidate]) for candidate in candidates]
        groups: dict[tuple[Any, ...], tuple[dict[str, Any], list[Row]]] = {}
        for candidate in candidates:
            question = self.question(candidate)
            groups.setdefault(tuple(question.items()), (question, []))[1].append(candidate)
        return list(groups.values())

    def question(self, candidate: Row) -> dict[str, Any]:
        """Return the input row that a candidate answers, as far as the candidate gives it."""
        return {column: str(candidate[column] or "") for column in self.input_columns}

    def completion(self, candidates: Sequence[Row], row: Row) -> str:
        """Write the answer to an input row from which `parse` reads these candidates again.

        The answer continues a prompt, so it begins with a space or a new line. Candidates that no
        text can give are allowed: `parse` reads something else then. Default: the one answer
        column, a line per candidate.
        """
        column = self.answer_columns[-1]
        return " " + "\n".join(str(candidate[column] or "") for candidate in candidates)

    @abstractmethod
    def verbalize(self, candidate: Row) -> str:
        """Write a candidate as a sentence for people and critics."""

    @abstractmethod
    def normalize(self, candidate: Row) -> tuple[str, ...]:
        """Return the form under which equal knowledge is equal, one string per column."""

    def expand(self, row: Row) -> list[dict[str, Any]]:
        """Return the input rows that a row of the file stands for. Default: the row itself."""
        return [dict(row)]

    def check(self, row: Row) -> str | None:
        """Return the problem of an input row in one line; None if there is none."""
        missing = [
            column for column in self.input_columns if not str(row.get(column) or "").strip()
        ]
        return f"{missing[0]!r} is empty" if missing else None

    def own_examples(self) -> list[dict[str, Any]]:
        """Return the few-shot examples of the kind, which replace those of the template."""
        return []

    def check_examples(self, rows: Sequence[Row]) -> None:
        """Refuse few-shot examples that must not be shown. Default: all may.

        Raises:
            KindError: An example must not be shown.
        """
        return

    def context(self, row: Row, examples: Sequence[Row], rng: random.Random) -> dict[str, Any]:
        """Return the variables of the prompt. Default: the input's columns and ``examples``."""
        return {**row, "examples": list(examples)}

    def group(self, candidate: Row, column: str | None = None) -> str:
        """Name the group of a candidate: the normal form of ``column``, by default `group_column`.

        Rows of one group are never on both sides of a split.
        """
        column = column or self.group_column
        plain = ""
        if column in self.columns and all(candidate.get(name) is not None for name in self.columns):
            plain = self.normalize(candidate)[self.columns.index(column)]
        value = str(candidate[column])
        return plain or normal_phrase(value) or value.strip()

    def identity(self, candidate: Row) -> str:
        """Return the content id of a candidate, equal for equal knowledge."""
        return content_hash([self.name, *self.normalize(candidate)])

    def vote_on(self, candidate: Row) -> tuple[str, ...]:
        """Return the question on which a candidate's completion votes.

        Equal knowledge has an equal question, since the rows of a question are filtered together.
        Default: the input columns; the whole candidate if there are none.
        """
        whole = self.normalize(candidate)
        given = [
            value
            for column, value in zip(self.columns, whole, strict=True)
            if column in self.input_columns
        ]
        return tuple(given) or whole

    def vote_for(self, candidate: Row) -> str:
        """Return the answer that a candidate votes for; "" is no vote."""
        return "\n".join(self.normalize(candidate))

    def claim(self, candidate: Row) -> tuple[str, str, str] | None:
        """Return the axis of a claim, what is more and what is less on it; None without a claim."""
        return None

    def label_problem(self, label: str) -> str | None:
        """Return the reason why a label is not one of the kind's classes; None if it is one."""
        return None
