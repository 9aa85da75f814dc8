"""Text behind a number, and whether it leaves the number what it is.

Part of a number is never the number: the expression must end where it seems to, and no second
number may be part of it.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from synthkd.kinds.rationale.arithmetic import parse
from synthkd.kinds.rationale.context_words import (
    BEHIND,
    BOUNDS,
    COMPARING,
    FUNCTION_WORDS,
    JOINING_SIGNS,
    JOINS,
    MONTHS,
    REASONS,
)
from synthkd.kinds.rationale.tokens import Token
from synthkd.kinds.rationale.trees import Number, Tree, UnreadableExpressionError, tree_value
from synthkd.text.normal_forms import word_set
from synthkd.text.number_words import (
    FOREIGN_MAGNITUDES,
    MAGNITUDES,
    is_spelled,
    part_of,
    read_spelled,
    spelled_words,
    take_spelled,
)

#: Tokens behind a number that are examined.
_LOOK_AHEAD = 16
#: Words between a number and the number it is compared with: 5 less than 10, 5 times as many as 3.
_COMPARED = re.compile(
    r"(?!not |rather |instead )(?:(?!is |are |was |were )[^\W\d_]+ ){0,2}"
    r"(?:(?:more|less|fewer|[^\W\d_]{3,}er) than|(?:many|much|[^\W\d_]+) as|(?:short|shy) of|away"
    r" from|take away)(?: (?:the|his|her|their))?"
)
#: Units whose abbreviation ends in a point before a smaller unit: 5 lbs. 3 oz.
_ABBREVIATED = word_set("ft yd yds mi lb lbs st hr hrs min mins gal qt pt yr yrs mo mos wk wks deg")
_UNIT_WITH_POWER = re.compile(r"[^\d]+|(?:[mcdk]?m|ft|in|yd|mi)[23]")


#: Reasons why a text gives no number.
AMBIGUOUS, NO_NUMBER = "ambiguous", "not_a_number"


def number_up_to(
    text: str, parts: list[Token], tree: Tree, read: Fraction, end: int
) -> Fraction | str:
    """Return the number that ends at a numeral.

    Args:
        text: The plain text of the answer.
        parts: Its tokens.
        tree: The expression that ends at the numeral.
        read: The value of the expression.
        end: Index of the numeral's token.

    Returns:
        The number; `AMBIGUOUS` or `NO_NUMBER` if the text behind it makes it a piece of more.
    """
    gap: list[str] = []
    named = False
    for place in range(end + 1, min(len(parts), end + 1 + _LOOK_AHEAD)):
        token, low = parts[place], parts[place].text.casefold()
        behind = parts[place + 1] if place + 1 < len(parts) else None
        near = behind is not None and behind.start == token.end
        touches = parts[place - 1].end == token.start
        if token.kind in ("close", "currency", "percent", "degree"):
            continue
        if token.kind == "bad":
            return NO_NUMBER
        if token.kind == "number":
            if parts[place - 1].text == "^":
                continue
            return _with_second(parts, place, read, gap)
        if token.kind == "word":
            if low in REASONS and not (low == "as" and "times" in gap):
                return read
            if not gap and low in MAGNITUDES:
                continue
            if not _may_follow(parts, place, touches, gap):
                return NO_NUMBER
            if (is_spelled(low) and low != "one") or (
                part_of(low) and gap[-1:] in ([], ["a"], ["one"])
            ):
                return _with_spelled(parts, place, tree, read, gap)
            gap.append(low)
            named = True
        elif token.kind == "open":
            return _with_remark(parts, place, read, gap)
        elif (
            token.kind == "op"
            and text[token.start : token.end].casefold() == "times"
            and (behind is None or behind.kind not in ("number", "open", "currency"))
        ):
            gap.append("times")
            named = True
        elif token.kind == "op":
            if not _may_operate(token, behind, touches, near, named):
                return NO_NUMBER
            if token.text != "^":
                gap.append(token.text)
        elif token.text in COMPARING or (token.text in ("_", "\\") and touches and not named):
            return NO_NUMBER
        elif token.text == "!" and (
            (touches and not named) or (behind is not None and behind.text == "=")
        ):
            return NO_NUMBER if behind is None or near else read
        elif (
            token.text in (".", "…")
            and touches
            and not named
            and _goes_on(parts[place - 1], token, behind, near)
        ):
            return NO_NUMBER
        elif token.text in (".", "\n", "?", "!"):
            abbreviated = token.text == "." and gap[-1:] and gap[-1] in _ABBREVIATED
            if abbreviated and behind is not None and behind.kind == "number":
                return NO_NUMBER
            if (
                not near
                or behind is None
                or not (behind.kind in ("number", "bad") or behind.text == ".")
            ):
                break
            gap.append(token.text)
        elif unicodedata.category(token.text[0]) == "Mn" and touches and not named:
            # A line above repeating digits.
            return NO_NUMBER
        else:
            gap.append(token.text)
    return NO_NUMBER if gap and gap[-1] in JOINS else read


def _goes_on(number: Token, point: Token, behind: Token | None, near: bool) -> bool:
    r"""Return True if repeating digits follow a point: `0.333...`, `0.(3)`, `1.\overline{3}`."""
    if point.text == "…":
        return number.places > 0
    if behind is None or not near:
        return False
    return (
        behind.kind == "open" or behind.text == "\\" or (behind.text == "." and number.places > 0)
    )


def _with_remark(parts: list[Token], place: int, read: Fraction, gap: list[str]) -> Fraction | str:
    """Read a bracket after a number: remark, second result (`or 6`) or scale (`in thousands`)."""
    inside = [token.text.casefold() for token in parts[place + 1 : place + 5]]
    if (gap and gap[-1] in JOINS) or inside[:1] == ["or"]:
        return AMBIGUOUS
    if any(word in MAGNITUDES for word in inside):
        words = spelled_words(inside)
        return read if read_spelled(words[: take_spelled(words, 0)]) == read else NO_NUMBER
    return NO_NUMBER if inside and inside[0] in COMPARING else read


def _may_follow(parts: list[Token], place: int, touches: bool, gap: list[str]) -> bool:
    """Return True if a word behind a number leaves the number unchanged."""
    token, number = parts[place], parts[place - 1]
    low = token.text.casefold()
    if low in BEHIND or low in FOREIGN_MAGNITUDES or (low in ("am", "pm") and number.places == 2):
        return False
    if token.text in MONTHS and all(word in ("st", "nd", "rd", "th", "of", "the") for word in gap):
        return False
    if gap[-1:] == ["or"] and low in BOUNDS:
        return False
    if gap[-1:] == ["at"] and low in ("most", "least"):
        return False
    if gap:
        return True
    if not touches:
        return low != "k"
    if number.kind == "number" and low == "s" and number.text.isdigit():
        # "1990s"
        return not (len(number.text) > 2 and number.text.endswith("0"))
    if token.text == "m":
        # Metres, or millions.
        return place > 1 and parts[place - 2].kind == "currency"
    return bool(_UNIT_WITH_POWER.fullmatch(low))


def _may_operate(
    token: Token, behind: Token | None, touches: bool, near: bool, named: bool
) -> bool:
    """Return True if an operator joins words or is a dash: `t - shirts`, `5/hour`, `5 - so`."""
    if token.text == "^":
        return named
    if behind is None or behind.kind != "word" or token.text in ("+", "√"):
        return False
    if any(
        is_spelled(word) or part_of(word) or word == "and"
        for word in behind.text.casefold().split("-")
    ):
        # "5-million", "5-and-a-half"
        return False
    if token.text == "*":
        return named
    return token.text == "/" or named or touches == near


def _with_second(parts: list[Token], place: int, read: Fraction, gap: list[str]) -> Fraction | str:
    """Combine a number with a second number, by the words between them."""
    second = parts[place].value
    if gap == ["and"] and read.denominator == 1:
        try:
            part = tree_value(parse(parts, place)[0])
        except UnreadableExpressionError:
            part = None
        if part is not None and 0 < part < 1:
            return read + part if read >= 0 else read - part
    if _is_compared(gap):
        return AMBIGUOUS
    if gap == ["≈"]:
        return read if abs(second - read) * 10 ** parts[place].places < 1 else NO_NUMBER
    if gap[:1] in (["in"], ["out"]) and set(gap) <= FUNCTION_WORDS:
        return AMBIGUOUS
    if len(gap) == 1 and gap[0] in FUNCTION_WORDS and gap[0] not in ("not", "rather", "instead"):
        # "3 over 4", "5 per 100"
        return AMBIGUOUS
    if gap[-1:] == ["by"]:
        return AMBIGUOUS
    last = gap[-1] if gap else ""
    if last in JOINS or last in JOINING_SIGNS:
        return read if second == read else AMBIGUOUS
    if FUNCTION_WORDS.intersection(gap):
        return read
    if JOINS.intersection(gap) or JOINING_SIGNS.intersection(gap):
        return read if second == read else AMBIGUOUS
    return NO_NUMBER


def _is_compared(gap: list[str]) -> bool:
    """Return True if the gap compares two numbers: `5 less than`, `5 times as many as`."""
    return _COMPARED.fullmatch(" ".join(gap)) is not None


def _with_spelled(
    parts: list[Token], place: int, tree: Tree, read: Fraction, gap: list[str]
) -> Fraction | str:
    """Combine digits with number words: `5 and a half` is one number, `5 and two` are two."""
    if gap[-1:] == ["a"]:
        place, gap = place - 1, gap[:-1]
    words = spelled_words([token.text for token in parts[place:] if token.kind == "word"])
    spelled = read_spelled(words[: take_spelled(words, 0)])
    plain = isinstance(tree, Number) and tree.certain and read.denominator == 1
    if (
        gap[-1:] == ["and"]
        and not FUNCTION_WORDS.intersection(gap)
        and plain
        and spelled is not None
        and 0 < spelled < 1
    ):
        return read + spelled if read >= 0 else read - spelled
    if gap[-1:] == ["in"] and words[:1] and words[0] in MAGNITUDES:
        return NO_NUMBER
    if gap and gap[-1] not in JOINS and FUNCTION_WORDS.intersection(gap):
        return read
    return AMBIGUOUS if gap else NO_NUMBER
