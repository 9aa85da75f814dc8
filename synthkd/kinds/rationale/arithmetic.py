"""Expressions: a small parser that gives a tree, and exact values of trees. Nothing is ever evaluated as code.

expression := term (+|- term)*     term := factor (*|/|of factor)*     factor := -factor | atom (^ [-]integer)
atom := [$] number [magnitude] [%|°|$] [unit words] | ( expression ) [unit words] | √ atom
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isqrt

from synthkd.kinds.rationale.spelled import (
    CHARACTER_MAGNITUDES,
    CHARACTER_NUMBERS,
    FOREIGN_MAGNITUDES,
    MAGNITUDES,
)
from synthkd.kinds.rationale.tokens import Token

#: What is beyond is no arithmetic that anybody wrote for people.
_DEEPEST, _HIGHEST_POWER, _MOST_UNIT_WORDS = 30, 64, 5
_MOST_BITS, _MOST_OPERATIONS = 4096, 100
#: Words that stand for a number: where one takes part, nothing can be checked.
_UNKNOWN = frozenset(["some", "unknown", "total", "number", "amount", "remaining", "pi"])
#: Those of them that may stand behind a number: 29 total.
_COUNTED = frozenset(["total", "remaining"])
#: Words behind a number that make it another one; and what is left of a division: 3 R1.
_POWERS, _REMAINDER = frozenset(["squared", "cubed", "factorial"]), re.compile(r"r\d+")
_LETTER_UNITS = frozenset("mghlscLkK")
#: Letters that multiply a number which they touch; those of the second line only one with a currency.
_LETTER_MAGNITUDES = {"k": 3, "K": 3}
_MONEY_MAGNITUDES = {"m": 6, "M": 6, "mm": 6, "MM": 6, "b": 9, "B": 9, "t": 12, "T": 12}
#: Words after which a number's unit is over.
_NO_UNITS = frozenset(
    [
        "and",
        "or",
        "so",
        "then",
        "but",
        "because",
        "which",
        "who",
        "that",
        "is",
        "are",
        "was",
        "were",
        "he",
        "she",
        "they",
        "it",
        "we",
        "i",
        "gives",
        "give",
        "costs",
        "cost",
        "makes",
        "make",
        "has",
        "have",
        "had",
        "equals",
        "uses",
        "needs",
    ]
)


class Unreadable(Exception):
    """These tokens are no expression, or one with an unknown in it."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number and how it was written. ``certain`` and ``other`` are those of its `Numeral`."""

    value: Fraction
    places: int = 0
    percent: bool = False
    units: tuple[str, ...] = ()
    certain: bool = True
    other: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    op: str
    left: Tree
    right: Tree


Tree = Number | Operation


def parse(found: list[Token], place: int = 0, units: bool = True) -> tuple[Tree, int]:
    """The longest expression that begins at a token, and the place after it. Raises `Unreadable`."""
    return _Parser(found, units).expression(place, 0)


def numbers(tree: Tree) -> Iterator[Number]:
    """The numbers of a tree, from left to right."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, Number):
            yield node
        else:
            stack += [node.right, node.left]


def value(tree: Tree, percent_as_part: bool = True) -> Fraction | None:
    """The exact value; None for a division by zero or a number out of all bounds."""
    if isinstance(tree, Number):
        return tree.value / 100 if tree.percent and percent_as_part else tree.value
    left, right = value(tree.left, percent_as_part), value(tree.right, percent_as_part)
    if left is None or right is None:
        return None
    return _combined(tree.op, left, right)


def _combined(op: str, left: Fraction, right: Fraction) -> Fraction | None:
    if op == "+":
        return left + right
    if op == "-":
        return left - right
    if op in ("*", "of"):
        made = left * right
    elif op == "/":
        if right == 0:
            return None
        made = left / right
    else:
        if right.denominator != 1 or abs(right) > _HIGHEST_POWER or (left == 0 and right < 0):
            return None
        made = left ** int(right)
    return made if max(made.numerator.bit_length(), made.denominator.bit_length()) < _MOST_BITS else None


class _Parser:
    def __init__(self, found: list[Token], units: bool) -> None:
        self.found, self.units = found, units
        self.operations = 0

    def kind(self, place: int) -> str:
        return self.found[place].kind if 0 <= place < len(self.found) else "end"

    def text(self, place: int) -> str:
        return self.found[place].text if place < len(self.found) else ""

    def expression(self, place: int, depth: int) -> tuple[Tree, int]:
        return self._chain(place, depth, ("+", "-"))

    def _term(self, place: int, depth: int) -> tuple[Tree, int]:
        return self._chain(place, depth, ("*", "/", "of"))

    def _chain(self, place: int, depth: int, ops: tuple[str, ...]) -> tuple[Tree, int]:
        below = self._term if ops[0] == "+" else self._factor
        left, place = below(place, depth)
        while (op := self._operator(place)) in ops and not (op == "of" and _named(left)):
            try:
                right, after = below(place + 1, depth)
            except Unreadable:
                self._refuse_unknown(place + 1)
                if self.kind(place + 1) in ("number", "open"):
                    raise
                break
            self.operations += 1
            if self.operations > _MOST_OPERATIONS:
                raise Unreadable
            left, place = Operation(op, left, right), after
        return left, place

    def _operator(self, place: int) -> str:
        what = self.kind(place)
        if what == "op":
            return self.text(place)
        return "of" if self.units and what == "word" and self.text(place).casefold() == "of" else ""

    def _factor(self, place: int, depth: int) -> tuple[Tree, int]:
        if self.kind(place) == "op" and self.text(place) == "-":
            if depth > _DEEPEST:
                raise Unreadable
            inner, place = self._factor(place + 1, depth + 1)
            return _negated(inner), place
        tree, place = self._atom(place, depth)
        if self._is_op(place, "^"):
            negative = self._is_op(place + 1, "-")
            at = place + 1 + negative
            if self.kind(at) == "number" and not self._is_op(at + 1, "^"):
                power = self.found[at].value
                _, after = self._unit_words(at + 1)
                return Operation("^", tree, Number(-power if negative else power)), after
            raise Unreadable
        if self.kind(place) == "open" and self._touches(place):
            inner, after = self._atom(place, depth)
            return Operation("*", tree, inner), after
        return tree, place

    def _is_op(self, place: int, op: str) -> bool:
        return self.kind(place) == "op" and self.text(place) == op

    def _touches(self, place: int) -> bool:
        """Whether nothing stands between a token and the one before: `2(3+4)`, but not `5 (left: 5 8)`."""
        return place > 0 and self.found[place - 1].end == self.found[place].start

    def _atom(self, place: int, depth: int) -> tuple[Tree, int]:
        if depth > _DEEPEST:
            raise Unreadable
        if self.kind(place) == "open":
            tree, place = self.expression(place + 1, depth + 1)
            if self.kind(place) != "close":
                raise Unreadable
            self._refuse_unknown(place + 1)
            _, place = self._unit_words(place + 1)
            return tree, place
        if self._is_op(place, "√"):
            tree, place = self._atom(place + 1, depth + 1)
            return Number(_root(value(tree))), place
        money = self.kind(place) == "currency"
        while self.kind(place) == "currency":
            # The second one of "$$5$$" begins a formula.
            place += 1
        if money:
            if self._is_op(place, "-"):
                tree, place = self._atom(place + 1, depth + 1)
                return _negated(tree), place
            if self.kind(place) == "open":
                return self._atom(place, depth + 1)
        if self.kind(place) != "number":
            raise Unreadable
        return self._number(place, money)

    def _number(self, place: int, money: bool) -> tuple[Tree, int]:
        token, divides = self.found[place], self._is_op(place - 1, "/") and self._touches(place)
        sign = self.text(place - 1) if money else ""
        scale, place = self._magnitude(place + 1, money)
        if scale is not None and divides:
            # "1/2 million" is no division by millions.
            raise Unreadable
        percent = self.kind(place) == "percent" or self.text(place).casefold() in ("percent", "pct")
        place += percent
        if self.kind(place) == "degree":
            place += 1
            place += self.kind(place) == "word" and self.text(place) in ("C", "F")
        if self.kind(place) == "currency" and self.kind(place + 1) != "number":
            # "5 €"; or the closing sign of "$5$".
            money, sign, place = True, self.text(place), place + 1
        if self.text(place).casefold() not in _COUNTED:
            self._refuse_unknown(place)
        currency = ("cent" if sign == "¢" else "dollar",) if money else ()
        units, place = self._unit_words(place)
        if scale is None:
            made = Number(token.value, token.places, percent, currency + units, token.certain, token.other)
        else:
            made = Number(token.value * scale, 0, percent, currency + units, False)
        return made, place

    def _magnitude(self, place: int, money: bool) -> tuple[Fraction | None, int]:
        """What the words behind a number multiply it by (`3 million`, `5k`), and the place after them."""
        scale = None
        while self.units and self.kind(place) == "word":
            word = self.text(place)
            low = word.casefold()
            if low in FOREIGN_MAGNITUDES:
                raise Unreadable
            by = MAGNITUDES.get(low)
            if by is None and scale is None and (self._touches(place) or word[0] in CHARACTER_NUMBERS):
                by = self._letters(word, money)
            if by is None or (low.endswith("s") and scale is not None):
                break
            scale = by if scale is None else scale * by
            place += 1
        return scale, place

    def _letters(self, word: str, money: bool) -> Fraction | None:
        """Letters and characters that multiply where they touch a number: `$5m`, `3万円`."""
        power = _LETTER_MAGNITUDES.get(word) or (_MONEY_MAGNITUDES.get(word) if money else None)
        if power:
            return Fraction(10**power)
        if word[0] in CHARACTER_NUMBERS:
            by = CHARACTER_MAGNITUDES.get(word[0])
            if by is None or any(character in CHARACTER_NUMBERS for character in word[1:]):
                raise Unreadable
            return by
        return None

    def _unit_words(self, place: int) -> tuple[tuple[str, ...], int]:
        """`minutes`, `shirts per minute`, `miles / hour`, `t - shirts`."""
        words: list[str] = []
        while self.units and self.kind(place) == "word" and len(words) < _MOST_UNIT_WORDS:
            word = self.text(place).casefold()
            if word in _NO_UNITS or (word == "of" and self.kind(place + 1) in ("number", "currency", "open")):
                break
            if not words and word not in _COUNTED:
                self._refuse_unknown(place)
            if word in _POWERS or _REMAINDER.fullmatch(word):
                raise Unreadable
            if len(word) == 1 and self.kind(place + 1) == "equals":
                # "1/3 gives b = 60"
                raise Unreadable
            words.append(word)
            place += 1
            if self._is_op(place, "^"):
                place = self._after_power(place)
            if self._operator(place) in ("/", "-") and self.kind(place + 1) == "word":
                self._refuse_unknown(place + 1)
                place += 1
        return tuple(words), place

    def _after_power(self, place: int) -> int:
        """The place after the power of a unit: m^2, s^-1."""
        at = place + 1 + self._is_op(place + 1, "-")
        if self.kind(at) != "number" or self.found[at].value.denominator != 1:
            raise Unreadable
        return at + 1

    def _refuse_unknown(self, place: int) -> None:
        if self.kind(place) != "word":
            return
        word = self.text(place)
        article = word in ("a", "A", "I") and not self._touches(place)
        # A character of Chinese, Japanese or Korean is a word, and no unknown.
        letter = len(word) == 1 and word < "\u2e80" and word not in _LETTER_UNITS and not article
        if letter or word.casefold() in _UNKNOWN:
            raise Unreadable


def _negated(tree: Tree) -> Tree:
    if isinstance(tree, Number):
        other = None if tree.other is None else -tree.other
        return replace(tree, value=-tree.value, other=other)
    return Operation("-", Number(Fraction(0)), tree)


def _root(number: Fraction | None) -> Fraction:
    """The exact square root. Raises `Unreadable` if there is none."""
    if number is None or number < 0 or number.numerator.bit_length() > _MOST_BITS:
        raise Unreadable
    root = Fraction(isqrt(number.numerator), isqrt(number.denominator))
    if root * root != number:
        raise Unreadable
    return root


def _named(tree: Tree) -> bool:
    """`9 groups of 6` is no product, `1/3 of 60` is."""
    return any(number.units for number in numbers(tree))
