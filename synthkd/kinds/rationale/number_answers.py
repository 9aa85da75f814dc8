r"""Read numbers as answers: as a whole, compared exactly, written in one way.

Part of a number is never the number: a piece of text gives one number, or it is malformed.

Signed numbers: `5`, `+5`, `-5`, `- 5`, `−5`, `minus five`, `negative 5`.

Thousands in every common writing, and digits of other scripts: the numerals of `numerals.py`,
`1 200`, `9{,}500`, `９`, `٣`, `३`.

Fractions: `3/4`, `1 1/2`, `½`, `3½`, `\frac{3}{4}`, `5 and a half`, `two thirds`.

Exact values: `1e5`, `1.2 × 10^5`, `10⁵`, `10**5`, `2^{10}`, `√16`, `\sqrt{16}`. Malformed: `√2`,
`3√5`, `2π`, `5!`, `3i`, `2x`.

Multiplied, unless the question asks for that unit (`How many dozen …?`): `3 million`, `$2.5m`,
`3k`, `2 dozen`, `half a million`, `5 lakh`, `3万`. Malformed: `5m`, `5M`.

Words, if there are no digits or the same ones: `twenty-three`, `two hundred and five`, `five (5)`.

Without sign, unit or ending: `25%`, `25 percent`, `12°C`, `5 km/h`, `42 m^2`, `5km`, `3 pm`, `3rd`.
Malformed: `5‰`.

The amount in the unit that is written: `$5`, `5 €`, `US$5`, `5 dollars`, `50 cents`, `50¢`.

The value that the writer settles on: `~5`, `≈ 5`, `about 5` are 5.

The result of an equation or a bracket: `x = 5`, `12 - 5 = 7`, `(10 - 6)`.

Malformed, as no single number:

- `> 5`, `at least 5`, `5 or more`, `± 5`, `5+`, `half of 60`, `not 5`
- `3-5`, `3 to 5`, `between 3 and 5`, `3, 4 and 5`, `[3, 4]`, `3:4`, `1 in 4`, `42 of 50`
- `5 feet 6 inches`, `5'6"`, `3:30`, `2024-05-01`, `May 5`, `1.2.3`, `555-1234`, `($5)`
- `0x10`, `101₂`
"""

from __future__ import annotations

import re
from fractions import Fraction

from synthkd.kinds.base import Malformed
from synthkd.kinds.rationale.after_number import NO_NUMBER, number_up_to
from synthkd.kinds.rationale.arithmetic import parse
from synthkd.kinds.rationale.before_number import begin_of, begins_whole, is_apart, is_name, is_sign
from synthkd.kinds.rationale.context_words import REASONS
from synthkd.kinds.rationale.equations import equations, without_notes
from synthkd.kinds.rationale.number_forms import (
    is_bracketed_money,
    is_pair,
    is_range,
    join_digit_groups,
)
from synthkd.kinds.rationale.number_in_words import read_number_in_words
from synthkd.kinds.rationale.tokens import Token, plain, tokens
from synthkd.kinds.rationale.trees import Number, UnreadableExpressionError, tree_value
from synthkd.text.number_words import MAGNITUDES, read_spelled, spelled_words, take_spelled

#: Equals signs of an answer that are followed.
_LONGEST_CHAIN = 20
#: Tokens before a last number that may belong to it.
_LOOK_BACK = 40
#: Decimals that are written out; a longer number is written as a fraction.
_MOST_PLACES = 12
_MARKUP, _BLANKS = " \t*_`\"'", " \t\u202f_`\"'"
_EMPHASIS = re.compile(r"(?<!\S)[*_]([^\s*_][^*_\n]*)[*_](?=[\s.,;:!?]|$)")
_SCALE = "|".join(sorted(MAGNITUDES, key=len, reverse=True))
_ASKED = re.compile(
    rf"\b(?:how\s+many|number\s+of)\s+(?:whole\s+|full\s+|more\s+)?({_SCALE}|quarters?|thirds?|halves|tenths?|hundredths?)\b"
    rf"|\bin\s+((?:{_SCALE})(?<=s)|million|billion|lakh|crore)\b",
    re.IGNORECASE,
)


def read_number(text: str, question: str = "") -> Fraction | Malformed:
    """Read the one number that a piece of text gives.

    Args:
        text: The text of an answer.
        question: The question; a unit in it (`How many dozen …?`) is not a factor of the answer.
    """
    text = _without_asked(
        _EMPHASIS.sub(r"\1", without_notes(plain(text.strip(_MARKUP))).strip(_BLANKS)), question
    )
    left: Fraction | None = None
    for _ in range(_LONGEST_CHAIN):
        read = _read(text, _signed(tokens(text), text))
        if isinstance(read, Malformed):
            return read
        if isinstance(read, Fraction):
            if left is not None and left != read:
                # "5 feet = 60 inches": two numbers, and neither is the result of a sum.
                return Malformed("ambiguous", f"{write_number(left)} and {write_number(read)}")
            return read
        behind, left = read
        text = text[behind:]
    return _not_a_number(text)


def _without_asked(text: str, question: str) -> str:
    """Replace the unit that a question asks for (`How many dozen …?`), so that it is no factor."""
    units = ("".join(words) for words in _ASKED.findall(question))
    for stem in {word.casefold().removesuffix("s") for word in units}:
        text = re.sub(rf"\b{stem}s?\b", "units", text, flags=re.IGNORECASE)
    return text


def _signed(parts: list[Token], text: str) -> list[Token]:
    """Read a minus at the beginning of an answer as a sign rather than as a list mark."""
    if parts and parts[0].kind == "end" and parts[0].text in ("-", "+"):
        parts[0] = parts[0]._replace(kind="op")
    return join_digit_groups(text, parts)


def _read(text: str, parts: list[Token]) -> Fraction | Malformed | tuple[int, Fraction | None]:
    """Read the number; or the place behind an equals sign and the number before that sign."""
    numerals = [place for place, token in enumerate(parts) if token.kind in ("number", "bad")]
    if not numerals:
        return _named(read_number_in_words(parts), text)
    first = numerals[0]
    try:
        tree, after = parse(parts, start := begin_of(text, parts, first))
    except UnreadableExpressionError:
        return _not_a_number(text)
    if (behind := _equals(parts, after)) is not None:
        if start and parts[start - 1].kind == "op":
            # "x + 3 = 5"
            return _not_a_number(text)
        alone = isinstance(tree, Number) and not tree.percent and not is_name(parts, first)
        alone = alone and parts[after].text != "!"
        return behind, tree_value(tree) if alone else None
    if is_name(parts, first) and len(numerals) > 1:
        return _not_a_number(text)
    return _around(text, parts, start, after)


def _around(text: str, parts: list[Token], start: int, after: int) -> Fraction | Malformed:
    """Return the value of an expression, unless the text around it makes it a piece of more."""
    tree, _ = parse(parts, start)
    read = tree_value(tree, percent_as_part=False)
    end = max(place for place in range(start, after) if parts[place].kind == "number")
    if (
        read is None
        or is_range(text, parts, tree, start, end)
        or is_bracketed_money(parts[start:after])
        or is_pair(parts, start, end)
        or not begins_whole(parts, start, read)
    ):
        return _not_a_number(text)
    return _named(number_up_to(text, parts, tree, read, end), text)


def _named(read: Fraction | str, text: str) -> Fraction | Malformed:
    return Malformed(read, " ".join(text.split())[:80]) if isinstance(read, str) else read


def _equals(parts: list[Token], after: int) -> int | None:
    """Return the place after the equals sign that follows a number and its unit, or None."""
    for token in parts[after:]:
        low = token.text.casefold()
        if (
            (token.kind == "end" and token.text != "!")
            or token.kind == "bad"
            or low in REASONS
            or low == "and"
        ):
            return None
        if token.kind == "equals":
            return token.end
    return None


def _not_a_number(text: str) -> Malformed:
    return Malformed(NO_NUMBER, " ".join(text.split())[:80])


def last_number(text: str, question: str = "") -> Fraction | Malformed | None:
    """Read the last equation's result or the last number, whichever comes later, or None."""
    text = _without_asked(without_notes(plain(text)), question)
    parts = tokens(text)
    last = next(
        (i for i in range(len(parts) - 1, -1, -1) if parts[i].kind in ("number", "bad")), None
    )
    if last is None:
        return None
    sums = [equation for equation in equations(text) if equation.stated is not None]
    if sums and sums[-1].end >= parts[last].start:
        return sums[-1].stated
    if parts[last].kind == "bad":
        return _not_a_number(parts[last].text)
    first, end = _sentence(parts, last)
    return _last_of(text, parts[first:end], parts[last])


def _sentence(parts: list[Token], last: int) -> tuple[int, int]:
    """Return the first token of a number's sentence and the token after its last."""
    ends = [place for place in range(len(parts)) if _ends_sentence(parts, place)]
    first = max((place + 1 for place in ends if place < last), default=0)
    return first, min((place for place in ends if place > last), default=len(parts))


def _ends_sentence(parts: list[Token], place: int) -> bool:
    token = parts[place]
    if token.kind != "end" or token.text not in (".", "!", "?", "\n", ";"):
        return False
    return token.text == "\n" or place + 1 == len(parts) or parts[place + 1].start > token.end


def _last_of(text: str, parts: list[Token], last: Token) -> Fraction | Malformed:
    parts = join_digit_groups(text, parts)
    place = next(i for i, token in enumerate(parts) if token.end == last.end)
    for start in range(max(0, place - _LOOK_BACK), place + 1):
        if parts[start].kind not in ("number", "currency", "open", "op"):
            continue
        if parts[start].text == "-" and not is_sign(text, parts, start):
            # "COVID-19"
            continue
        try:
            _, after = parse(parts, start)
        except UnreadableExpressionError:
            continue
        if after > place:
            if not is_apart(parts, start):
                return _not_a_number(last.text)
            return _around(text, parts, start, after)
    return _not_a_number(last.text)


def write_number(number: Fraction) -> str:
    """Write a number exactly, so that it is read back as the same number: `7`, `2.5`, `1/3`."""
    if number.denominator == 1:
        return str(number.numerator)
    scale = 10**_MOST_PLACES
    if (number * scale).denominator == 1:
        digits = f"{abs(number.numerator) * scale // number.denominator:0{_MOST_PLACES + 1}d}"
        sign = "-" if number < 0 else ""
        return f"{sign}{digits[:-_MOST_PLACES]}.{digits[-_MOST_PLACES:].rstrip('0')}"
    return f"{number.numerator}/{number.denominator}"


def read_exact_number(text: str) -> Fraction | None:
    """Read a text that is only a number (`1,200`, `$5`, `3/4`, `seven`); None for other texts."""
    text = plain(text).strip().rstrip(".").strip()
    parts = _signed(tokens(text), text)
    if not any(token.kind == "number" for token in parts):
        words = spelled_words([token.text for token in parts])
        return read_spelled(words) if words and take_spelled(words, 0) == len(words) else None
    try:
        tree, after = parse(parts, 0, units=False)
    except UnreadableExpressionError:
        return None
    if (
        after != len(parts)
        or is_range(text, parts, tree, 0, len(parts) - 1)
        or is_bracketed_money(parts)
    ):
        return None
    return tree_value(tree, percent_as_part=False)
