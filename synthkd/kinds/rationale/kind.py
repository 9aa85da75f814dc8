"""The kind `rationale`: a question, the steps to its answer, and the answer (chain of thought).

The completions of one question vote on the answer (self-consistency, Wang et al. 2022); rules check
the steps (`filters/rationales.py`). Rejected rationales stay in the rejected split, as negatives to
train against.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from synthkd.kinds.base import Kind, Malformed, Row
from synthkd.kinds.rationale.answer_phrases import STOP_MARKS, own_text
from synthkd.kinds.rationale.answers import RationaleAnswer, find_answer, same_form, type_of
from synthkd.kinds.rationale.choice_answers import read_choice
from synthkd.kinds.rationale.choices import choices_of, with_choices
from synthkd.kinds.rationale.equations import equations
from synthkd.kinds.rationale.expression import given_numbers, objection
from synthkd.kinds.rationale.number_answers import read_number, write_number
from synthkd.kinds.rationale.word_answers import read_yes_no
from synthkd.options import BaseOptions
from synthkd.rows import CellError
from synthkd.text.normal_forms import normal_phrase

AnswerType = Literal["number", "choice", "yes_no", "text", "expression", "auto"]


class RationaleKind(Kind):
    """A question, steps and an answer."""

    name = "rationale"
    columns = ("question", "rationale", "answer")
    input_columns = ("question",)
    optional_columns = ("gold", "numbers")
    loose_columns = ("choices",)
    group_column = "question"
    details: ClassVar[dict[str, str]] = {
        "gold": "string",
        "right": "bool",
        "found_by": "string",
        "steps": "int32",
        "steps_wrong": "int32",
    }
    provenance_details: ClassVar[frozenset[str]] = frozenset({"found_by", "steps", "steps_wrong"})
    task_categories: ClassVar[tuple[str, ...]] = ("question-answering", "text-generation")
    default_rules = ("empty", "arithmetic")
    longest_answer = 4000
    keeps = "winner"

    class Options(BaseOptions):
        answer: AnswerType = Field(
            "auto",
            description="Type of the answers; `auto` goes by the input's choices and the question's"
            " words.",
        )
        stop_marks: str | tuple[str, ...] = Field(
            tuple(STOP_MARKS),
            description="Beginnings of lines that end the answer to this question.",
        )
        phrase: Literal["first", "last"] = Field(
            "first", description="Answer phrase that counts if a text has several."
        )
        target: int | str = Field(24, description="Value that an expression must have.")

        @field_validator("target")
        @classmethod
        def _is_a_number(cls, target: int | str) -> int | str:
            try:
                Fraction(target)
            except (ValueError, ZeroDivisionError):
                raise ValueError(f"{target!r} is no number") from None
            return target

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        given = self.options
        self.answer: str = given.answer
        marks = given.stop_marks
        self.stop_marks = [marks] if isinstance(marks, str) else list(marks)
        self.last = given.phrase == "last"
        self.target = Fraction(given.target)

    def check(self, row: Row) -> str | None:
        """Refuse choices that are not texts, and a single choice, which was not split."""
        if problem := super().check(row):
            return problem
        given = row.get("choices")
        try:
            choices = choices_of(row)
        except CellError as error:
            return f"'choices' is {error}; give a list of texts"
        if len(choices) == 1 and given is not None and given != "":
            return (
                f"'choices' holds one choice alone ({choices[0][:60]!r}); give a list of texts,"
                " or divide them by |"
            )
        return None

    def context(self, row: Row, examples: Sequence[Row], rng: random.Random) -> dict[str, Any]:
        """Add ``asked``: the question with its choices."""
        shown = [{**example, "asked": self.full_question(example)} for example in examples]
        return {**super().context(row, shown, rng), "asked": self.full_question(row)}

    def full_question(self, row: Row) -> str:
        """Return the question with its choices, if it has any."""
        return with_choices(str(row["question"]), choices_of(row))

    def parse(self, text: str, row: Row) -> list[dict[str, Any]] | Malformed:
        choices = choices_of(row)
        question = self.full_question(row)
        own = own_text(text, question, self.stop_marks)
        kind = type_of(self.answer, question, choices)
        answer = find_answer(own, kind, question, choices, self.last)
        return (
            answer
            if isinstance(answer, Malformed)
            else [self._candidate(answer, question, row, kind, choices)]
        )

    def read(self, answer: Any, row: Row) -> list[dict[str, Any]] | Malformed:
        """Read a structured answer; its field ``answer`` is read as text would be."""
        choices = choices_of(row)
        question = self.full_question(row)
        kind = type_of(self.answer, question, choices)
        item = answer["answers"][0] if self.several and answer.get("answers") else answer
        value = str(item.get("answer") or "")
        result = find_answer(
            value if kind == "expression" else f"Answer: {value}", kind, question, choices
        )
        if isinstance(result, Malformed):
            return result
        whole = RationaleAnswer(str(item.get("rationale") or "").strip(), result.answer, "field")
        return [self._candidate(whole, question, row, kind, choices)]

    def _candidate(
        self, answer: RationaleAnswer, question: str, row: Row, kind: str, choices: Sequence[str]
    ) -> dict[str, Any]:
        checked = [
            equation for equation in equations(answer.rationale) if equation.holds is not None
        ]
        gold = None if row.get("gold") in (None, "") else str(row["gold"])
        return {
            "question": question,
            "rationale": answer.rationale,
            "answer": answer.answer,
            "gold": gold,
            "right": self._is_right(answer.answer, gold, question, row, kind, choices),
            "found_by": answer.by,
            "steps": len(checked),
            "steps_wrong": sum(equation.holds is False for equation in checked),
        }

    def _is_right(
        self,
        answer: str,
        gold: str | None,
        question: str,
        row: Row,
        kind: str,
        choices: Sequence[str],
    ) -> bool | None:
        if kind == "expression":
            given = given_numbers(str(row.get("numbers") or question))
            return objection(answer, given, self.target) is None
        if gold is None:
            return None
        gold_value = _gold(gold, kind, choices, question)
        return (
            None if gold_value is None else same_form(answer, kind) == same_form(gold_value, kind)
        )

    def completion(self, candidates: Sequence[Row], row: Row) -> str:
        """Write the steps, then the answer after its phrase."""
        rationale, answer = (
            str(candidates[0][column] or "").strip() for column in ("rationale", "answer")
        )
        if self.answer == "expression":
            return f" {rationale}\nAnswer: {answer}" if rationale else f" {answer}"
        return f" {rationale} The answer is {answer}." if rationale else f" The answer is {answer}."

    def verbalize(self, candidate: Row) -> str:
        question, rationale, answer = (str(candidate[column] or "") for column in self.columns)
        if self.answer == "expression":
            steps = f"Answer: {rationale}\n" if rationale else ""
            return f"Question: {question}\n{steps}Answer: {answer}"
        steps = f"{rationale} " if rationale else ""
        return f"Question: {question}\nAnswer: {steps}The answer is {answer}."

    def normalize(self, candidate: Row) -> tuple[str, ...]:
        question, rationale, answer = (str(candidate[column] or "") for column in self.columns)
        return normal_phrase(question), normal_phrase(rationale), self._same_form(question, answer)

    def _same_form(self, question: str, answer: str) -> str:
        return same_form(answer, type_of(self.answer, question, choices_of({"question": question})))

    def vote_on(self, candidate: Row) -> tuple[str, ...]:
        # Choices are part of the input: malformed completions count with their siblings.
        return (normal_phrase(self.full_question(candidate)),)

    def vote_for(self, candidate: Row) -> str:
        return self._same_form(str(candidate["question"]), str(candidate["answer"] or ""))


def _gold(gold: str, kind: str, choices: Sequence[str], question: str) -> str | None:
    """Read a gold answer as an answer of its type; None if it is none.

    A choice may be given by its label, a number with its unit, or behind the answer phrase of a
    worked solution.
    """
    if kind == "choice":
        read = read_choice(gold, choices)
    elif kind == "yes_no":
        # Tables of labels use 1 and 0.
        read = {"1": "yes", "0": "no"}.get(gold.strip()) or read_yes_no(gold)
    elif kind == "number":
        read = _gold_number(gold, question)
    else:
        return gold
    return None if isinstance(read, Malformed) else read


def _gold_number(gold: str, question: str) -> str | Malformed:
    answer = (
        find_answer(gold, "number", question, last=True)
        if "####" in gold or "boxed" in gold
        else None
    )
    if isinstance(answer, RationaleAnswer) and answer.by == "phrase":
        return answer.answer
    number = read_number(gold, question)
    return number if isinstance(number, Malformed) else write_number(number)
