"""Tests of equations in answers, and of agreement with gold answers, in many forms."""

from __future__ import annotations

from typing import Any

import pytest

from synthkd.filters.rationales import AgreesWithGold
from synthkd.kinds.rationale.equations import equations, wrong_equations
from synthkd.kinds.rationale.kind import RationaleKind


@pytest.mark.parametrize(
    "text",
    [
        "9{,}500 + 500 = 10{,}000",
        r"\$9\,500 + \$500 = \$10\,000",
        "1.5e3 + 500 = 2000",
        "1.500 + 500 = 2.000",
        "3,5 + 1,5 = 5",
        "12,34,567 + 1 = 12,34,568",
        "US$5 + US$3 = US$8",
        "5 € + 3 € = 8 €",
        "√16 + 1 = 5",
        "10³ + 1 = 1001",
        "5 m² * 2 = 10 m²",
        "3 million + 500 thousand = 3.5 million",
        "٣ + ٤ = ٧",
        "1’200 + 300 = 1’500",
    ],
)
def test_steps_in_other_forms_hold(text: str) -> None:
    assert not wrong_equations(text)
    assert any(equation.holds for equation in equations(text))


@pytest.mark.parametrize(
    "text",
    [
        "√2 = 1.414",
        "42 of 50 = 84%",
        "3,400 + 1,2 = 5",
        "1.2.3 + 5 = 9",
        "3 million * 2 = 6",
        "2 dozen + 1 = 3",
        "3 045 100 + 0 = 3045100",
        "10 / 3 = 3 R1",
        "5 ft 6 in + 6 in = 6 ft",
        "half of 60 + 5 = 35",
        "5 squared + 1 = 26",
        "1-1/2 + 1/2 = 2",
        "5 - 7 = (2)",
    ],
)
def test_steps_of_two_readings_are_not_checked(text: str) -> None:
    assert not wrong_equations(text)


@pytest.mark.parametrize(
    ("gold", "right"),
    [
        ("9{,}500", True),
        ("9.500,00", True),
        ("Some steps: 19 * 500 = 9500\n#### 9,500", True),
        (r"\boxed{9500}", True),
        ("3-5", None),
        ("5 feet 6 inches", None),
        ("9", False),
    ],
)
def test_a_gold_answer_that_cannot_be_read_makes_nothing_right_or_wrong(
    gold: str, right: bool | None
) -> None:
    kind = RationaleKind(answer="number")
    found = kind.parse("The answer is 9500.", {"question": "How many?", "gold": gold})
    assert isinstance(found, list)
    assert found[0]["right"] is right


def test_a_row_whose_gold_answer_cannot_be_read_does_not_agree_with_it() -> None:
    import pyarrow as pa

    rows: list[dict[str, Any]] = [
        {"right": True, "answer": "5", "gold": "5"},
        {"right": False, "answer": "5", "gold": "6"},
        {"right": None, "answer": "5", "gold": "3-5"},
        {"right": None, "answer": "5", "gold": None},
    ]
    reasons = AgreesWithGold().reject(pa.RecordBatch.from_pylist(rows), RationaleKind())
    assert reasons == [None, "'5', not '6'", "gold '3-5' cannot be compared", None]


@pytest.mark.parametrize(
    "text",
    ["1 / 3 = 33%", "2/3 = 67%", "1/8 = 12.5%", "50¢ + 50¢ = $1", "3 ft + 12 in = 4 ft",
    "11 + 3 = 2 pm", r"3\times4=12", r"15\div5=3"],
)  # fmt: skip
def test_rounded_percents_units_of_one_dimension_and_clocks_are_not_called_wrong(text: str) -> None:
    assert not wrong_equations(text)


@pytest.mark.parametrize("text", ["1 / 4 = 26%", "1/3 = 35%", r"3\times4=13", "50 + 50 = 101%"])
def test_wrong_equations_in_these_forms_are_called_wrong(text: str) -> None:
    assert wrong_equations(text)
