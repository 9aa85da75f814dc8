"""Texts that run in a circle: the same phrase again and again."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from synthkd.filters.row_rules import TextRule
from synthkd.kinds.base import Kind, Row
from synthkd.text.normal_forms import normal_text

if TYPE_CHECKING:
    import pyarrow as pa

#: Words of a phrase: from a pair, which small words make common, to a part of a sentence.
_SIZES = (2, 3, 4, 5, 6)


class Repetition(TextRule):
    """Reject texts that say the same phrase again and again.

    A phrase is two to six words. Its share is that of the words of the text that stand in its
    second and later places, which do not overlap.
    """

    name: ClassVar[str] = "repetition"

    class Options(TextRule.Options):
        share: float = Field(
            0.3, gt=0, lt=1, description="Share of the words that may be one repeated phrase."
        )
        times: int = Field(
            4, ge=2, description="Rejected if one phrase of three words comes so many times."
        )

    options: Options

    def reads(self, kind: Kind) -> tuple[str, ...]:
        return self.text_columns(kind)

    def passes(self, batch: pa.RecordBatch, kind: Kind) -> Sequence[bool]:
        passed = []
        for text in self.texts(batch, kind):
            words = normal_text(text).split()
            pairs = list(itertools.pairwise(words))
            # Whatever repeats a phrase repeats a pair of words.
            passed.append(len(set(pairs)) == len(pairs))
        return passed

    def check(self, row: Row, kind: Kind) -> str | None:
        words = normal_text(self.text(row, kind)).split()
        for size in _SIZES:
            phrase, times = _most_frequent(words, size)
            again = size * (times - 1) / max(len(words), 1)
            if again > self.options.share or (size == 3 and times >= self.options.times):
                return f"says {phrase!r} {times} times"
        return None


def _most_frequent(words: Sequence[str], size: int) -> tuple[str, int]:
    """Return the phrase of so many words that comes most often, and how often, without overlap."""
    counts: Counter[tuple[str, ...]] = Counter()
    last: dict[tuple[str, ...], int] = {}
    for place in range(len(words) - size + 1):
        phrase = tuple(words[place : place + size])
        if last.get(phrase, -size) <= place - size:
            counts[phrase] += 1
            last[phrase] = place
    if not counts:
        return "", 0
    phrase, times = counts.most_common(1)[0]
    return " ".join(phrase), times
