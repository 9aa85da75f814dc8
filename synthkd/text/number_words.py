"""Read numbers in words: `twenty-three`, `two hundred and five`, `half a million`, `two thirds`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from synthkd.text.normal_forms import word_set

_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
    "eighteen", "nineteen",
)  # fmt: skip
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
#: Words of numbers below a hundred, with their values.
NUMBER_WORDS = {word: Fraction(i) for i, word in enumerate(_SMALL)} | {
    word: Fraction(10 * i) for i, word in enumerate(TENS, 2)
}
_ORDINAL_WORDS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
    "tenth", "eleventh", "twelfth",
)  # fmt: skip
#: Ordinals from `first` to `twelfth`, with their values.
ORDINALS = {word: i for i, word in enumerate(_ORDINAL_WORDS, 1)}
_SCALES = {
    "thousand": 10**3,
    "lakh": 10**5,
    "lac": 10**5,
    "million": 10**6,
    "crore": 10**7,
    "billion": 10**9,
    "trillion": 10**12,
    "quadrillion": 10**15,
}
_PARTS = {
    "half": 2,
    "halve": 2,
    "third": 3,
    "quarter": 4,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "ninth": 9,
    "tenth": 10,
    "hundredth": 100,
    "thousandth": 1000,
}
#: Words that multiply the number before them, with their factors.
MAGNITUDES = {
    **{word: Fraction(scale) for word, scale in _SCALES.items()},
    **{f"{word}s": Fraction(scale) for word, scale in _SCALES.items()},
    **dict.fromkeys(("hundred", "hundreds"), Fraction(100)),
    **dict.fromkeys(("dozen", "dozens"), Fraction(12)),
    **dict.fromkeys(("mn", "mln", "mio"), Fraction(10**6)),
    **dict.fromkeys(("bn", "bln"), Fraction(10**9)),
    **dict.fromkeys(("tn", "trn"), Fraction(10**12)),
}
#: Magnitudes in other languages. Some are false friends of one another, so none is read.
FOREIGN_MAGNITUDES = word_set(
    "millionen millones millón milhões milhão milioni milione miljoen miljoner miljon "
    "milliard milliards milliarde milliarden miliardi miljard billones bilhões mille tausend "
    "hundert millier milliers mil mila dutzend douzaine douzaines docena docenas dúzia duzia "
    "тысяча тысячи тысяч миллион миллиона миллионов миллиард миллиарда миллиардов млн млрд "
    "тыс हज़ार हजार लाख करोड़ करोड़ करोड अरब ألف آلاف مليون مليار nghìn ngàn triệu tỷ ribu "
    "juta milyon milyar"
)
#: Characters that multiply the number before them, without a blank between: 3万円.
CHARACTER_MAGNITUDES = {
    **dict.fromkeys("万萬만", Fraction(10**4)),
    **dict.fromkeys("億亿억", Fraction(10**8)),
    **dict.fromkeys("千천", Fraction(1000)),
    **dict.fromkeys("百백", Fraction(100)),
}
#: Characters of numbers, which may follow `CHARACTER_MAGNITUDES`: 3万五千.
CHARACTER_NUMBERS = frozenset("〇零一二三四五六七八九十百千万萬億亿兆半만억천백십조")


def part_of(word: str) -> Fraction | None:
    """Return the fraction that a word names (`thirds`: 1/3); None if the word names none."""
    below = _PARTS.get(word) or _PARTS.get(word.removesuffix("s"))
    return Fraction(1, below) if below else None


def is_spelled(word: str) -> bool:
    """Return True if a word may be part of a number in words."""
    return (
        word in NUMBER_WORDS
        or word in MAGNITUDES
        or word == "half"
        or (word.count("-") == 1 and _hyphened(word))
    )


def _hyphened(word: str) -> bool:
    return all(
        piece in NUMBER_WORDS or part_of(piece) or piece in MAGNITUDES for piece in word.split("-")
    )


def spelled_words(words: Sequence[str]) -> list[str]:
    """Return the words in lower case; split hyphenated numbers such as `twenty-three`."""
    parts: list[str] = []
    for word in words:
        low = word.casefold()
        parts += low.split("-") if is_spelled(low) else [low]
    return parts


def take_spelled(words: Sequence[str], start: int) -> int:
    """Return the place after the number in words that begins at ``start``; ``start`` if none."""
    place, last = start, start
    while place < len(words):
        word = words[place]
        if (
            word in NUMBER_WORDS
            or word in MAGNITUDES
            or (part_of(word) and (place > start or word == "half"))
        ):
            place = last = place + 1
        elif (word == "and" and last > start) or (word in ("a", "an") and place - last < 2):
            place += 1
        elif word == "point" and last > start:
            place = last = place + 1
        else:
            break
    return last


def read_spelled(words: Sequence[str]) -> Fraction | None:
    """Return the value of a number in words; None if the words are no number."""
    words = (
        [word for word in words if word not in ("a", "an")]
        if words[:1] != ["a"]
        else ["one", *words[1:]]
    )
    if not words:
        return None
    if words == ["half"] or words == ["one", "half"]:
        return Fraction(1, 2)
    if words[0] == "half" or words[:2] == ["one", "half"]:
        rest = [word for word in words[words.index("half") + 1 :] if word not in ("a", "an")]
        scale = _scale_of(rest)
        return scale / 2 if scale else None
    words = [word for word in words if word not in ("a", "an")]
    if "half" in words or any(part_of(word) for word in words):
        return _with_part(words)
    return _whole(words)


def _scale_of(words: Sequence[str]) -> Fraction | None:
    return MAGNITUDES.get(words[0]) if len(words) == 1 else None


def _with_part(words: list[str]) -> Fraction | None:
    """Read a number with a fraction: `two thirds`, `one and a half million`."""
    place = next(i for i, word in enumerate(words) if part_of(word))
    part, behind = part_of(words[place]), words[place + 1 :]
    before = words[:place]
    if part is None:
        return None
    if "and" in before:
        cut = len(before) - 1 - before[::-1].index("and")
        whole, many = _whole(before[:cut]), _whole(before[cut + 1 :] or ["one"])
        if (
            whole is None
            or many is None
            or many * part >= 1
            or any(word in MAGNITUDES for word in before[:cut])
        ):
            return None
        value = whole + many * part
    else:
        count = _whole(before)
        if count is None:
            return None
        value = count * part
    if not behind:
        return value
    scale = _scale_of(behind)
    return value * scale if scale else None


def _whole(words: Sequence[str]) -> Fraction | None:
    total, group, last = Fraction(0), Fraction(0), Fraction(10**18)
    fresh = True
    for place, word in enumerate(words):
        if word == "and":
            if not place or words[place - 1] not in MAGNITUDES or place + 1 == len(words):
                return None
        elif word in NUMBER_WORDS:
            value = NUMBER_WORDS[word]
            room = 10 if 0 < value < 10 else 100
            if not fresh and (value == 0 or group % room):
                return None
            if not fresh and 0 < value < 10 and 10 <= group % 100 < 20:
                return None
            group, fresh = group + value, False
        elif (scale := MAGNITUDES.get(word)) is None or fresh:
            return None
        elif scale == 100:
            if not 0 < group < 100:
                return None
            group *= 100
        elif scale == 12:
            return group * 12 if place + 1 == len(words) and not total else None
        else:
            if group == 0 or scale >= last:
                return None
            total, group, last = total + group * scale, Fraction(0), scale
    return None if fresh else total + group
