"""Rules on the steps of a rationale: true equations, and an end at the answer."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from synthkd.filters.base import Reasons
from synthkd.filters.row_rules import TextRule
from synthkd.kinds.base import Kind, Row
from synthkd.kinds.rationale.answer_phrases import last_sentence
from synthkd.kinds.rationale.choice_words import named_by_stems, named_choices
from synthkd.kinds.rationale.choices import choices_of
from synthkd.kinds.rationale.equations import equations, wrong_equations
from synthkd.kinds.rationale.number_answers import read_exact_number, write_number
from synthkd.kinds.rationale.tokens import plain, tokens
from synthkd.text.normal_forms import normal_phrase

if TYPE_CHECKING:
    import pyarrow as pa


class Arithmetic(TextRule):
    """Reject texts with equations that do not hold."""

    name: ClassVar[str] = "arithmetic"

    class Options(TextRule.Options):
        allowed: int = Field(0, ge=0, description="Wrong equations to let pass.")

    options: Options

    def text(self, row: Row, kind: Kind) -> str:
        return str(
            row[self.column or ("rationale" if "rationale" in kind.columns else kind.columns[-1])]
            or ""
        )

    def check(self, row: Row, kind: Kind) -> str | None:
        wrong = wrong_equations(self.text(row, kind))
        if len(wrong) <= self.options.allowed:
            return None
        first = wrong[0]
        made = "nothing" if first.left is None else write_number(first.left)
        return f"{' '.join(first.text.split())[:120]} (comes to {made})"


class AnswerAgrees(TextRule):
    """Reject rows whose steps come to something else than the answer.

    Numbers: the last sentence of the steps ends in an equation, and the answer is neither its
    result (rounded, it may be be) nor one operation away from it. Choices: the last sentence names
    another choice, and no sentence the answer.
    """

    name: ClassVar[str] = "answer_agrees"

    def check(self, row: Row, kind: Kind) -> str | None:
        steps, answer = str(row.get("rationale") or ""), str(row.get("answer") or "")
        choices = choices_of(row)
        if choices:
            return _other_choice(steps, answer, choices)
        number = read_exact_number(answer)
        return None if number is None else _other_number(steps, number)


def _other_choice(steps: str, answer: str, choices: tuple[str, ...]) -> str | None:
    named = named_choices(last_sentence(steps), choices)
    said = [*named_choices(steps, choices), *named_by_stems(steps, choices)]
    if not named or normal_phrase(answer) in {normal_phrase(choice) for choice in said}:
        return None
    return f"the steps name {named[-1]!r}, the answer is {answer!r}"


def _other_number(steps: str, answer: Fraction) -> str | None:
    found = equations(last_sentence(steps))
    if not found or found[-1].right is None:
        return None
    result = found[-1].right
    if answer == result or abs(answer - result) < 1:
        return None
    stated = [token.value for token in tokens(plain(steps)) if token.kind == "number"]
    if any(answer in _one_away(result, number) for number in stated):
        return None
    return f"the steps come to {write_number(result)}, the answer is {write_number(answer)}"


def _one_away(result: Fraction, number: Fraction) -> set[Fraction]:
    """Return the results of one more operation: the step that an answer may leave unsaid."""
    made = {result + number, result - number, number - result, result * number}
    return (
        made | ({result / number} if number else set()) | ({number / result} if result else set())
    )


class AgreesWithGold(TextRule):
    """Reject answers other than the input's ``gold``; for expressions, other than the target.

    Rows without a gold answer pass; a gold answer that is none of its type (`5 feet 6 inches`)
    rejects its rows, by name.
    """

    name: ClassVar[str] = "agrees_with_gold"

    def reject(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        if "right" not in batch.schema.names:
            return [None] * batch.num_rows
        columns = [batch.column(name).to_pylist() for name in ("right", "answer", "gold")]
        return [
            _disagreement(right, answer, gold) for right, answer, gold in zip(*columns, strict=True)
        ]

    def check(self, row: Row, kind: Kind) -> str | None:
        return None if row.get("right") is not False else "not right"


def _disagreement(right: bool | None, answer: str | None, gold: str | None) -> str | None:
    if right is None and gold and answer is not None:
        return f"gold {gold!r} cannot be compared"
    if right is not False:
        return None
    return f"{answer!r}, not {gold!r}" if gold else f"{answer!r} is not right"
