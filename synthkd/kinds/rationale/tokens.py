"""Split text into arithmetic tokens: numbers, operators, brackets, words, ends of expressions."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from typing import NamedTuple

from synthkd.kinds.rationale.numerals import RUN, read_numeral

_ZERO = Fraction(0)
#: Typographic signs and their plain forms.
_SIGNS = str.maketrans(
    {
        **dict.fromkeys("−–‑‐﹣－", "-"),
        **dict.fromkeys("×·∗⋅＊∙", "*"),
        **dict.fromkeys("÷⁄∕／", "/"),
        **dict.fromkeys("＋﹢", "+"),
        **dict.fromkeys("＝﹦", "="),
        **dict.fromkeys("％﹪٪", "%"),
        **dict.fromkeys("（﹙", "("),
        **dict.fromkeys("）﹚", ")"),
        **dict.fromkeys("，﹐٬", ","),
        **dict.fromkeys("．﹒٫", "."),
        **dict.fromkeys("：﹕∶", ":"),
        **dict.fromkeys("＾ˆ", "^"),
        **dict.fromkeys("’‘ʼ′＇´", "'"),
        **dict.fromkeys("″“”", '"'),
        **dict.fromkeys("＄﹩", "$"),
        **dict.fromkeys("￥", "¥"),
        **dict.fromkeys("￡", "£"),
        **dict.fromkeys("º˚", "°"),
        **dict.fromkeys("∼～〜", "~"),
        # Blanks between the groups of a number.
        **dict.fromkeys("\u00a0\u2007\u2008\u2009\u200a\u2005\u2006\u202f", "\u202f"),
        **dict.fromkeys("\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad\ufe0f"),
    }
)
_LATEX = [
    # Groups: 9{,}500, 9\\,500.
    (re.compile(r"(?<=\d)(?:,\\!|\{,\}|\{\\,\}|\\[,;: !])(?=\d{3}(?!\d))"), "\u202f"),
    (re.compile(r"(?<=\d)\{([.,])\}(?=\d)"), r"\1"),
    (re.compile(r"\^\s*(?:\{\s*\\(?:circ|degree)\s*\}|\\circ\b)|\\degree\b"), "°"),
    (re.compile(r"\^\s*\{\s*([-+]?\d+)\s*\}"), r"^\1"),
    (re.compile(r"\\(?:left|right|displaystyle|textstyle|big|Big|bigg)\b"), ""),
    (re.compile(r"\\sqrt\s*(?:\{([^{}]*)\}|(\d))"), r"√(\1\2)"),
    (
        re.compile(r"(?<=\d)\s*\\[dtc]?frac\s*(?:\{(\d+)\}|(\d))\s*(?:\{(\d+)\}|(\d))"),
        r" \1\2/\3\4",
    ),
    (re.compile(r"\\[dtc]?frac\s*(?:\{([^{}]*)\}|(\d))\s*(?:\{([^{}]*)\}|(\d))"), r"(\1\2)/(\3\4)"),
    (
        re.compile(
            r"\\(?:boxed|fbox|text|mathrm|mathbf|textbf|textit|mbox|operatorname)\s*\{([^{}]*)\}"
        ),
        r" \1",
    ),
]
#: Replaced once, after the nested commands above.
_LATEX_SIGNS = [
    (re.compile(r"\\(?:times|cdot|ast)(?![a-zA-Z])"), "*"),
    (re.compile(r"\\div(?![a-zA-Z])"), "/"),
    (re.compile(r"\\(?:approx|simeq|cong)(?![a-zA-Z])"), "≈"),
    (re.compile(r"\\(?:pm|mp)(?![a-zA-Z])"), "±"),
    (re.compile(r"\\(?:leq?|leqslant|lt)(?![a-zA-Z])"), "<"),
    (re.compile(r"\\(?:geq?|geqslant|gt)(?![a-zA-Z])"), ">"),
    (re.compile(r"\\neq?\b"), "≠"),
    (re.compile(r"\\(?:l?dots|cdots)(?![a-zA-Z])"), "…"),
    (re.compile(r"\\(?:quad|qquad)(?![a-zA-Z])"), " "),
    (re.compile(r"\\([%$£€])"), r"\1"),
    (re.compile(r"\\[()\[\],;:! ]"), " "),
    (re.compile(r"(?<=\d)\*\*(?=-?\d)"), "^"),
    (re.compile(r"\*\*|__|`"), ""),
]
_MOST_NESTED = 5
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")
_RAISED = re.compile(r"([⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+)(?:/([₀₁₂₃₄₅₆₇₈₉]+))?")
_LEVEL = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻₀₁₂₃₄₅₆₇₈₉", "0123456789+-0123456789")
_VULGAR = re.compile(r"(?:(?<![\d.,'])(\d{1,9}) ?)?([¼½¾⅐-⅞↉])")
_TOKEN = re.compile(
    r"(?P<mixed>(?<![\d./])\d{1,9}[ \u202f]\d{1,9}/\d{1,9}(?![\d/]|[.,]\d))"
    rf"|(?P<num>{RUN})"
    r"|(?P<currency>(?:\b(?:US|CA|AU|NZ|HK|SG|[ACRS]))?\$|[€£¥₹₽₩₪₫₴₦฿₺₱¢])"
    r"|(?P<times>(?<=[\d\s)%])[xX](?= ?[\d$(.]))"
    r"|(?P<word>[^\W\d_][\w']*(?:-[^\W\d_][\w']*)*)"
    r"|(?P<equals>(?<![<>=!~])=(?![=>]))"
    r"|(?P<op>[-+*/^√])"
    r"|(?P<bracket>[()])"
    r"|(?P<percent>%)"
    r"|(?P<degree>[°℃℉])"
    r"|(?P<end>\S|\n)"
)
_WORDS = {"times": "*", "plus": "+", "minus": "-", "negative": "-", "equals": "="}


class Token(NamedTuple):
    """A token of arithmetic.

    Attributes:
        kind: number, bad (an unreadable numeral), op, open, close, percent, currency, degree,
            equals,
            word or end.
        text: The token, in plain form.
        start: Place of its first character.
        end: Place behind its last character.
        value: Value of a number.
        places: Decimals that a number was written with.
        certain: As in `Numeral`.
        other: As in `Numeral`.
    """

    kind: str
    text: str
    start: int
    end: int
    value: Fraction = _ZERO
    places: int = 0
    certain: bool = True
    other: Fraction | None = None


def plain(text: str) -> str:
    """Normalise typographic signs, other scripts' digits, vulgar fractions and LaTeX."""
    if not text.isascii():
        text = text.translate(_SIGNS)
        text = _OTHER_DIGIT.sub(lambda match: str(unicodedata.decimal(match[0])), text)
        text = _VULGAR.sub(_vulgar, _RAISED.sub(_raised, text))
    if "\\" in text or "{" in text:
        text = _without_latex(text)
    if "\\" in text or "**" in text or "`" in text or "__" in text:
        for pattern, put in _LATEX_SIGNS:
            text = pattern.sub(put, text)
    return text


def _without_latex(text: str) -> str:
    for _ in range(_MOST_NESTED):
        before = text
        for pattern, put in _LATEX:
            text = pattern.sub(put, text)
        if text == before:
            break
    return text


def _raised(match: re.Match[str]) -> str:
    digits = match[1].translate(_LEVEL)
    return f"{digits}/{match[2].translate(_LEVEL)}" if match[2] else f"^{digits}"


def _vulgar(match: re.Match[str]) -> str:
    try:
        value = Fraction(unicodedata.numeric(match[2])).limit_denominator(12)
    except ValueError:
        return match[0]
    part = f"{value.numerator}/{value.denominator}"
    return f"{match[1]} {part}" if match[1] else part


def tokens(text: str) -> list[Token]:
    """Return the tokens of plain text, in order; only space is left out."""
    parts: list[Token] = []
    for match in _TOKEN.finditer(text):
        kind, word = match.lastgroup or "end", match.group()
        if kind == "num":
            parts.append(_number(match, word))
        elif kind == "word":
            parts.append(_word(match, word))
        elif kind == "mixed":
            parts.append(_mixed(match, word))
        elif kind == "times":
            parts.append(
                _token("op", match, "*") if _after_number(parts) else _token("word", match)
            )
        elif kind == "bracket":
            parts.append(_token("open" if word == "(" else "close", match))
        elif kind == "op" and _is_list_mark(text, match):
            parts.append(_token("end", match))
        else:
            parts.append(_token(kind, match))
    return parts


def _token(kind: str, match: re.Match[str], text: str | None = None) -> Token:
    return Token(kind, text or match.group(), match.start(), match.end())


def _number(match: re.Match[str], word: str) -> Token:
    read = read_numeral(word)
    if read is None:
        return _token("bad", match)
    return Token("number", word, match.start(), match.end(), *read)


def _mixed(match: re.Match[str], word: str) -> Token:
    whole, part = word.split()
    above, _, below = part.partition("/")
    if whole[0] == "0" or not 0 < int(above) < int(below):
        # "5 3/2" is not a mixed number.
        return _token("bad", match)
    return Token(
        "number", word, match.start(), match.end(), int(whole) + Fraction(int(above), int(below))
    )


def _word(match: re.Match[str], word: str) -> Token:
    low = _WORDS.get(word.casefold())
    return (
        _token("word", match)
        if low is None
        else _token("equals" if low == "=" else "op", match, low)
    )


def _after_number(parts: list[Token]) -> bool:
    """Return True if an `x` may mean times: after a number, with at most its unit between."""
    for token in reversed(parts[-3:]):
        if token.kind in ("number", "bad", "percent", "close"):
            return True
        if token.kind != "word":
            return False
    return False


def _is_list_mark(text: str, match: re.Match[str]) -> bool:
    """Return True for `- ` or `* ` at the beginning of a line."""
    line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
    return (
        match.group() in "-*+" and not line.strip() and text[match.end() : match.end() + 1] == " "
    )
