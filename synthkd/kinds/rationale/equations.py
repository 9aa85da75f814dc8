"""Find and check the equations of a text: `12 - 5 = 7`, `<<48/2=24>>`, `3 * 4 shirts = 12 shirts`.

An equation is checked only if both sides are numbers and operators. Equations with an unknown
(`some - 8 = 6`) or with a conversion of units (`2 hours = 120 minutes`) are not checked; those with
a number of two readings (`3,5`, `1 thousand`) never count as wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from synthkd.kinds.rationale.arithmetic import parse
from synthkd.kinds.rationale.number_forms import is_part_of_whole
from synthkd.kinds.rationale.tokens import Token, plain, tokens
from synthkd.kinds.rationale.trees import (
    Number,
    Operation,
    Tree,
    UnreadableExpressionError,
    tree_numbers,
    tree_value,
)

_NOTE = re.compile(r"<<([^<>\n]*)>>")
#: Text before a number that began earlier: 12:00, 160,0000.
_CUT_NUMBER = re.compile(r"\d[,.:]$")
#: Text behind a number that continues the number.
_MORE = re.compile(r" \d|\s*\w*,? and \(?\d+/\d|[^.=\n]{0,50}\b(?:remain|left over)|\.\.\.")
#: Words that scale the number behind them.
_SCALING = frozenset(
    ["half", "third", "quarter", "thirds", "quarters", "twice", "double", "triple"]
)
#: One and a half, or a half less than one.
_HYPHENED = re.compile(r"\d-\d+/\d")
#: Tokens to the left of `=` that are examined.
_LOOK_BACK = 40
#: Decimals from which a number comes from floating-point arithmetic.
_FLOAT_PLACES = 9
_DIMENSIONS = {
    "time": "second sec minute min hour hr h day week month year decade century",
    "money": "cent penny pennie dime nickel quarter dollar buck euro",
    "length": "inch inche in foot feet ft yard yd mile mi mm cm m km meter metre millimeter"
    " centimeter kilometer",
    "amount": "ounce oz pound lb mg g gram kg kilogram ton cup pint quart gallon ml l liter litre"
    " teaspoon tablespoon",
}
_DIMENSION = {word: name for name, words in _DIMENSIONS.items() for word in words.split()}
_MULTIPLIERS = frozenset(
    [
        "dozen",
        "pair",
        "couple",
        "score",
        "hundred",
        "thousand",
        "million",
        "billion",
        "half",
        "third",
        "k",
    ]
)

#: Units of a clock, on which 11 + 3 = 2.
_CLOCK = frozenset(["am", "pm", "o'clock"])


@dataclass(frozen=True, slots=True)
class Equation:
    """An equation of a text.

    Attributes:
        text: The equation as written.
        left: Value of the left side; None if it has none.
        right: Value of the right side; None if it has none.
        holds: Whether the sides are equal; None if they cannot be compared.
        start: Place of its first character.
        end: Place behind its last character.
        stated: The right side with its percentage as a number (25 for `25%`).
    """

    text: str
    left: Fraction | None
    right: Fraction | None
    holds: bool | None
    start: int
    end: int
    stated: Fraction | None = None


def equations(text: str) -> list[Equation]:
    """Return the equations of a text with two numeric sides; a chain ``a = b = c`` gives two."""
    if "=" not in text and "quals" not in text and "＝" not in text and "﹦" not in text:
        return []
    text = plain(text)
    notes = [equation for note in _NOTE.finditer(text) for equation in _in(note[1])]
    return notes + _in(without_notes(text))


def without_notes(text: str) -> str:
    """Return a text without calculator annotations such as `<<48/2=24>>`."""
    return _NOTE.sub("", text)


def wrong_equations(text: str) -> list[Equation]:
    """Return the equations of a text that do not hold."""
    return [equation for equation in equations(text) if equation.holds is False]


def _in(text: str) -> list[Equation]:
    equations: list[Equation] = []
    for segment in _segments(tokens(text)):
        equations += _of_segment(text, segment)
    return equations


def _segments(parts: list[Token]) -> list[list[Token]]:
    """Split tokens at ends; keep the runs with an equals sign."""
    runs: list[list[Token]] = [[]]
    for token in parts:
        if token.kind == "end":
            runs.append([])
        else:
            runs[-1].append(token)
    return [run for run in runs if any(token.kind == "equals" for token in run)]


def _of_segment(text: str, run: list[Token]) -> list[Equation]:
    equations: list[Equation] = []
    done = 0
    for place, token in enumerate(run):
        if token.kind == "equals" and place >= done:
            chain, done = _chain(text, run, place)
            equations += _compared(text, run, chain)
    return equations


#: A side: its tree, the first token and the one after the last.
_Side = tuple[Tree, int, int]


def _chain(text: str, run: list[Token], place: int) -> tuple[list[_Side], int]:
    """Read the sides of a chain of equals signs, and the place behind them."""
    left = _left_of(text, run, place)
    sides = [] if left is None else [left]
    while place < len(run) and run[place].kind == "equals":
        try:
            tree, after = parse(run, place + 1)
        except UnreadableExpressionError:
            return sides, place + 1
        sides.append((tree, place + 1, after))
        place = after
    return sides, place


def _left_of(text: str, run: list[Token], place: int) -> _Side | None:
    """Read the longest expression that ends at an equals sign; None if it began earlier."""
    for start in range(max(0, place - _LOOK_BACK), place):
        if run[start].kind not in ("number", "open", "currency", "op"):
            continue
        if run[start].kind == "op" and run[start].text != "√" and not _is_sign(run, start):
            continue
        if (start and _goes_on(run, start)) or _CUT_NUMBER.search(
            text, max(0, run[start].start - 2), run[start].start
        ):
            continue
        try:
            tree, end = parse(run[:place], start)
        except UnreadableExpressionError:
            continue
        if end == place:
            return tree, start, end
    return None


def _is_sign(run: list[Token], place: int) -> bool:
    """Return True for a minus that touches the number after it and not the text before it."""
    if run[place].text != "-" or place + 1 >= len(run) or run[place].end != run[place + 1].start:
        return False
    if place == 0:
        return True
    before = run[place - 1]
    return before.kind == "word" and before.end < run[place].start and len(before.text) > 1


def _goes_on(run: list[Token], start: int) -> bool:
    """Return True if the text before an expression makes it part of a longer, unreadable one."""
    before = run[start - 1]
    if before.kind == "op":
        return True
    low = before.text.casefold()
    if low in _SCALING or (
        low == "of" and start > 1 and run[start - 2].text.casefold() in _SCALING
    ):
        # "half of 60 + 5"
        return True
    if low.removesuffix("s") in _DIMENSION and start > 1 and run[start - 2].kind == "number":
        # "5 ft 6 in"
        return True
    letter = (
        before.kind == "word" and len(before.text) == 1 and before.text.casefold() not in ("a", "i")
    )
    mixed = start > 1 and before.text.casefold() == "and" and run[start - 2].kind == "number"
    return (
        before.kind in ("open", "percent", "close", "number", "bad", "currency") or letter or mixed
    )


def _compared(text: str, run: list[Token], sides: list[_Side]) -> list[Equation]:
    equations: list[Equation] = []
    for i in range(len(sides) - 1):
        (left, start, _), (right, _, end) = sides[i], sides[i + 1]
        holds: bool | None = None
        # "toys on day 2 = 5 + 3", "8 batches = 5.5 * 8": a bare number beside words may be a name.
        alone = i > 0 or (start == 0 and isinstance(left, Number) and not left.units)
        if isinstance(left, Operation) or (alone and isinstance(right, Operation)):
            holds = _holds(left, right) or _holds_loosely(left, right)
            if holds is False and _holds_by_points(left, right):
                holds = True
            if holds is False and i + 2 < len(sides):
                holds = _goes_along(left, right, sides[i + 2][0])
            if holds is False and (
                _uncertain(left, right)
                or _HYPHENED.search(text, run[start].start, run[end - 1].end)
                or _is_owed(left, right, run[sides[i + 1][1]])
                or _converts(left, right)
                or _goes_further(text, run, end)
            ):
                holds = None
        first, last = run[start].start, run[end - 1].end
        stated = tree_value(right, percent_as_part=False)
        equations.append(
            Equation(
                text[first:last], tree_value(left), tree_value(right), holds, first, last, stated
            )
        )
    return equations


def _goes_further(text: str, run: list[Token], end: int) -> bool:
    """Return True if the right side has more than one number: `1 and 1/3`, `2 and 1 remains`."""
    rest = text[run[end - 1].end :]
    return bool(_MORE.match(rest))


def _holds(left: Tree, right: Tree) -> bool | None:
    if _relative(left) or _relative(right):
        return None
    readings = (
        (True, False)
        if any(n.percent for side in (left, right) for n in tree_numbers(side))
        else (True,)
    )
    # "50 / 200 = 25%", "50 / 200 * 100 = 25%" and "20% of 50 = 10" are all what people write.
    return any(
        _equal(tree_value(left, part), tree_value(right, other), right, other)
        for part in readings
        for other in readings
    )


def _holds_loosely(left: Tree, right: Tree) -> bool | None:
    """Check two more readings: `3 / 1/4` as 3 / (1/4), and `= 2 sets of 30` as 2."""
    left, right = _by_fraction(left), _without_of(right)
    return _holds(left, right)


def _holds_by_points(left: Tree, right: Tree) -> bool | None:
    """Check the reading with points between thousands: `1.500 + 500 = 2.000`."""
    if not any(number.other is not None for side in (left, right) for number in tree_numbers(side)):
        return False
    return _holds(_with_points(left), _with_points(right))


def _with_points(tree: Tree) -> Tree:
    if isinstance(tree, Operation):
        return Operation(tree.op, _with_points(tree.left), _with_points(tree.right))
    return tree if tree.other is None else Number(tree.other, 0, tree.percent, tree.units)


def _uncertain(left: Tree, right: Tree) -> bool:
    """Return True if a number has two readings, or an `of` is not a product: `42 of 50 = 84%`."""
    return any(
        not number.certain for side in (left, right) for number in tree_numbers(side)
    ) or any(is_part_of_whole(side) for side in (left, right))


def _is_owed(left: Tree, right: Tree, begin: Token) -> bool:
    """Return True for a debt as accounts write it: `5 - 7 = (2)`."""
    made = tree_value(left)
    return (
        begin.kind == "open"
        and isinstance(right, Number)
        and made is not None
        and made == -right.value
    )


def _by_fraction(tree: Tree) -> Tree:
    if (
        isinstance(tree, Operation)
        and tree.op == "/"
        and isinstance(tree.left, Operation)
        and tree.left.op == "/"
    ):
        return Operation("/", tree.left.left, Operation("/", tree.left.right, tree.right))
    return tree


def _without_of(tree: Tree) -> Tree:
    if isinstance(tree, Number):
        return tree
    if tree.op == "of":
        return _without_of(tree.left)
    return Operation(tree.op, _without_of(tree.left), _without_of(tree.right))


def _relative(tree: Tree) -> bool:
    """Return True if the base of a percentage is not given: `80 + 10%`."""
    if isinstance(tree, Number):
        return False
    if tree.op in "+-":
        sides = [any(n.percent for n in tree_numbers(side)) for side in (tree.left, tree.right)]
        if sides[0] != sides[1]:
            return True
    return _relative(tree.left) or _relative(tree.right)


def _equal(
    left: Fraction | None, right: Fraction | None, written: Tree, percent_as_part: bool
) -> bool:
    if left is None or right is None:
        return False
    if left == right:
        return True
    places = written.places if isinstance(written, Number) else 0
    if isinstance(written, Number) and written.percent and percent_as_part:
        # 1 / 3 = 33%
        places += 2
    if places == 0:
        return False
    if places >= _FLOAT_PLACES:
        return bool(abs(left - right) <= abs(left) / 10**_FLOAT_PLACES)
    # Rounded or truncated: 10 / 3 = 3.33, 2 / 3 = 0.66.
    return bool(abs(left - right) * 10**places < 1)


def _goes_along(left: Tree, middle: Tree, last: Tree) -> bool:
    """Return True for a running calculation: `150 - 15 = 135 * 2 = 270`."""
    first = next(tree_numbers(middle), None)
    return (
        isinstance(middle, Operation)
        and first is not None
        and _holds(left, Number(first.value, first.places, first.percent)) is True
    ) or False


def _converts(left: Tree, right: Tree) -> bool:
    units = {
        word.removesuffix("s")
        for side in (left, right)
        for n in tree_numbers(side)
        for word in n.units
    }
    letters = any(
        n.units and len(n.units[0]) == 1 for side in (left, right) for n in tree_numbers(side)
    )
    if letters or units & _MULTIPLIERS or units & _CLOCK:
        return True
    named = [_DIMENSION[unit] for unit in units if unit in _DIMENSION]
    return len(named) > len(set(named))
