"""Find phrases in a text by their words, with the places where they stand.

Case, spaces, accents, punctuation between words, articles before a phrase, and the plural of its
noun do not count; word boundaries do. Numbers are equal by value (`8,988,056`, `8988056`), and a
date in digits equals the date in words (`1943-05-13`, `13 May 1943`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from synthkd.text.normal_forms import normal_phrase, stored, word_pattern
from synthkd.text.nouns import noun_forms

#: A word with signs that belong to it, as in `C++` or `F#`; a number with its separators.
_WORD = re.compile(rf"\d{{1,3}}(?:,\d{{3}})+(?!\d)|{word_pattern()}[+#]*")
_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
#: Words that may stand inside a date: `13th of May`.
_IN_DATES = {"of", "the", "st", "nd", "rd", "th"}


class TextSpan(NamedTuple):
    """A place in a text: ``text[start:end]``."""

    start: int
    end: int


class PhraseFinder:
    """Finds phrases in one text.

    Attributes:
        words: The folded words of the text.
    """

    def __init__(self, text: str) -> None:
        matches = list(_WORD.finditer(text))
        self.words = [fold_word(match.group()) for match in matches]
        self._spans = [match.span() for match in matches]
        self._places: dict[str, list[int]] = {}
        for place, word in enumerate(self.words):
            self._places.setdefault(word, []).append(place)

    def find(self, phrase: str, gap: int | None = None, endings: bool = False) -> TextSpan | None:
        """Return the first place of a phrase; None if the text does not have it.

        Args:
            phrase: The phrase.
            gap: If set, the words of the phrase may also stand in any order, with at most so many
                other words between them.
            endings: Words may also differ in their last letters (see `same_stem`).
        """
        place = next(self._runs(phrase), None)
        words = _words(normal_phrase(phrase))
        if place is None and endings:
            place = self._stems(words)
        if place is None and gap is not None:
            place = self._scattered(words, gap)
        return None if place is None else self._span(*place)

    def find_all(self, phrase: str) -> list[TextSpan]:
        """Return the places of a phrase, in order."""
        return [self._span(*run) for run in sorted(set(self._runs(phrase)))]

    def _span(self, first: int, last: int) -> TextSpan:
        return TextSpan(self._spans[first][0], self._spans[last][1])

    def _runs(self, phrase: str) -> Iterator[tuple[int, int]]:
        """Yield first and last word of each place, those of the phrase's own form first."""
        for form in phrase_forms(phrase):
            for place in self._places.get(form[0], ()):
                if tuple(self.words[place : place + len(form)]) == form:
                    yield place, place + len(form) - 1
        if date := _ISO.fullmatch(phrase.strip()):
            yield from self._dates(*map(int, date.groups()))

    def _dates(self, year: int, month: int, day: int) -> Iterator[tuple[int, int]]:
        if not 1 <= month <= 12:
            return
        name = _MONTHS[month - 1]
        days = {str(day), f"{day:02d}", *(f"{day}{ending}" for ending in ("st", "nd", "rd", "th"))}
        for place in self._places.get(str(year), ()):
            for begin, end in ((place - 4, place), (place + 1, place + 5)):
                near = [
                    at
                    for at in range(max(begin, 0), min(end, len(self.words)))
                    if self.words[at] not in _IN_DATES
                ]
                beside = near[-2:] if begin < place else near[:2]
                words = {self.words[at] for at in beside}
                if words & {name, name[:3]} and words & days:
                    places = [*beside, place]
                    yield min(places), max(places)

    def _stems(self, words: Sequence[str]) -> tuple[int, int] | None:
        """Return the first run of words with the stems of these."""
        for place in range(len(self.words) - len(words) + 1 if words else 0):
            run = self.words[place : place + len(words)]
            if all(map(same_stem, words, run)):
                return place, place + len(words) - 1
        return None

    def _scattered(self, words: Sequence[str], gap: int) -> tuple[int, int] | None:
        """Return the first stretch that has all words, and at most ``gap`` others."""
        if not words:
            return None
        length = len(words) + gap
        for place in self._places.get(words[0], ()):
            for begin in range(max(0, place - length + 1), place + 1):
                stretch = self.words[begin : begin + length]
                if stretch[0] in words and set(words) <= set(stretch):
                    last = max(max(i for i, w in enumerate(stretch) if w == one) for one in words)
                    return begin, begin + last
        return None


@lru_cache(1 << 6)
def phrase_finder(text: str) -> PhraseFinder:
    """Return the finder of a text; those of the last texts are kept."""
    return PhraseFinder(text)


@lru_cache(1 << 14)
def phrase_forms(phrase: str) -> tuple[tuple[str, ...], ...]:
    """Return the folded words of a phrase and of its other forms, its own form first."""
    own = tuple(_words(normal_phrase(phrase)) or _words(phrase))
    others = (tuple(_words(" ".join(form))) for form in noun_forms(phrase))
    return tuple(form for form in dict.fromkeys((own, *others)) if form)


def _words(phrase: str) -> list[str]:
    return [fold_word(match.group()) for match in _WORD.finditer(phrase)]


def same_stem(one: str, other: str) -> bool:
    """Return True for equal words and such as `Germany` and `German`, `Mexico` and `Mexican`.

    At least four letters at the beginning are equal, and at most three behind them are not.
    """
    if one == other:
        return True
    shorter, longer = sorted((len(one), len(other)))
    equal = next((i for i in range(shorter) if one[i] != other[i]), shorter)
    return equal >= 4 and longer - equal <= 3 and one.isalpha() and other.isalpha()


@lru_cache(1 << 16)
def fold_word(word: str) -> str:
    """Return a word without case, accents of Latin, Greek and Cyrillic letters, and separators."""
    if word.isascii():
        return word.replace(",", "").lower()
    folded, base = "", ""
    for ch in unicodedata.normalize("NFKD", stored(word).replace(",", "").casefold()):
        if unicodedata.category(ch) == "Mn" and base < "\u0530":
            continue
        folded, base = folded + ch, ch
    return unicodedata.normalize("NFC", folded)
