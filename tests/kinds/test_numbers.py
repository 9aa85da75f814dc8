"""Tests of single numbers in answers: read as a whole, or malformed."""

from __future__ import annotations

from fractions import Fraction

import pytest

from synthkd.kinds.base import Malformed
from synthkd.kinds.rationale.kind import RationaleKind
from synthkd.kinds.rationale.number_answers import (
    last_number,
    read_exact_number,
    read_number,
    write_number,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.234", "1.234"),
        ("3,5 kg", "3.5"),
        ("12,34,567", "1234567"),
        ("2²", "4"),
        ("10⁻²", "0.01"),
        ("2^{10}", "1024"),
        ("√16", "4"),
        (r"\sqrt{16}", "4"),
        (r"$\frac{1}{2}$", "0.5"),
        (r"\dfrac34", "0.75"),
        ("3½", "3.5"),
        ("5 and a half", "5.5"),
        ("5 and 1/2 hours", "5.5"),
        ("- 1/2", "-0.5"),
        ("two thirds", "2/3"),
        ("half a million", "500000"),
        ("a dozen", "12"),
        ("3万", "30000"),
        ("$2.5m", "2500000"),
        ("five (5)", "5"),
        ("3rd", "3"),
        ("(10 - 6)", "4"),
        ("5! = 120", "120"),
        ("10/3 ≈ 3.33", "10/3"),
        ("1/3 of 60", "20"),
        ("20-minute", "20"),
        (r"3\frac{1}{2}", "3.5"),
        ("12 (a dozen)", "12"),
    ],
)
def test_single_forms_have_the_value_that_a_reader_gives_them(text: str, value: str) -> None:
    read = read_number(text)
    assert not isinstance(read, Malformed), read
    assert write_number(read) == value


@pytest.mark.parametrize(
    "text",
    [
        "[3, 4]",
        "(3, 4)",
        "1,2,3",
        "1.2.3",
        "0900",
        "1,2345",
        "($500)",
        "0x10",
        "1e500",
        "√2",
        "3√5",
        "2 pi",
        "3 + 4i",
        "1/0",
        "∞",
        "NaN",
        "5m",
        "5 k",
        "1990s",
        "1-1/2",
        "3x4",
        "42 of 50",
        "20% of 50",
        "5 May",
        "1.5.2024",
        "555-1234",
        "+1 555 123 4567",
        "five or six",
        "one of these",
        "five point two",
        "x = 5, y = 3",
        "x = 5 or x = 3",
        "5 feet = 60 inches",
        "5-million",
        "12°30'",
        "--5",
        "5 below zero",
        "square root of 16",
        "1/2 million",
        "<= 5",
        "5 != x",
        "3 over 4",
        "1 in every 4",
        "5 per 100",
        "5 lbs. 3 oz",
        "5 (or 6)",
        "5 (in thousands)",
        "[3,4]",
        "5C2",
        "a minimum of 5",
        "3·5",
        "√x = 3",
        "x + 3 = 5",
        "x^2 = 4",
        "∛27",
        "0.333...",
        "0.(3)",
        "2024/25",
        "Q3 2024",
        "quarter to 5",
        "5 vs",
    ],
)
def test_a_text_without_a_single_number_is_malformed(text: str) -> None:
    assert isinstance(read_number(text), Malformed)


def test_the_unit_that_a_question_asks_for_multiplies_nothing() -> None:
    assert read_number("5 dozen eggs", "How many dozen eggs are there?") == 5
    assert read_number("5 dozen eggs", "How many eggs are there?") == 60
    assert read_number("14 quarters", "How many quarters has she?") == 14
    assert isinstance(read_number("14 quarters", "How many coins has she?"), Malformed)
    assert read_number("3 million", "How much is it, in millions of dollars?") == 3
    assert read_number("two thirds", "Tom is in third grade. What part is left?") == Fraction(2, 3)
    assert last_number("It is 24 / 12 = 2 dozen", "How many dozens is it?") == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("It costs 1.2 million", 1200000),
        ("He has 3 apples. She has 7 left", 7),
        ("It is 50 / 200 = 25%", 25),
        ("There are 141 * 2 flowers in all", 282),
        ("They sold 72 in April and May", 72),
    ],
)
def test_a_last_number_is_read_whole(text: str, value: int) -> None:
    assert last_number(text) == value


@pytest.mark.parametrize(
    "text",
    ["It is 5 feet 6 inches", "from 3 to 5", "on 2024-05-01", "at 3:30", "3, 4 and 5", "0730"],
)
def test_the_end_of_a_longer_expression_is_not_a_last_number(text: str) -> None:
    assert isinstance(last_number(text), Malformed)


@pytest.mark.parametrize(
    "text", ["3-5", "2024-05-01", "3:4", "1/2/2024", "5 apples", "some", "3 or 4"]
)
def test_an_exact_number_is_all_of_a_text(text: str) -> None:
    assert read_exact_number(text) is None


@pytest.mark.parametrize("text", ["5 lbs. 3 oz", "1. 5 apples 2. 3 pears", "3 vs. 4"])
def test_a_point_does_not_cut_an_answer_in_the_middle(text: str) -> None:
    found = RationaleKind(answer="number").parse(
        f"The answer is {text}.", {"question": "How many?"}
    )
    assert isinstance(found, Malformed)


def test_a_minus_behind_a_list_mark_is_a_sign() -> None:
    kind, row = RationaleKind(answer="number"), {"question": "How many?"}
    for text, answer in (("Answer: - 5", "-5"), ("Answer:\n- 5", "5"), ("Answer:\n- -5", "-5")):
        found = kind.parse(text, row)
        assert isinstance(found, list)
        assert found[0]["answer"] == answer


@pytest.mark.parametrize(
    "text",
    ["V2.0", "build3.1", "COVID-19", "in her mid-30s", "one of four", "one of the seven",
    "twenty first", "sixty third", "7.30 pm", "Jan. 5"],
)  # fmt: skip
def test_digits_of_a_name_a_time_or_a_place_are_not_a_number(text: str) -> None:
    assert isinstance(read_number(text), Malformed)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (r"1.5\times10^{-3}", Fraction(3, 2000)), (r"2\times10^4", 20000), ("12, more than 10", 12),
        ("12 rather than 10", 12),
        ("5 times as many as last year", 5), ("two thirds", Fraction(2, 3)), ("a loss of -5", -5),
        ("7 pm", 7),
    ],
)  # fmt: skip
def test_numbers_near_such_words_are_read(text: str, number: Fraction) -> None:
    assert read_number(text) == number


def test_two_boxes_in_one_sentence_are_ambiguous() -> None:
    kind = RationaleKind(answer="number")
    assert isinstance(
        kind.parse(r"It is \boxed{5} or \boxed{6}.", {"question": "How many?"}), Malformed
    )
    assert not isinstance(
        kind.parse(r"5 or 6. Again: the answer is \boxed{6}.", {"question": "How many?"}), Malformed
    )


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is 5. Wait, that leaves one out. The answer is 6.", "6"),
        ("The answer is 5. Let me recheck: 2 + 3 = 5. So the answer is 5.", "5"),
        ("The answer is 5. Sorry, that is wrong.", None),
        ("The answer is 5. Question: how many are left? The answer is 7.", "5"),
    ],
)
def test_an_answer_that_is_taken_back_gives_way_to_the_next(text: str, answer: str | None) -> None:
    found = RationaleKind(answer="number").parse(text, {"question": "How many?"})
    assert (None if isinstance(found, Malformed) else found[0]["answer"]) == answer
