"""Checks of the steps of a rationale."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.effort import COMPILING, lines_run

from synthkd.errors import RecipeError
from synthkd.filters.rationales import AnswerAgrees, Arithmetic
from synthkd.kinds.rationale.equations import equations, wrong_equations
from synthkd.kinds.rationale.kind import RationaleKind


def row(rationale: str, answer: str = "7", question: str = "How many?") -> dict[str, str]:
    return {"question": question, "rationale": rationale, "answer": answer}


@pytest.mark.parametrize(
    "text",
    [
        "54 / 3 = <<54/3=18.0>>18 lines",
        "5 minutes * 4 shirts per minute = 20 shirts",
        "3 × 4 = 12 and 7 x $.4 = $2.80",
        "12 ÷ 4 = 3 = 6 / 2",
        "150 - 15 = 135 x 2 = 270",
        "10 / 3 = 3.33, 2/3 = 0.66, 10/3 = 3.3333333333333335",
        "20% of 50 = 10, 50 / 200 = 25%, 50 / 200 * 100 = 25%",
        "-12 + 8 = -4 and 3 - 84 = -81",
        "1. 5 + 3 = 8\n- 4 + 4 = 8",
        "3 / 1/4 = 12 sets of 5 minutes",
        "10 - 5 = 5 (left: 5 5 8)",
        r"\frac{1}{2} \times 4 = 2",
        "1,200 + 300 = 1,500",
        "there are 40 / 10 = 4 packs of 10 cakes",
        "2 plus 3 equals 5",
    ],
)
def test_equations_that_hold_are_let_alone(text: str) -> None:
    assert not wrong_equations(text)
    assert any(equation.holds for equation in equations(text))


@pytest.mark.parametrize(
    "text",
    [
        "12 - 5 = 8",
        "3*3=$<<3*3=9>>9, then 9 + 1 = 11",
        "57 * 53 = 3039 white t - shirts",
        "2 + 2 = 4 = 5 - 2",
        "29/2 = 14 crackers",
        "77 - 172 = 5 potatoes left",
        "6 / 0 = 0",
        "5 * 1 = 24",
    ],
)
def test_an_equation_that_does_not_hold_is_the_reason(text: str) -> None:
    reason = Arithmetic().check(row(text), RationaleKind())
    assert reason is not None
    assert "comes to" in reason


@pytest.mark.parametrize(
    "text",
    [
        "some - 8 = 6",
        "x + 4 = 14, 2x = 10, 9s + 13 = 130",
        "2 hours + 30 minutes = 150 minutes",
        "3 dozen + 2 = 38 eggs",
        "80 + 10% = 88",
        "toys on day 2 = 5 + 3",
        "from 12:00+18 hours = 6",
    ],
)
def test_what_cannot_be_checked_is_not_called_wrong(text: str) -> None:
    assert Arithmetic().check(row(text), RationaleKind()) is None


def test_so_many_wrong_equations_may_be_allowed() -> None:
    assert Arithmetic(allowed=1).check(row("1 + 1 = 3"), RationaleKind()) is None
    with pytest.raises(RecipeError, match="allowed"):
        Arithmetic(allowed=-1)


def test_an_answer_that_the_steps_do_not_come_to_is_rejected() -> None:
    rule, kind = AnswerAgrees(), RationaleKind()
    assert rule.check(row("12 - 5 = 7."), kind) is None
    assert rule.check(row("12 - 5 = 7.", "8"), kind) == "the steps come to 7, the answer is 8"
    assert rule.check(row("He has nothing left.", "8"), kind) is None
    asked = "Where? (a) river (b) bank"
    assert rule.check(row("A bank keeps it.", "bank", asked), kind) is None
    assert "river" in str(rule.check(row("Only a river does.", "bank", asked), kind))


@pytest.mark.slow
@given(st.text(max_size=300) | st.text("0123456789+-*/^()=.,$%x <>{}\\\n:ofa", max_size=300))
def test_no_text_makes_the_checks_raise(text: str) -> None:
    for rule in (Arithmetic(), AnswerAgrees()):
        rule.check(row(text, text[:10], text), RationaleKind())


@pytest.mark.slow
@given(st.integers(0, 999), st.integers(0, 999), st.sampled_from("+-*"), st.integers(-3, 3))
def test_an_equation_of_two_numbers_is_judged_right(a: int, b: int, op: str, off: int) -> None:
    made = {"+": a + b, "-": a - b, "*": a * b}[op]
    (equation,) = equations(f"So it is {a} {op} {b} = {made + off} apples.")
    assert equation.holds is (off == 0)


def test_the_work_on_a_very_long_sum_grows_with_its_length() -> None:
    for text in (
        "1+" * 5000 + "1 = 5",
        "(" * 5000 + "1" + ")" * 5000 + " = 1",
        "9" * 5000 + " + 1 = 2",
        "9^99^99 = 1",
    ):
        assert lines_run(lambda text=text: equations(text)) < 40 * len(text) + COMPILING
        assert not equations(text)
