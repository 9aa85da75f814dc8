"""What stands around a number in an answer, and whether it leaves the number what it is.

Part of a number is never the number: the expression must begin and end where it seems to, and no second number may
stand beside it.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from synthkd.kinds.rationale.arithmetic import Number, Tree, Unreadable, numbers, parse, value
from synthkd.kinds.rationale.numerals import read_numeral
from synthkd.kinds.rationale.spelled import (
    FOREIGN_MAGNITUDES,
    MAGNITUDES,
    is_spelled,
    part_of,
    read_spelled,
    spelled_words,
    take_spelled,
    words_of,
)
from synthkd.kinds.rationale.tokens import Token

#: Tokens behind a number that are looked at.
_LOOK_AHEAD = 16
#: Words after which reasons come, and no more of the answer.
REASONS = words_of("because since as so if when where which that who")
_JOINS = words_of("and or to through thru until till versus vs")
#: Signs between two numbers that are both meant.
_JOINING_SIGNS = frozenset(",;&|-+~…/")
#: Words that stand between a number and another that is no part of it.
_FUNCTION = words_of(
    "for per in at after before of on from with within every each than then but not rather instead is are "
    "was were be been he she they it we i you his her their its our your left has have had gives give "
    "gave gets get costs cost makes make made needs need uses use takes take spent spends the all only "
    "more less fewer out into during about around over under off total by because since as so if when "
    "while where which who that"
)
#: Words before a number that make it another one, or a bound.
_BEFORE = words_of(
    "half twice thrice double triple quadruple third quarter between from least most than over under "
    "above below beyond exceeds exceeding not never no root squared cubed log ln sin cos tan exp sqrt "
    "factorial version v point per or until"
)
#: Words of which a number before `of` is no number: the square root of 16.
_OF = _BEFORE | words_of(
    "short shy square cube sum product difference ratio quotient multiple power fifth tenth out minimum maximum"
)
#: Words before a minus sign that stands apart from its number.
_LEADS = words_of("is was be are equals equal exactly about approximately to a so thus therefore answer get")
_ORDINALS = words_of("first second")
_PART_ORDINALS = words_of("third fourth fifth sixth seventh eighth ninth")
_TENS_WORDS = words_of("twenty thirty forty fifty sixty seventy eighty ninety")
_MONTHS = words_of(
    "January February March April May June July August September October November December Jan Feb Mar "
    "Apr Jun Jul Aug Sep Sept Oct Nov Dec"
)
#: Words behind a number that make it another one, or a bound.
_BEHIND = words_of(
    "squared cubed factorial divided multiplied modulo mod choose below negative tens grand point pi score gross"
)
_BOUNDS = words_of("more less fewer greater higher lower above below under over up")
#: Words between a number and another that it is compared with: 5 less than 10, 5 short of 20, 5 times as many as 3.
_COMPARED = re.compile(
    r"(?!not |rather |instead )(?:(?!is |are |was |were )[^\W\d_]+ ){0,2}"
    r"(?:(?:more|less|fewer|[^\W\d_]{3,}er) than|(?:many|much|[^\W\d_]+) as|(?:short|shy) of|away from|take away)(?: (?:the|his|her|their))?"
)
#: What a logarithm's word may end in.
_BASE = "0123456789₀₁₂₃₄₅₆₇₈₉_"
#: Units whose abbreviation ends in a point, with smaller ones behind: 5 lbs. 3 oz.
_ABBREVIATED = words_of("ft yd yds mi lb lbs st hr hrs min mins gal qt pt yr yrs mo mos wk wks deg")
_COMPARING = frozenset("<>≤≥≦≧≠±∓≪≫‰‱")
#: Words before a number that is a name: day 2.
_NAMES = words_of("day step week page chapter question problem case part option room figure table line item")
_GROUP, _GROUPS_BEGIN = (
    re.compile(r"[0-9]{3}(?:[.,][0-9]+)?"),
    re.compile(r"[1-9][0-9]{0,2}(?:\u202f[0-9]{3})*"),
)
_UNIT_WITH_POWER = re.compile(r"[^\d]+|(?:[mcdk]?m|ft|in|yd|mi)[23]")


def grouped(text: str, found: list[Token]) -> list[Token]:
    """Tokens with groups of digits between single blanks as one number: `1 200`."""
    made: list[Token] = []
    for token in found:
        before = made[-1] if made else None
        if (
            before is not None
            and token.kind in ("number", "bad")
            and text[before.end : token.start] == " "
            and _GROUP.fullmatch(token.text)
            and _GROUPS_BEGIN.fullmatch(before.text)
            and (read := read_numeral(f"{before.text}\u202f{token.text}"))
        ):
            made[-1] = Token(
                "number",
                f"{before.text}\u202f{token.text}",
                before.start,
                token.end,
                read.value,
                read.places,
                False,
            )
        else:
            made.append(token)
    return made


def begin_of(text: str, found: list[Token], numeral: int) -> int:
    """The place where the expression of a numeral begins: at its sign, currency, root or brackets."""
    start = numeral
    while start:
        before = found[start - 1]
        sign = before.kind == "op" and before.text == "-" and is_sign(text, found, start - 1)
        if sign or before.kind in ("currency", "open") or (before.kind == "op" and before.text == "√"):
            start -= 1
        else:
            break
    return start


def is_sign(text: str, found: list[Token], place: int) -> bool:
    """Whether a minus belongs to the number after it, and nothing is taken away."""
    if place == 0:
        return True
    minus, before = found[place], found[place - 1]
    if before.kind in ("open", "equals", "currency") or before.text in (":", "[", "{", "≈", "~", '"'):
        return True
    if before.kind == "word" and before.text.casefold() in _LEADS and before.end < minus.start:
        return True
    touches = minus.end == found[place + 1].start
    return touches and before.kind in ("word", "end") and before.end < minus.start


def begins(found: list[Token], start: int, read: Fraction) -> bool:
    """Whether nothing before an expression makes it a piece of more."""
    place = start - 1
    while place >= 0 and (
        found[place].kind in ("open", "currency") or found[place].text in ("the", "a", '"', "'")
    ):
        place -= 1
    if place < 0:
        return True
    token, before = found[place], found[place - 1] if place else None
    touches = token.end == found[place + 1].start
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
        return not any(left.text in ("√", "^") for left in found[:place])
    if token.kind == "close":
        return before is not None and before.kind == "word"
    if token.kind == "word":
        return _begins_after(found, place, read)
    if token.text in _COMPARING:
        # "=> 5" and "-> 5" are arrows.
        return token.text == ">" and before is not None and before.text in ("-", "=")
    if token.text in ("—", "―"):
        return place > 0
    if token.text == "." and before is not None and before.kind == "word" and before.end == token.start:
        # "v2.0", "Jan. 5"
        return not ((touches and before.text[-1].isdigit()) or before.text in _MONTHS)
    return not (touches and token.text in ("|", "_", "^", "\\", "!"))


def _begins_after(found: list[Token], place: int, read: Fraction) -> bool:
    token = found[place]
    low = token.text.casefold()
    before = found[place - 1].text.casefold() if place else ""
    if token.text in _MONTHS or low in FOREIGN_MAGNITUDES or low.endswith("n't"):
        return False
    if low == "of":
        while place and found[place - 1].kind == "word" and before in ("the", "a"):
            place -= 1
            before = found[place - 1].text.casefold() if place else ""
        return not (before in _OF or is_spelled(before) or part_of(before))
    if low == "as":
        return before not in ("many", "much")
    if low in ("less", "away"):
        # "10 less 3", "10 take away 3"
        return found[place - (1 if low == "less" else 2)].kind != "number" or place < 2 - (low == "less")
    if low == "by":
        return before not in ("divided", "multiplied")
    if low == "to":
        earlier = found[place - 2].text.casefold() if place > 1 else ""
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
        return _says(found, place) == read
    if (
        place
        and found[place - 1].kind == "word"
        and is_spelled(before)
        and before != "one"
        and low not in _FUNCTION
    ):
        # "five feet 6"
        return False
    return low.rstrip(_BASE) not in _BEFORE


def _says(found: list[Token], place: int) -> Fraction | None:
    """What the words up to a place say as a number: `five (5)`."""
    start = place
    while start and found[start - 1].kind == "word" and is_spelled(found[start - 1].text.casefold()):
        start -= 1
    return read_spelled(spelled_words([token.text for token in found[start : place + 1]]))


def is_apart(found: list[Token], start: int) -> bool:
    """Whether no other number stands so near before an expression that both are one thing, or a list."""
    gap: list[str] = []
    words = True
    for token in reversed(found[:start]):
        if token.kind in ("number", "bad"):
            joined = _JOINS.intersection(gap) or _JOINING_SIGNS.intersection(gap)
            # "3 athletes ran 204 yards", but "5 feet 6 inches".
            return bool("=" in gap or _FUNCTION.intersection(gap) or (len(gap) > 1 and not joined and words))
        gap.append("=" if token.kind == "equals" else token.text.casefold())
        words = words and token.kind == "word"
    return True


def is_name(found: list[Token], place: int) -> bool:
    """Whether a number is that of a day, a step or a page."""
    return place > 0 and found[place - 1].text.casefold() in _NAMES


def is_range(text: str, found: list[Token], tree: Tree, start: int, end: int) -> bool:
    """Whether a sum is none: `3-5`, `5/1/2024`, `3x4`, `42 of 50`, `20% of 50`."""
    if isinstance(tree, Number):
        return False
    if any(number.percent for number in numbers(tree)) or is_part_of_whole(tree):
        return True
    depth, slashes, minus, other = 0, 0, 0, 0
    for place in range(start, end):
        token = found[place]
        depth += (token.kind == "open") - (token.kind == "close")
        if token.kind != "op" or place == start:
            continue
        touches = found[place - 1].end == token.start and token.end == found[place + 1].start
        if token.text == "-" and found[place - 1].kind not in ("op", "open", "currency"):
            if touches and (depth == 0 or (value(tree) or 0) < 0):
                return True
            minus += depth == 0
        elif token.text == "/":
            slashes += touches and depth == 0
        elif (
            token.text == "*" and touches and not depth and found[min(place + 2, len(found) - 1)].text != "^"
        ):
            # "3x4" is a size, "3·5" may be a decimal.
            return True
        elif token.text == "*" and touches and text[token.start : token.end] in ("x", "X"):
            return True
        else:
            other += token.text != "^"
    if slashes and _is_year(tree):
        return True
    bare = all(unit == "dollar" for unit in next(numbers(tree)).units)
    return slashes > 1 or bool(minus and not other and bare and found[start].kind != "open")


def _is_year(tree: Tree) -> bool:
    """`2024/25`"""
    if isinstance(tree, Number) or not (isinstance(tree.left, Number) and isinstance(tree.right, Number)):
        return False
    return 1900 < tree.left.value < 2100 and tree.right.value == (tree.left.value + 1) % 100


def is_pair(found: list[Token], start: int, end: int) -> bool:
    """Whether brackets hold two numbers, and no decimal by comma: `[3,4]`."""
    token = found[end]
    if token.certain or "," not in token.text or not 0 < end < len(found) - 1:
        return False
    return found[end - 1].text in ("(", "[", "{") and found[end + 1].text in (")", "]", "}")


def is_part_of_whole(tree: Tree) -> bool:
    """Whether an `of` is no product: `42 of 50`."""
    if isinstance(tree, Number):
        return False
    if tree.op == "of" and isinstance(tree.left, Number) and tree.left.value >= 1 and not tree.left.percent:
        return True
    return is_part_of_whole(tree.left) or is_part_of_whole(tree.right)


def is_bracketed_money(found: list[Token]) -> bool:
    """Whether an amount stands in brackets, as an account writes what is owed: `($500)`."""
    kinds = [token.kind for token in found if token.kind != "word"]
    return kinds in (["open", "currency", "number", "close"], ["currency", "open", "number", "close"])


#: What stands behind a number: the number as it ends, or why it is none.
AMBIGUOUS, NO_NUMBER = "ambiguous", "not_a_number"


def ended(text: str, found: list[Token], tree: Tree, read: Fraction, end: int) -> Fraction | str:
    """The number that ends at a numeral; `AMBIGUOUS` or `NO_NUMBER` if what follows makes it a piece of more."""
    gap: list[str] = []
    named = False
    for place in range(end + 1, min(len(found), end + 1 + _LOOK_AHEAD)):
        token, low = found[place], found[place].text.casefold()
        behind = found[place + 1] if place + 1 < len(found) else None
        near = behind is not None and behind.start == token.end
        touches = found[place - 1].end == token.start
        if token.kind in ("close", "currency", "percent", "degree"):
            continue
        if token.kind == "bad":
            return NO_NUMBER
        if token.kind == "number":
            if found[place - 1].text == "^":
                continue
            return _with_second(found, place, read, gap)
        if token.kind == "word":
            if low in REASONS and not (low == "as" and "times" in gap):
                return read
            if not gap and low in MAGNITUDES:
                continue
            if not _may_follow(found, place, touches, gap):
                return NO_NUMBER
            if (is_spelled(low) and low != "one") or (part_of(low) and gap[-1:] in ([], ["a"], ["one"])):
                return _with_spelled(found, place, tree, read, gap)
            gap.append(low)
            named = True
        elif token.kind == "open":
            return _with_remark(found, place, read, gap)
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
        elif token.text in _COMPARING or (token.text in ("_", "\\") and touches and not named):
            return NO_NUMBER
        elif token.text == "!" and ((touches and not named) or (behind is not None and behind.text == "=")):
            return NO_NUMBER if behind is None or near else read
        elif (
            token.text in (".", "…")
            and touches
            and not named
            and _goes_on(found[place - 1], token, behind, near)
        ):
            return NO_NUMBER
        elif token.text in (".", "\n", "?", "!"):
            abbreviated = token.text == "." and gap[-1:] and gap[-1] in _ABBREVIATED
            if abbreviated and behind is not None and behind.kind == "number":
                return NO_NUMBER
            if not near or behind is None or not (behind.kind in ("number", "bad") or behind.text == "."):
                break
            gap.append(token.text)
        elif unicodedata.category(token.text[0]) == "Mn" and touches and not named:
            # A line above digits that repeat.
            return NO_NUMBER
        else:
            gap.append(token.text)
    return NO_NUMBER if gap and gap[-1] in _JOINS else read


def _goes_on(number: Token, point: Token, behind: Token | None, near: bool) -> bool:
    """Whether digits go on behind a point in another way: `0.333...`, `0.(3)`, `1.\\overline{3}`."""
    if point.text == "…":
        return number.places > 0
    if behind is None or not near:
        return False
    return behind.kind == "open" or behind.text == "\\" or (behind.text == "." and number.places > 0)


def _with_remark(found: list[Token], place: int, read: Fraction, gap: list[str]) -> Fraction | str:
    """What a bracket behind a number makes of it: a remark, a second result (`or 6`), a scale (`in thousands`)."""
    inside = [token.text.casefold() for token in found[place + 1 : place + 5]]
    if (gap and gap[-1] in _JOINS) or inside[:1] == ["or"]:
        return AMBIGUOUS
    if any(word in MAGNITUDES for word in inside):
        words = spelled_words(inside)
        return read if read_spelled(words[: take_spelled(words, 0)]) == read else NO_NUMBER
    return NO_NUMBER if inside and inside[0] in _COMPARING else read


def _may_follow(found: list[Token], place: int, touches: bool, gap: list[str]) -> bool:
    """Whether a word behind a number leaves it what it is."""
    token, number = found[place], found[place - 1]
    low = token.text.casefold()
    if low in _BEHIND or low in FOREIGN_MAGNITUDES or (low in ("am", "pm") and number.places == 2):
        return False
    if token.text in _MONTHS and all(word in ("st", "nd", "rd", "th", "of", "the") for word in gap):
        return False
    if gap[-1:] == ["or"] and low in _BOUNDS:
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
        return place > 1 and found[place - 2].kind == "currency"
    return bool(_UNIT_WITH_POWER.fullmatch(low))


def _may_operate(token: Token, behind: Token | None, touches: bool, near: bool, named: bool) -> bool:
    """Whether an operator behind a number joins words, or is a dash: `t - shirts`, `5/hour`, `5 - that is all`."""
    if token.text == "^":
        return named
    if behind is None or behind.kind != "word" or token.text in ("+", "√"):
        return False
    if any(is_spelled(word) or part_of(word) or word == "and" for word in behind.text.casefold().split("-")):
        # "5-million", "5-and-a-half"
        return False
    if token.text == "*":
        return named
    return token.text == "/" or named or touches == near


def _with_second(found: list[Token], place: int, read: Fraction, gap: list[str]) -> Fraction | str:
    """What a second number makes of the first, by what stands between them."""
    second = found[place].value
    if gap == ["and"] and read.denominator == 1:
        try:
            part = value(parse(found, place)[0])
        except Unreadable:
            part = None
        if part is not None and 0 < part < 1:
            return read + part if read >= 0 else read - part
    if _is_compared(gap):
        return AMBIGUOUS
    if gap == ["≈"]:
        return read if abs(second - read) * 10 ** found[place].places < 1 else NO_NUMBER
    if gap[:1] in (["in"], ["out"]) and set(gap) <= _FUNCTION:
        return AMBIGUOUS
    if len(gap) == 1 and gap[0] in _FUNCTION and gap[0] not in ("not", "rather", "instead"):
        # "3 over 4", "5 per 100"
        return AMBIGUOUS
    if gap[-1:] == ["by"]:
        return AMBIGUOUS
    last = gap[-1] if gap else ""
    if last in _JOINS or last in _JOINING_SIGNS:
        return read if second == read else AMBIGUOUS
    if _FUNCTION.intersection(gap):
        return read
    if _JOINS.intersection(gap) or _JOINING_SIGNS.intersection(gap):
        return read if second == read else AMBIGUOUS
    return NO_NUMBER


def _is_compared(gap: list[str]) -> bool:
    """Whether a number is told as so much beside another: `5 less than`, `5 times as many as`, `10 take away`."""
    return _COMPARED.fullmatch(" ".join(gap)) is not None


def _with_spelled(
    found: list[Token], place: int, tree: Tree, read: Fraction, gap: list[str]
) -> Fraction | str:
    """What a number in words makes of the number before it: `5 and a half` is one number, `5 and two` are two."""
    if gap[-1:] == ["a"]:
        place, gap = place - 1, gap[:-1]
    words = spelled_words([token.text for token in found[place:] if token.kind == "word"])
    said = read_spelled(words[: take_spelled(words, 0)])
    plain = isinstance(tree, Number) and tree.certain and read.denominator == 1
    if (
        gap[-1:] == ["and"]
        and not _FUNCTION.intersection(gap)
        and plain
        and said is not None
        and 0 < said < 1
    ):
        return read + said if read >= 0 else read - said
    if gap[-1:] == ["in"] and words[:1] and words[0] in MAGNITUDES:
        return NO_NUMBER
    if gap and gap[-1] not in _JOINS and _FUNCTION.intersection(gap):
        return read
    return AMBIGUOUS if gap else NO_NUMBER


def read_words(found: list[Token]) -> Fraction | str:
    """The number that a text without digits says in words."""
    words = spelled_words([token.text for token in found])
    said: list[Fraction] = []
    place = 0
    while place < len(words):
        after = take_spelled(words, place)
        if after == place:
            place += 1
            continue
        run = words[place:after]
        before, behind = words[place - 1] if place else "", words[after] if after < len(words) else ""
        place = after
        if run == ["one"] and behind in ("of", "another", "who", "that", "which", "can", "should", "by"):
            whole = words[after + 1 : after + 2] == ["the"]
            if behind == "of" and take_spelled(words, after + 1 + whole) > after + 1 + whole:
                return NO_NUMBER
            continue
        if run == ["half"] and before.isalpha() and before not in _LEADS:
            continue
        read = read_spelled(run)
        if read is None or before in _BEFORE or behind in _BEHIND or (behind == "of" and read >= 1):
            return NO_NUMBER
        if behind in _ORDINALS or (
            words[place - 1] in _PART_ORDINALS and len(run) == 2 and run[0] in _TENS_WORDS
        ):
            # "twenty first", "twenty third"
            return NO_NUMBER
        if behind == "or" and words[after + 1 : after + 2] and words[after + 1] in _BOUNDS:
            return NO_NUMBER
        said.append(-read if before == "-" else read)
    if not said:
        return NO_NUMBER
    return said[0] if len(set(said)) == 1 else AMBIGUOUS
