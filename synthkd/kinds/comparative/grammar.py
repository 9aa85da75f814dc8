"""A regular expression of whole answers, from ordered sets: auxiliary, adverb, quantifier, comparative.

` typically much heavier.`        sets: adverbs, quantifiers (may be left out), comparatives
` are typically much heavier.`    with auxiliaries, where the prompt leaves them to the answer
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from synthkd.kinds.comparative.lexicon import ADJECTIVES, graded
from synthkd.kinds.comparative.words import ADVERBS, QUANTIFIERS

#: What may be graded by *more* or *less* beside the lexicon: one word.
OPEN = r"(?:more|less) [a-z]{3,16}"


def regex_of(
    comparatives: Sequence[str] | None = None,
    adverbs: Sequence[str] = ADVERBS,
    quantifiers: Sequence[str] = QUANTIFIERS,
    auxiliaries: Sequence[str] = (),
) -> str:
    """An answer: one word of each set in their order. Without ``comparatives``: the lexicon's, and more or less X."""
    words = [_any(comparatives)] if comparatives else [_any(lexicon_comparatives(), OPEN)]
    if quantifiers:
        words.insert(0, f"(?:{_any(quantifiers)} )?")
    if adverbs:
        words.insert(0, f"{_any(adverbs)} ")
    if auxiliaries:
        words.insert(0, f"{_any(auxiliaries)} ")
    return " " + "".join(words) + r"\."


def lexicon_comparatives() -> list[str]:
    """Comparatives in one word, of the lexicon."""
    return sorted({word for word in map(graded, ADJECTIVES) if " " not in word})


def _any(words: Sequence[str], *open_forms: str) -> str:
    return f"(?:{'|'.join([*map(_escaped, words), *open_forms])})"


def _escaped(word: str) -> str:
    # Some engines refuse an escaped space or hyphen.
    return re.sub(r"([.^$*+?{}\[\]\\|()])", r"\\\1", word)
