"""Overlap of two texts in words: ROUGE-1 (Lin 2004), without stemming."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from synthkd.text.normal_forms import stored, word_pattern

_WORD = re.compile(word_pattern())


class WordOverlap(NamedTuple):
    """Shares of words in common: of a text's words, of its reference's, and their harmonic mean."""

    precision: float
    recall: float
    f1: float


def word_overlap(reference: str, text: str) -> WordOverlap:
    """Compare the words of two texts; a word counts as often as it stands in both.

    A text without words has 0 in common with any other.
    """
    one, other = _counts(reference), _counts(text)
    common = (one & other).total()
    total = one.total() + other.total()
    return WordOverlap(
        common / max(other.total(), 1), common / max(one.total(), 1), 2 * common / max(total, 1)
    )


def rouge_1(reference: str, text: str) -> float:
    """Return ROUGE-1 F1 of a text and its reference."""
    return word_overlap(reference, text).f1


def _counts(text: str) -> Counter[str]:
    return Counter(match.group() for match in _WORD.finditer(stored(text).casefold()))
