"""Property tests of numbers in answers, written in every common form."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkd.kinds.base import Malformed
from synthkd.kinds.rationale.equations import wrong_equations
from synthkd.kinds.rationale.kind import RationaleKind
from synthkd.kinds.rationale.number_answers import (
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
