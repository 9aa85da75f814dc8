"""Read numerals: runs of digits and separators, as a whole.

| written | read as |
|---|---|
| `1234`, `1,234`, `1,234.5`, `12,34,567`, `1'234`, `1_234` | itself |
| `1 234` (no-break or thin space) | itself |
| `1.234.567`, `1.234,5`, `1'234,5` | groups by point, decimals by comma |
| `3,5`, `12,34`, `0,125` | decimals by comma, but uncertain |
| `1.234` | 1.234; where an equation holds with 1234 only, 1234 |
| `1e5`, `1.5E-3` | scientific |
| `0900`, `1,2345`, `1,2,3`, `1.2.3`, `1.5.2024` | unreadable: a code, a list, a date |
| `5'6`, `0x10`, `1e500` | unreadable: a length, a hexadecimal, out of range |
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

#: Pattern of the longest run that may be one number, in plain text (see `tokens.plain`).
RUN = (
    r"0[xX][0-9a-fA-F]+|0[bBoO][0-7]+(?![\w.])"
    "|(?:[0-9]+|(?<![0-9.])\\.[0-9]+)(?:[.,'_\u202f][0-9]+)*(?:[eE][-+]?[0-9]{1,4}(?![\\w]))?"
)
#: Longer numbers answer nothing and cost time.
_MOST_DIGITS, _HIGHEST_EXPONENT = 40, 64
_EXPONENT = re.compile(r"[eE]([-+]?[0-9]+)$")
_WHOLE = re.compile(r"0|[1-9][0-9]*")
_POINT = re.compile(r"(?:0|[1-9][0-9]*)?\.[0-9]+")
_COMMAS = re.compile(
    r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}(?:\.[0-9]+)?"
)
_POINTS = re.compile(r"[1-9][0-9]{0,2}(?:(?:\.[0-9]{3})+,[0-9]+|(?:\.[0-9]{3}){2,})")
_MARKS = re.compile("[1-9][0-9]{0,2}(['_\u202f])[0-9]{3}(?:\\1[0-9]{3})*(?:[.,][0-9]+)?")
_COMMA = re.compile(r"[1-9][0-9]*,[0-9]{1,2}|0,[0-9]+")
_THREE_PLACES = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")


class Numeral(NamedTuple):
    """The value of a numeral.

    Attributes:
        value: The number.
        places: Decimals that it was written with.
        certain: False if other readings are common.
        other: The value if the point separates thousands.
    """

    value: Fraction
    places: int = 0
    certain: bool = True
    other: Fraction | None = None


@lru_cache(1 << 14)
def read_numeral(run: str) -> Numeral | None:
    """Read a whole run of digits and separators; None if it is not certainly a number."""
    if len(run) > _MOST_DIGITS:
        return None
    if _WHOLE.fullmatch(run):
        return Numeral(Fraction(int(run)))
    if match := _EXPONENT.search(run):
        return _scientific(run[: match.start()], int(match[1]))
    if _POINT.fullmatch(run):
        other = Fraction(run.replace(".", "")) if _THREE_PLACES.fullmatch(run) else None
        return Numeral(Fraction(run), len(run.partition(".")[2]), True, other)
    if _COMMAS.fullmatch(run):
        return _decimal(run.replace(",", ""))
    if _POINTS.fullmatch(run):
        return _decimal(run.replace(".", "").replace(",", "."))
    if match := _MARKS.fullmatch(run):
        return _decimal(run.replace(match[1], "").replace(",", "."))
    if _COMMA.fullmatch(run):
        return _decimal(run.replace(",", "."), certain=False)
    return None


def _decimal(digits: str, certain: bool = True) -> Numeral:
    return Numeral(Fraction(digits), len(digits.partition(".")[2]), certain)


def _scientific(mantissa: str, exponent: int) -> Numeral | None:
    read = read_numeral(mantissa)
    if read is None or abs(exponent) > _HIGHEST_EXPONENT:
        return None
    return Numeral(
        read.value * Fraction(10) ** exponent, max(0, read.places - exponent), read.certain
    )
