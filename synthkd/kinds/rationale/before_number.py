"""Text before a number: where its expression begins, and whether it is a piece of more.

Part of a number is never the number: the expression must begin where it seems to, and no second
number may be part of it.
"""

from __future__ import annotations

from fractions import Fraction

from synthkd.kinds.rationale.context_words import (
    BEFORE,
    COMPARING,
    FUNCTION_WORDS,
    JOINING_SIGNS,
    JOINS,
    LEADS,
    MONTHS,
)
from synthkd.kinds.rationale.tokens import Token
from synthkd.text.normal_forms import word_set
from synthkd.text.number_words import (
    FOREIGN_MAGNITUDES,
    is_spelled,
    part_of,
    read_spelled,
    spelled_words,
)

#: Words before `of` that make the number behind it another number: the square root of 16.
_OF = BEFORE | word_set(
    "short shy square cube sum product difference ratio quotient multiple power fifth tenth out"
    " minimum maximum"
)
#: Characters that the word of a logarithm may end in.
_BASE = "0123456789₀₁₂₃₄₅₆₇₈₉_"
#: Words before a number that is part of a name: day 2.
_NAMES = word_set(
    "day step week page chapter question problem case part option room figure table line item"
)


def begin_of(text: str, parts: list[Token], numeral: int) -> int:
    """Return where the expression of a numeral begins: at its sign, currency, root or brackets."""
    start = numeral
    while start:
        before = parts[start - 1]
        sign = before.kind == "op" and before.text == "-" and is_sign(text, parts, start - 1)
        if (
            sign
            or before.kind in ("currency", "open")
            or (before.kind == "op" and before.text == "√")
        ):
            start -= 1
        else:
            break
    return start


def is_sign(text: str, parts: list[Token], place: int) -> bool:
    """Return True if a minus is the sign of the number after it rather than a subtraction."""
    if place == 0:
        return True
    minus, before = parts[place], parts[place - 1]
    if before.kind in ("open", "equals", "currency") or before.text in (
        ":",
        "[",
        "{",
        "≈",
        "~",
        '"',
    ):
        return True
    if before.kind == "word" and before.text.casefold() in LEADS and before.end < minus.start:
        return True
    touches = minus.end == parts[place + 1].start
    return touches and before.kind in ("word", "end") and before.end < minus.start


def begins_whole(parts: list[Token], start: int, read: Fraction) -> bool:
    """Return False if text before an expression makes it a piece of more."""
    place = start - 1
    while place >= 0 and (
        parts[place].kind in ("open", "currency") or parts[place].text in ("the", "a", '"', "'")
    ):
        place -= 1
    if place < 0:
        return True
    token, before = parts[place], parts[place - 1] if place else None
    touches = token.end == parts[place + 1].start
    if token.kind == "op":
        if token.text == "+":
            return before is None or (
                touches
                and before.kind in ("word", "end", "equals", "currency", "open")
                and before.text != "or"
            )
        return False
    if token.kind in ("number", "bad", "percent", "degree") or token.text in "∛∜∑∏∫":
        return False
    if token.text == "=" and before is not None and before.text in ("√", "<", ">", "!", "≤", "≥"):
        # "<= 5"
        return False
    if token.kind == "equals":
        return not any(left.text in ("√", "^") for left in parts[:place])
    if token.kind == "close":
        return before is not None and before.kind == "word"
    if token.kind == "word":
        return _begins_after(parts, place, read)
    if token.text in COMPARING:
        # "=> 5" and "-> 5" are arrows.
        return token.text == ">" and before is not None and before.text in ("-", "=")
    if token.text in ("—", "―"):
        return place > 0
    if (
        token.text == "."
        and before is not None
        and before.kind == "word"
        and before.end == token.start
    ):
        # "v2.0", "Jan. 5"
        return not ((touches and before.text[-1].isdigit()) or before.text in MONTHS)
    return not (touches and token.text in ("|", "_", "^", "\\", "!"))


def _begins_after(parts: list[Token], place: int, read: Fraction) -> bool:
    token = parts[place]
    low = token.text.casefold()
    before = parts[place - 1].text.casefold() if place else ""
    if token.text in MONTHS or low in FOREIGN_MAGNITUDES or low.endswith("n't"):
        return False
    if low == "of":
        while place and parts[place - 1].kind == "word" and before in ("the", "a"):
            place -= 1
            before = parts[place - 1].text.casefold() if place else ""
        return not (before in _OF or is_spelled(before) or part_of(before))
    if low == "as":
        return before not in ("many", "much")
    if low in ("less", "away"):
        # "10 less 3", "10 take away 3"
        return parts[place - (1 if low == "less" else 2)].kind != "number" or place < 2 - (
            low == "less"
        )
    if low == "by":
        return before not in ("divided", "multiplied")
    if low == "to":
        earlier = parts[place - 2].text.casefold() if place > 1 else ""
        return (
            before != "up"
            and not is_spelled(before)
            and not part_of(before)
            and earlier not in ("or", "than")
        )
    if any(character.isdigit() for character in low) and not low.startswith("log"):
        # "Q3 2024"
        return False
    if is_spelled(low):
        return _says(parts, place) == read
    if (
        place
        and parts[place - 1].kind == "word"
        and is_spelled(before)
        and before != "one"
        and low not in FUNCTION_WORDS
    ):
        # "five feet 6"
        return False
    return low.rstrip(_BASE) not in BEFORE


def _says(parts: list[Token], place: int) -> Fraction | None:
    """Read the number in words up to a place: `five (5)`."""
    start = place
    while (
        start and parts[start - 1].kind == "word" and is_spelled(parts[start - 1].text.casefold())
    ):
        start -= 1
    return read_spelled(spelled_words([token.text for token in parts[start : place + 1]]))


def is_apart(parts: list[Token], start: int) -> bool:
    """Return False if a number before an expression makes both one thing, or a list."""
    gap: list[str] = []
    words = True
    for token in reversed(parts[:start]):
        if token.kind in ("number", "bad"):
            joined = JOINS.intersection(gap) or JOINING_SIGNS.intersection(gap)
            # "3 athletes ran 204 yards", but "5 feet 6 inches".
            return bool(
                "=" in gap
                or FUNCTION_WORDS.intersection(gap)
                or (len(gap) > 1 and not joined and words)
            )
        gap.append("=" if token.kind == "equals" else token.text.casefold())
        words = words and token.kind == "word"
    return True


def is_name(parts: list[Token], place: int) -> bool:
    """Return True if a number is part of a name: of a day, a step or a page."""
    return place > 0 and parts[place - 1].text.casefold() in _NAMES
