"""Numbers in answers: read as a whole in every common form, or malformed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkd.filters.rationales import AgreesWithGold
from synthkd.kinds.base import Malformed
from synthkd.kinds.rationale.equations import equations, wrong_equations
from synthkd.kinds.rationale.kind import RationaleKind
from synthkd.kinds.rationale.number_answers import (
    last_number,
    read_exact_number,
    read_number,
    write_number,
)

#: How digits are put in threes.
THREES = ["", ",", ".", "'", "’", "_", "\u00a0", "\u2009", "\u202f", " ", "{,}", r"\,", ",\\!"]
OTHER_DIGITS = ["0123456789", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "０１２３４５６７８９"]
SIGNS = {
    "": 1,
    "+": 1,
    "-": -1,
    "−": -1,
    "‑": -1,
    "－": -1,
    "- ": -1,
    "minus ": -1,
    "negative ": -1,
}
EXPONENTS = ["e{}", "E{}", "×10^{}", " x 10^{}", r" \times 10^{{{}}}", "*10**{}"]
PREFIXES = ["", "$", "€", "US$", "about ", "~", "≈ ", "x = ", "exactly ", "\\$"]
#: What may stand behind a number, and what it multiplies the number by.
SUFFIXES = {
    "": 1,
    ".": 1,
    "%": 1,
    " percent": 1,
    " km": 1,
    "km": 1,
    " km/h": 1,
    " m²": 1,
    " cm^3": 1,
    "°C": 1,
    " dollars": 1,
    " €": 1,
    "¢": 1,
    " apples for 3 children": 1,
    ", since 7 is odd": 1,
    " because 3 - 2 = 1": 1,
    " ✅": 1,
    " thousand": 1000,
    "k": 1000,
    " million": 10**6,
    " billion people": 10**9,
    " dozen eggs": 12,
    " lakh": 10**5,
    " crore rupees": 10**7,
}
#: What makes a number the part of something else.
MORE_BEFORE = [
    "at least ",
    "more than ",
    "> ",
    "≤",
    "± ",
    "±",
    "half of ",
    "twice ",
    "not ",
    "between 1 and ",
    "up to ",
    "7 or ",
]
MORE_BEHIND = [
    "-7",
    "–7",
    " - 7",
    " to 7",
    " or 7",
    " and 7",
    ", 7 and 8",
    ":30",
    " : 7",
    " feet 6 inches",
    " hours and 30 minutes",
    "'6\"",
    " in 70",
    " out of 90",
    "/5/2024",
    "-05-01",
    " ± 1",
    "+",
    "π",
    r"\pi",
    "x",
    "i",
    "!",
    "‰",
    " squared",
    " or more",
    "₂",
    "...9",
    " May",
    " млн",
    " and two",
    "^x",
    "h30",
]
DECORATIONS = [
    "{}",
    "**{}**",
    "*{}*",
    "`{}`",
    r"\boxed{{{}}}",
    "${}$",
    r"\({}\)",
    "“{}”",
    "[{}]",
    " {} ",
]


@dataclass(frozen=True)
class Form:
    text: str
    value: Fraction


def grouped(digits: str, mark: str) -> str:
    head = len(digits) % 3 or 3
    return mark.join([digits[:head], *(digits[i : i + 3] for i in range(head, len(digits), 3))])


@st.composite
def numerals(draw: st.DrawFn) -> Form:
    """Draw digits with groups and decimals, in one of the common writings."""
    whole = draw(st.integers(0, 999) | st.integers(1000, 10**9))
    mark, digits = draw(st.sampled_from(THREES)), str(whole)
    places = draw(st.text("0123456789", max_size=4))
    written = grouped(digits, mark)
    if mark == "," and draw(st.booleans()) and len(digits) > 3:
        head, tail = digits[:-3], digits[-3:]
        written = ",".join(
            [*reversed([head[max(0, i - 2) : i] for i in range(len(head), 0, -2)]), tail]
        )
    if mark == ".":
        # One group alone would be decimals.
        places = places or ("5" if len(digits) < 7 else "")
        places = places if whole >= 1000 else places[:2]
        written += "," + places if places else ""
    elif places:
        written += "." + places
    script = draw(st.sampled_from(OTHER_DIGITS))
    return Form(
        written.translate(str.maketrans("0123456789", script)),
        Fraction(f"{digits}.{places}" if places else digits),
    )


@st.composite
def forms(draw: st.DrawFn) -> Form:
    """Draw a number as answers write it: sign, prefix, numeral, exponent, suffix, decoration."""
    numeral, sign, prefix = (
        draw(numerals()),
        draw(st.sampled_from([*SIGNS])),
        draw(st.sampled_from(PREFIXES)),
    )
    suffix, decoration = draw(st.sampled_from([*SUFFIXES])), draw(st.sampled_from(DECORATIONS))
    text, value = numeral.text, numeral.value
    if draw(st.integers(0, 3)) == 0:
        power = draw(st.integers(-5, 6))
        # A unit that touches "1e5" is malformed, and so is an exponent behind groups with blanks.
        exponent = draw(st.sampled_from(EXPONENTS[2 * (" " in text) :]))
        text, value = text + exponent.format(power), value * Fraction(10) ** power
        suffix = suffix if SUFFIXES[suffix] == 1 and not suffix[:1].isalpha() else ""
    text = sign + prefix + text if prefix.endswith("$") or prefix == "€" else prefix + sign + text
    return Form(decoration.format(text + suffix), SIGNS[sign] * value * SUFFIXES[suffix])


@pytest.mark.slow
@settings(max_examples=200)
@given(forms())
def test_a_number_is_read_as_a_whole_in_every_common_form(form: Form) -> None:
    read = read_number(form.text)
    assert read == form.value, read


@pytest.mark.slow
@settings(max_examples=150)
@given(numerals(), st.sampled_from(MORE_BEFORE + MORE_BEHIND), st.sampled_from(DECORATIONS))
def test_a_number_that_is_part_of_more_is_malformed(
    numeral: Form, more: str, decoration: str
) -> None:
    text = more + numeral.text if more in MORE_BEFORE else numeral.text + more
    assert isinstance(read_number(decoration.format(text)), Malformed)


@pytest.mark.slow
@settings(max_examples=100)
@given(forms())
def test_a_gold_answer_is_read_like_an_answer(form: Form) -> None:
    kind = RationaleKind(answer="number")
    row = {"question": "What is it?", "gold": form.text}
    for said, right in ((form.value, True), (form.value + 1, False)):
        found = kind.parse(f"It is so. The answer is {write_number(said)}.", row)
        assert isinstance(found, list)
        assert found[0]["right"] is right


@pytest.mark.slow
@settings(max_examples=100)
@given(
    numerals(),
    numerals(),
    st.sampled_from(["", "$", "€"]),
    st.sampled_from(["", " km", " euros", "%"]),
)
def test_right_sums_are_not_called_wrong_in_any_form(
    a: Form, b: Form, prefix: str, suffix: str
) -> None:
    total = write_number(a.value + b.value)
    written = f"{prefix}{a.text}{suffix} + {prefix}{b.text}{suffix} = {prefix}{total}{suffix}"
    assert not wrong_equations(f"So it is {written}."), written


@given(st.integers(0, 10**9))
def test_numbers_in_words_are_read_whole(number: int) -> None:
    assert read_number(f"It is {in_words(number)}") == number


def in_words(number: int) -> str:
    small = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ]
    tens = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
    for scale, name in (
        (10**9, "billion"),
        (10**6, "million"),
        (1000, "thousand"),
        (100, "hundred"),
    ):
        if number >= scale:
            rest = number % scale
            join = " and " if scale == 100 else " "
            return f"{in_words(number // scale)} {name}" + (join + in_words(rest) if rest else "")
    if number < 20:
        return small[number]
    return tens[number // 10 - 2] + (f"-{small[number % 10]}" if number % 10 else "")


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


@pytest.mark.slow
@settings(max_examples=60)
@given(
    numerals(),
    numerals(),
    st.sampled_from(
        [
            "{} less than {}",
            "{} apples fewer than {}",
            "{} cm taller than {} cm",
            "{} times as many as {}",
            "{} short of {}",
            "{} away from {}",
            "{} take away {}",
            "{} less {}",
            "{} divided by {}",
        ]
    ),
    st.sampled_from(["The answer is {}.", "So it is {}"]),
)
def test_a_number_beside_another_that_it_is_compared_with_is_malformed(
    a: Form, b: Form, form: str, sentence: str
) -> None:
    text = sentence.format(form.format(a.text, b.text))
    assert isinstance(
        RationaleKind(answer="number").parse(text, {"question": "How many?"}), Malformed
    ), text


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
    "text",
    ["1 / 3 = 33%", "2/3 = 67%", "1/8 = 12.5%", "50¢ + 50¢ = $1", "3 ft + 12 in = 4 ft",
    "11 + 3 = 2 pm", r"3\times4=12", r"15\div5=3"],
)  # fmt: skip
def test_rounded_percents_units_of_one_dimension_and_clocks_are_not_called_wrong(text: str) -> None:
    assert not wrong_equations(text)


@pytest.mark.parametrize("text", ["1 / 4 = 26%", "1/3 = 35%", r"3\times4=13", "50 + 50 = 101%"])
def test_wrong_equations_in_these_forms_are_called_wrong(text: str) -> None:
    assert wrong_equations(text)


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
