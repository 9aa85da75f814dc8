"""Parse arithmetic expressions into trees (see `trees`).

expression := term (+|- term)*
term       := factor (*|/|of factor)*
factor     := -factor | atom (^ [-]integer)
atom       := [$] number [magnitude] [%|°|$] [unit words]
            | ( expression ) [unit words] | √ atom
"""

from __future__ import annotations

import re
from fractions import Fraction

from synthkd.kinds.rationale.tokens import Token
from synthkd.kinds.rationale.trees import (
    Number,
    Operation,
    Tree,
    UnreadableExpressionError,
    has_units,
    negated,
    square_root,
    tree_value,
)
from synthkd.text.normal_forms import word_set
from synthkd.text.number_words import (
    CHARACTER_MAGNITUDES,
    CHARACTER_NUMBERS,
    FOREIGN_MAGNITUDES,
    MAGNITUDES,
)

#: Bounds of an expression that people write.
_DEEPEST, _MOST_UNIT_WORDS, _MOST_OPERATIONS = 30, 5, 100
#: Words that stand for a number: an expression with one cannot be checked.
_UNKNOWN = word_set("some unknown total number amount remaining pi")
#: Unknowns that may follow a number: 29 total.
_COUNTED = word_set("total remaining")
#: Words behind a number that make it another number.
_POWERS = word_set("squared cubed factorial")
#: The remainder of a division: 3 R1.
_REMAINDER = re.compile(r"r\d+")
_LETTER_UNITS = frozenset("mghlscLkK")
#: Letters that multiply the number they touch, as powers of ten; the second table for amounts of
#: money.
_LETTER_MAGNITUDES = {"k": 3, "K": 3}
_MONEY_MAGNITUDES = {"m": 6, "M": 6, "mm": 6, "MM": 6, "b": 9, "B": 9, "t": 12, "T": 12}
#: Words that end a number's unit.
_NO_UNITS = word_set(
    "and or so then but because which who that is are was were he she they it "
    "we i gives give costs cost makes make has have had equals uses needs"
)


def parse(parts: list[Token], place: int = 0, units: bool = True) -> tuple[Tree, int]:
    """Parse the longest expression that begins at a token.

    Args:
        parts: The tokens of a text.
        place: Index of the first token of the expression.
        units: Read words behind numbers as units and magnitudes.

    Returns:
        The tree, and the index of the token after it.

    Raises:
        Unreadable: No expression begins there.
    """
    return _Parser(parts, units).expression(place, 0)


class _Parser:
    def __init__(self, tokens: list[Token], units: bool) -> None:
        self.tokens, self.units = tokens, units
        self.operations = 0

    def kind(self, place: int) -> str:
        return self.tokens[place].kind if 0 <= place < len(self.tokens) else "end"

    def text(self, place: int) -> str:
        return self.tokens[place].text if place < len(self.tokens) else ""

    def expression(self, place: int, depth: int) -> tuple[Tree, int]:
        return self._chain(place, depth, ("+", "-"))

    def _term(self, place: int, depth: int) -> tuple[Tree, int]:
        return self._chain(place, depth, ("*", "/", "of"))

    def _chain(self, place: int, depth: int, ops: tuple[str, ...]) -> tuple[Tree, int]:
        below = self._term if ops[0] == "+" else self._factor
        left, place = below(place, depth)
        while (op := self._operator(place)) in ops and not (op == "of" and has_units(left)):
            try:
                right, after = below(place + 1, depth)
            except UnreadableExpressionError:
                self._refuse_unknown(place + 1)
                if self.kind(place + 1) in ("number", "open"):
                    raise
                break
            self.operations += 1
            if self.operations > _MOST_OPERATIONS:
                raise UnreadableExpressionError
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
                raise UnreadableExpressionError
            inner, place = self._factor(place + 1, depth + 1)
            return negated(inner), place
        tree, place = self._atom(place, depth)
        if self._is_op(place, "^"):
            negative = self._is_op(place + 1, "-")
            at = place + 1 + negative
            if self.kind(at) == "number" and not self._is_op(at + 1, "^"):
                power = self.tokens[at].value
                _, after = self._unit_words(at + 1)
                return Operation("^", tree, Number(-power if negative else power)), after
            raise UnreadableExpressionError
        if self.kind(place) == "open" and self._touches(place):
            inner, after = self._atom(place, depth)
            return Operation("*", tree, inner), after
        return tree, place

    def _is_op(self, place: int, op: str) -> bool:
        return self.kind(place) == "op" and self.text(place) == op

    def _touches(self, place: int) -> bool:
        """Return True if no space precedes a token: `2(3+4)`, but not `5 (left: 5 8)`."""
        return place > 0 and self.tokens[place - 1].end == self.tokens[place].start

    def _atom(self, place: int, depth: int) -> tuple[Tree, int]:
        if depth > _DEEPEST:
            raise UnreadableExpressionError
        if self.kind(place) == "open":
            tree, place = self.expression(place + 1, depth + 1)
            if self.kind(place) != "close":
                raise UnreadableExpressionError
            self._refuse_unknown(place + 1)
            _, place = self._unit_words(place + 1)
            return tree, place
        if self._is_op(place, "√"):
            tree, place = self._atom(place + 1, depth + 1)
            return Number(square_root(tree_value(tree))), place
        money = self.kind(place) == "currency"
        while self.kind(place) == "currency":
            # The second sign of "$$5$$" begins a formula.
            place += 1
        if money:
            if self._is_op(place, "-"):
                tree, place = self._atom(place + 1, depth + 1)
                return negated(tree), place
            if self.kind(place) == "open":
                return self._atom(place, depth + 1)
        if self.kind(place) != "number":
            raise UnreadableExpressionError
        return self._number(place, money)

    def _number(self, place: int, money: bool) -> tuple[Tree, int]:
        token, divides = self.tokens[place], self._is_op(place - 1, "/") and self._touches(place)
        sign = self.text(place - 1) if money else ""
        scale, place = self._magnitude(place + 1, money)
        if scale is not None and divides:
            # "1/2 million" is not a division by millions.
            raise UnreadableExpressionError
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
            made = Number(
                token.value, token.places, percent, currency + units, token.certain, token.other
            )
        else:
            made = Number(token.value * scale, 0, percent, currency + units, False)
        return made, place

    def _magnitude(self, place: int, money: bool) -> tuple[Fraction | None, int]:
        """Read the magnitude behind a number (`3 million`, `5k`) and the place after it."""
        scale = None
        while self.units and self.kind(place) == "word":
            word = self.text(place)
            low = word.casefold()
            if low in FOREIGN_MAGNITUDES:
                raise UnreadableExpressionError
            by = MAGNITUDES.get(low)
            if (
                by is None
                and scale is None
                and (self._touches(place) or word[0] in CHARACTER_NUMBERS)
            ):
                by = self._letters(word, money)
            if by is None or (low.endswith("s") and scale is not None):
                break
            scale = by if scale is None else scale * by
            place += 1
        return scale, place

    def _letters(self, word: str, money: bool) -> Fraction | None:
        """Read a magnitude in letters or characters that touch a number: `$5m`, `3万円`."""
        power = _LETTER_MAGNITUDES.get(word) or (_MONEY_MAGNITUDES.get(word) if money else None)
        if power:
            return Fraction(10**power)
        if word[0] in CHARACTER_NUMBERS:
            by = CHARACTER_MAGNITUDES.get(word[0])
            if by is None or any(character in CHARACTER_NUMBERS for character in word[1:]):
                raise UnreadableExpressionError
            return by
        return None

    def _unit_words(self, place: int) -> tuple[tuple[str, ...], int]:
        """Read the words of a unit: `minutes`, `shirts per minute`, `miles / hour`."""
        words: list[str] = []
        while self.units and self.kind(place) == "word" and len(words) < _MOST_UNIT_WORDS:
            word = self.text(place).casefold()
            if word in _NO_UNITS or (
                word == "of" and self.kind(place + 1) in ("number", "currency", "open")
            ):
                break
            if not words and word not in _COUNTED:
                self._refuse_unknown(place)
            if word in _POWERS or _REMAINDER.fullmatch(word):
                raise UnreadableExpressionError
            if len(word) == 1 and self.kind(place + 1) == "equals":
                # "1/3 gives b = 60"
                raise UnreadableExpressionError
            words.append(word)
            place += 1
            if self._is_op(place, "^"):
                place = self._after_power(place)
            if self._operator(place) in ("/", "-") and self.kind(place + 1) == "word":
                self._refuse_unknown(place + 1)
                place += 1
        return tuple(words), place

    def _after_power(self, place: int) -> int:
        """Return the place after the power of a unit: m^2, s^-1."""
        at = place + 1 + self._is_op(place + 1, "-")
        if self.kind(at) != "number" or self.tokens[at].value.denominator != 1:
            raise UnreadableExpressionError
        return at + 1

    def _refuse_unknown(self, place: int) -> None:
        if self.kind(place) != "word":
            return
        word = self.text(place)
        article = word in ("a", "A", "I") and not self._touches(place)
        # A character of Chinese, Japanese or Korean is a word, not an unknown.
        letter = len(word) == 1 and word < "\u2e80" and word not in _LETTER_UNITS and not article
        if letter or word.casefold() in _UNKNOWN:
            raise UnreadableExpressionError
