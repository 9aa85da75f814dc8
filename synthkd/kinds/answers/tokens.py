"""Text as tokens of arithmetic: numbers, operators, brackets, words, and places where an expression must end."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

#: Longer numbers are no answer to anything, and cost time.
_MOST_DIGITS = 40
_SIGNS = {"−": "-", "–": "-", "×": "*", "·": "*", "∗": "*", "⋅": "*", "÷": "/", "⁄": "/"}
_LATEX = [
    (re.compile(r"\\d?frac\{([^{}]*)\}\{([^{}]*)\}"), r"(\1)/(\2)"),
    (re.compile(r"\\(?:boxed|text|mathrm|mathbf)\{([^{}]*)\}"), r"\1"),
    (re.compile(r"\\(?:times|cdot)\b"), "*"),
    (re.compile(r"\\div\b"), "/"),
    (re.compile(r"\\([%$])"), r"\1"),
    (re.compile(r"\\[()\[\],;!]"), " "),
    (re.compile(r"(?<=\d)\*\*(?=\d)"), "^"),
    (re.compile(r"\*\*|__|`"), ""),
]
_VULGAR = re.compile(r"(?:(?<!\d)(\d{1,9}) ?)?([¼½¾⅐-⅞])")
_TOKEN = re.compile(
    r"(?P<mixed>(?<![\d./])\d{1,9} \d{1,9}/\d{1,9}(?![\d/]))"
    r"|(?P<num>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d])|\d+(?:\.\d+)?|(?<!\d)\.\d+)"
    r"|(?P<times>(?<=[\d\s)%])[xX](?= ?[\d$(.]))"
    r"|(?P<word>[^\W\d_][\w'’]*(?:-[^\W\d_][\w'’]*)*)"
    r"|(?P<equals>(?<![<>=!~])=(?![=>]))"
    r"|(?P<op>[-+*/^])"
    r"|(?P<bracket>[()])"
    r"|(?P<percent>%)"
    r"|(?P<currency>[$€£¥])"
    r"|(?P<end>\S|\n)"
)
_WORDS = {"times": "*", "plus": "+", "minus": "-", "equals": "="}
_SMALL = [
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
    "twenty",
]
#: Number words, read only where an answer has no digit.
NUMBER_WORDS = {word: Fraction(i) for i, word in enumerate(_SMALL)} | {
    word: Fraction(10 * i)
    for i, word in enumerate(["thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 3)
}


@dataclass(frozen=True, slots=True)
class Token:
    """``kind`` is number, op, open, close, percent, currency, equals, word or end; ``places`` are the decimals that
    a number was written with."""

    kind: str
    text: str
    start: int
    end: int
    value: Fraction = Fraction(0)
    places: int = 0


def plain(text: str) -> str:
    """Typographic signs, vulgar fractions and LaTeX as plain arithmetic."""
    for sign, ascii_sign in _SIGNS.items():
        text = text.replace(sign, ascii_sign)
    if "\\" in text or "**" in text or "`" in text or "__" in text:
        for pattern, put in _LATEX:
            text = pattern.sub(put, text)
    return _VULGAR.sub(_vulgar, text)


def _vulgar(found: re.Match[str]) -> str:
    try:
        value = Fraction(unicodedata.numeric(found[2])).limit_denominator(12)
    except ValueError:
        return found[0]
    part = f"{value.numerator}/{value.denominator}"
    return f"{found[1]} {part}" if found[1] else part


def tokens(text: str) -> list[Token]:
    """The tokens of plain text, in their order; nothing but space is left out."""
    found = []
    for match in _TOKEN.finditer(text):
        kind, word = match.lastgroup or "end", match.group()
        if kind in ("num", "mixed"):
            found.append(_number(match, kind, word))
        elif kind == "times":
            found.append(_token("op", match, "*") if _after_number(found) else _token("word", match))
        elif kind == "word":
            found.append(_word(match, word))
        elif kind == "bracket":
            found.append(_token("open" if word == "(" else "close", match))
        elif kind == "op" and _is_list_mark(text, match):
            found.append(_token("end", match))
        else:
            found.append(_token(kind, match))
    return found


def _token(kind: str, match: re.Match[str], text: str | None = None) -> Token:
    return Token(kind, text or match.group(), match.start(), match.end())


def _number(match: re.Match[str], kind: str, word: str) -> Token:
    if len(word) > _MOST_DIGITS or not word.isascii():
        return _token("end", match)
    if kind == "mixed":
        whole, _, part = word.partition(" ")
        above, _, below = part.partition("/")
        if not 0 < int(above) < int(below):
            # "5 3/2" is no mixed number, and what else it is nobody knows.
            return _token("end", match)
        return Token(
            "number", word, match.start(), match.end(), int(whole) + Fraction(int(above), int(below))
        )
    if len(word) > 1 and word[0] == "0" and word[1] != ".":
        # A time or a code: 0900.
        return _token("end", match)
    digits = word.replace(",", "")
    places = len(digits.partition(".")[2])
    return Token("number", word, match.start(), match.end(), Fraction(digits), places)


def _word(match: re.Match[str], word: str) -> Token:
    low = word.casefold()
    if low in _WORDS:
        return _token("equals" if low == "equals" else "op", match, _WORDS[low])
    return _token("word", match)


def _after_number(found: list[Token]) -> bool:
    """Whether an `x` may stand for times: after a number, with its unit at most between."""
    for token in reversed(found[-3:]):
        if token.kind in ("number", "percent", "close"):
            return True
        if token.kind != "word":
            return False
    return False


def _is_list_mark(text: str, match: re.Match[str]) -> bool:
    """Whether `- ` or `* ` opens a line."""
    line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
    return match.group() in "-*+" and not line.strip() and text[match.end() : match.end() + 1] == " "
