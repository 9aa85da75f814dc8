"""Numbers as answers: read from a piece of text, compared exactly, written in one way."""

from __future__ import annotations

from fractions import Fraction

from synthkd.kinds.answers.arithmetic import Unreadable, parse, value
from synthkd.kinds.answers.equations import equations, without_notes
from synthkd.kinds.answers.tokens import NUMBER_WORDS, Token, plain, tokens
from synthkd.kinds.base import Malformed

_JOINS = frozenset(["and", "or", "to", "through", "versus", "vs"])
#: Equals signs of an answer.
_LONGEST_CHAIN = 20
#: Words after which reasons come, and no more of the answer.
_REASONS = frozenset(["because", "since", "as", "so", "and", "if", "when"])
#: A decimal that is written out; beyond, the fraction is.
_MOST_PLACES = 12


def read_number(text: str) -> Fraction | Malformed:
    """The number that a piece of text gives: `$1,200`, `20 shirts`, `3/4`, `(10 - 6)`, `12 - 5 = 7`, `seven`."""
    text = without_notes(plain(text))
    for _ in range(_LONGEST_CHAIN):
        read = _read(text)
        if not isinstance(read, str):
            return read
        text = read
    return _not_a_number(text)


def _read(text: str) -> Fraction | Malformed | str:
    """The number, or the text behind an equals sign in which it is."""
    found = tokens(text)
    start = _begin(found)
    if start is None:
        return _in_words(found, text)
    try:
        tree, after = parse(found, start)
    except Unreadable:
        return _not_a_number(text)
    if (behind := _equals(found, after)) is not None:
        return text[behind:]
    read = value(tree, percent_as_part=False)
    if read is None or _part_of_more(found, start, after):
        return _not_a_number(text)
    other = _another(found, after)
    if other is not None and other != read:
        return Malformed("ambiguous", f"{write_number(read)} and {write_number(other)}")
    return read


def _equals(found: list[Token], after: int) -> int | None:
    """The place behind an equals sign that follows a number and its unit: what comes then is the answer."""
    for token in found[after:]:
        if token.kind == "end" or token.text.casefold() in _REASONS:
            return None
        if token.kind == "equals":
            return token.end
    return None


def _not_a_number(text: str) -> Malformed:
    return Malformed("not_a_number", " ".join(text.split())[:80])


def _begin(found: list[Token]) -> int | None:
    """The first token that an expression may begin with."""
    for place, token in enumerate(found):
        if token.kind == "number" or (token.kind == "open" and _holds_number(found, place)):
            sign = place and found[place - 1].kind == "op" and found[place - 1].text == "-"
            if place and found[place - 1].kind == "currency":
                sign = place > 1 and found[place - 2].kind == "op" and found[place - 2].text == "-"
                return place - 1 - bool(sign and _is_sign(found, place - 2))
            return place - 1 if sign and _is_sign(found, place - 1) else place
    return None


def _is_sign(found: list[Token], place: int) -> bool:
    """A minus that touches what follows, with no operand before it."""
    touches = found[place].end == found[place + 1].start
    operand = place > 0 and found[place - 1].kind in ("number", "close", "word")
    return (
        touches
        and not (operand and found[place - 1].end == found[place].start)
        and not (place > 0 and found[place - 1].kind in ("number", "close"))
    )


def _holds_number(found: list[Token], place: int) -> bool:
    """Whether a bracket opens an expression, and not a remark."""
    inside = found[place + 1 : place + 4]
    return any(token.kind == "number" for token in inside) or any(
        token.kind == "op" for token in found[place + 1 : place + 6]
    )


def _part_of_more(found: list[Token], start: int, after: int) -> bool:
    """`some - 8`, `3:2`, `2x`: what was read is a piece of something else."""
    if (
        start
        and found[start - 1].kind == "op"
        and (start < 2 or found[start - 2].kind in ("word", "close", "open"))
    ):
        return True
    if after + 1 < len(found) and found[after].text in (":", "/") and found[after + 1].kind == "number":
        return found[after].end == found[after + 1].start
    return False


def _another(found: list[Token], after: int) -> Fraction | None:
    """A second number that is named with the first: `71 tomatoes and 12 potatoes`."""
    joined = False
    for token in found[after : after + 6]:
        if token.kind == "word" and token.text.casefold() in _JOINS:
            joined = True
        elif token.kind == "number":
            return token.value if joined else None
        elif token.kind == "end" or (joined and token.kind not in ("currency", "open")):
            return None
    return None


def _in_words(found: list[Token], text: str) -> Fraction | Malformed:
    said = {NUMBER_WORDS[token.text.casefold()] for token in found if token.text.casefold() in NUMBER_WORDS}
    if len(said) == 1:
        return said.pop()
    return Malformed("ambiguous", f"{len(said)} number words") if said else _not_a_number(text)


def last_number(text: str) -> Fraction | None:
    """What the last equation of a text comes to, or the last number in it, whichever comes later."""
    text = without_notes(plain(text))
    found = [token for token in tokens(text) if token.kind == "number"]
    sums = [equation for equation in equations(text) if equation.right is not None]
    if sums and (not found or sums[-1].end >= found[-1].start):
        return sums[-1].right
    if not found:
        return None
    token = found[-1]
    before = text[max(0, token.start - 3) : token.start].rstrip("$ ")
    negative = before.endswith("-") and not before[:-1].rstrip().endswith(tuple("0123456789)"))
    return -token.value if negative and before[:-1][-1:] in ("", " ", "=", "(") else token.value


def write_number(number: Fraction) -> str:
    """`7`, `2.5`, `1/3`: exact, and read back as the same number."""
    if number.denominator == 1:
        return str(number.numerator)
    scale = 10**_MOST_PLACES
    if (number * scale).denominator == 1:
        digits = f"{abs(number.numerator) * scale // number.denominator:0{_MOST_PLACES + 1}d}"
        sign = "-" if number < 0 else ""
        return f"{sign}{digits[:-_MOST_PLACES]}.{digits[-_MOST_PLACES:].rstrip('0')}"
    return f"{number.numerator}/{number.denominator}"


def exact(text: str) -> Fraction | None:
    """A number that is all of a text (`1,200`, `$5`, `20%`, `3/4`, `84.0`, `1e3`); None for anything else."""
    text = plain(text).strip().rstrip(".").strip()
    found = tokens(text)
    if not any(token.kind == "number" for token in found):
        return NUMBER_WORDS.get(text.casefold())
    try:
        tree, after = parse(found, 0, units=False)
    except Unreadable:
        return None
    return value(tree, percent_as_part=False) if after == len(found) else None
