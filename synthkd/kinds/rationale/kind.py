"""Rationales: a question, the steps to its answer, and the answer (chain of thought).

The completions of one question vote on the answer (self-consistency); the steps are checked by rules
(`filters/steps.py`). What loses or fails is kept in the rejected split: a negative to train against.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, ClassVar, Literal, get_args

from synthkd.errors import nearest
from synthkd.kinds.base import Kind, Malformed, Row
from synthkd.kinds.rationale.choices import choices_of, read_choice, with_choices
from synthkd.kinds.rationale.cut import STOP_MARKS, own_text
from synthkd.kinds.rationale.equations import equations
from synthkd.kinds.rationale.expression import given_numbers, objection
from synthkd.kinds.rationale.find import Found, find, same_form, type_of
from synthkd.kinds.rationale.numeric import read_number, write_number
from synthkd.kinds.rationale.words import read_yes_no
from synthkd.rows import CellError
from synthkd.text.normal_forms import normal_phrase

AnswerType = Literal["number", "choice", "yes_no", "text", "expression", "auto"]


class RationaleKind(Kind):
    """A question, steps, an answer.

    ``answer`` is the type of the answers; ``auto`` goes by the input's choices and the question's words.
    ``stop_marks`` are beginnings of lines after which a text is no answer to this question any more.
    ``phrase`` says which answer phrase counts where a text has several.
    ``target`` is what an expression must come to.
    """

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
    default_rules = ("empty", "arithmetic")
    longest_answer = 4000
    keeps = "winner"

    def __init__(
        self,
        answer: AnswerType = "auto",
        stop_marks: Sequence[str] = STOP_MARKS,
        phrase: Literal["first", "last"] = "first",
        target: int | str = 24,
    ) -> None:
        types = get_args(AnswerType)
        if answer not in types:
            raise ValueError(
                f"answer: {answer!r} is none of {', '.join(types)}{nearest(str(answer), list(types))}"
            )
        if phrase not in ("first", "last"):
            raise ValueError(f"phrase: {phrase!r} is neither 'first' nor 'last'")
        self.answer: str = answer
        self.stop_marks = [stop_marks] if isinstance(stop_marks, str) else list(stop_marks)
        self.last = phrase == "last"
        try:
            self.target = Fraction(target)
        except (ValueError, TypeError, ZeroDivisionError):
            raise ValueError(f"target: {target!r} is no number") from None

    def check(self, row: Row) -> str | None:
        """Refuse choices that are no texts, and a single one: it was not divided."""
        if problem := super().check(row):
            return problem
        given = row.get("choices")
        try:
            choices = choices_of(row)
        except CellError as error:
            return f"'choices' is {error}; give a list of texts"
        if len(choices) == 1 and given is not None and given != "":
            return f"'choices' holds one choice alone ({choices[0][:60]!r}); give a list of texts, or divide them by |"
        return None

    def context(self, row: Row, examples: Sequence[Row], rng: random.Random) -> dict[str, Any]:
        """Adds ``asked``: the question with its choices."""
        shown = [{**example, "asked": self.asked(example)} for example in examples]
        return {**super().context(row, shown, rng), "asked": self.asked(row)}

    def asked(self, row: Row) -> str:
        """The question as it is answered: with its choices, where it has any."""
        return with_choices(str(row["question"]), choices_of(row))

    def parse(self, text: str, row: Row) -> list[dict[str, Any]] | Malformed:
        choices = choices_of(row)
        question = self.asked(row)
        own = own_text(text, question, self.stop_marks)
        kind = type_of(self.answer, question, choices)
        found = find(own, kind, question, choices, self.last)
        return (
            found if isinstance(found, Malformed) else [self._candidate(found, question, row, kind, choices)]
        )

    def read(self, answer: Any, row: Row) -> list[dict[str, Any]] | Malformed:
        """A structured answer: ``rationale`` and ``answer`` as fields; the answer is read as text would be."""
        choices = choices_of(row)
        question = self.asked(row)
        kind = type_of(self.answer, question, choices)
        item = answer["answers"][0] if self.several and answer.get("answers") else answer
        said = str(item.get("answer") or "")
        found = find(said if kind == "expression" else f"Answer: {said}", kind, question, choices)
        if isinstance(found, Malformed):
            return found
        whole = Found(str(item.get("rationale") or "").strip(), found.answer, "field")
        return [self._candidate(whole, question, row, kind, choices)]

    def _candidate(
        self, found: Found, question: str, row: Row, kind: str, choices: Sequence[str]
    ) -> dict[str, Any]:
        checked = [equation for equation in equations(found.rationale) if equation.holds is not None]
        gold = None if row.get("gold") in (None, "") else str(row["gold"])
        return {
            "question": question,
            "rationale": found.rationale,
            "answer": found.answer,
            "gold": gold,
            "right": self._is_right(found.answer, gold, question, row, kind, choices),
            "found_by": found.by,
            "steps": len(checked),
            "steps_wrong": sum(equation.holds is False for equation in checked),
        }

    def _is_right(
        self, answer: str, gold: str | None, question: str, row: Row, kind: str, choices: Sequence[str]
    ) -> bool | None:
        if kind == "expression":
            given = given_numbers(str(row.get("numbers") or question))
            return objection(answer, given, self.target) is None
        if gold is None:
            return None
        asked = _gold(gold, kind, choices, question)
        return None if asked is None else same_form(answer, kind) == same_form(asked, kind)

    def completion(self, candidates: Sequence[Row], row: Row) -> str:
        """The steps, then the answer after its phrase."""
        rationale, answer = (str(candidates[0][column] or "").strip() for column in ("rationale", "answer"))
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
        # An input has its choices beside its question: what was malformed is counted where its siblings are.
        return (normal_phrase(self.asked(candidate)),)

    def vote_for(self, candidate: Row) -> str:
        return self._same_form(str(candidate["question"]), str(candidate["answer"] or ""))


def _gold(gold: str, kind: str, choices: Sequence[str], question: str) -> str | None:
    """A gold answer as an answer of its type; None if it is none.

    A choice may be given by its label, a number with its unit, or behind the answer phrase of a worked solution.
    """
    if kind == "choice":
        read = read_choice(gold, choices)
    elif kind == "yes_no":
        # Tables of labels hold 1 and 0.
        read = {"1": "yes", "0": "no"}.get(gold.strip()) or read_yes_no(gold)
    elif kind == "number":
        read = _gold_number(gold, question)
    else:
        return gold
    return None if isinstance(read, Malformed) else read


def _gold_number(gold: str, question: str) -> str | Malformed:
    found = find(gold, "number", question, last=True) if "####" in gold or "boxed" in gold else None
    if isinstance(found, Found) and found.by == "phrase":
        return found.answer
    number = read_number(gold, question)
    return number if isinstance(number, Malformed) else write_number(number)
