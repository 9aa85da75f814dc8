"""Diversity measures of a list of texts.

Higher is more diverse, except for `self_bleu` and `compression`.

All measures depend on the number of texts: compare equal numbers only.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from synthkd.text.normal_forms import word_pattern

_WORD = re.compile(rf"{word_pattern(underscore=True)}|[^\w\s]")
Words = Sequence[str]
Grams = Mapping[tuple[str, ...], int]


def word_tokens(text: str) -> list[str]:
    """Return lower-case words and single punctuation marks."""
    return _WORD.findall(text.lower())


def distinct_n(texts: Sequence[Words], n: int) -> float:
    """Return distinct-n, different n-grams over all n-grams (Li et al. 2016, arXiv 1510.03055).

    0 if there are no n-grams.
    """
    seen: set[tuple[str, ...]] = set()
    total = 0
    for text in texts:
        grams = list(zip(*(text[i:] for i in range(n)), strict=False))
        seen.update(grams)
        total += len(grams)
    return len(seen) / total if total else 0.0


def compression(texts: Sequence[str]) -> float:
    """Return the compression ratio (Shaib et al. 2024, arXiv 2403.00553).

    Bytes of the texts, a line each, over their bytes after zlib at level 6. High for repetitive
    texts; 0 for no texts.
    """
    plain = "\n".join(texts).encode("utf-8", "replace")
    return len(plain) / len(zlib.compress(plain, 6)) if plain else 0.0


def self_bleu(texts: Sequence[Words], n: int = 4) -> float:
    """Return self-BLEU, the mean BLEU-n of each text against all others (arXiv 1802.01886).

    Counts of n-grams above the first have one added on both sides (Lin and Och 2004), as most texts
    are shorter than a sentence. A text without words counts 0; 0 for fewer than two texts.
    """
    if len(texts) < 2:
        return 0.0
    counts = [[_grams(text, order) for text in texts] for order in range(1, n + 1)]
    tops = [_two_greatest(grams) for grams in counts]
    lengths = Counter(len(text) for text in texts)
    return sum(_bleu_of(i, text, counts, tops, lengths) for i, text in enumerate(texts)) / len(
        texts
    )


def _bleu_of(
    place: int, text: Words, counts: list[list[Grams]], tops: list[dict[tuple[str, ...], tuple[int,
    int, int]]],
    lengths: Counter[int],
) -> float:  # fmt: skip
    if not text:
        return 0.0
    logs = 0.0
    for order, (grams, top) in enumerate(zip(counts, tops, strict=True), 1):
        met = 0
        for gram, count in grams[place].items():
            greatest, whose, second = top[gram]
            met += min(count, second if whose == place else greatest)
        of = max(0, len(text) - order + 1)
        share = met / of if order == 1 else (met + 1) / (of + 1)
        if share == 0:
            return 0.0
        logs += math.log(share)
    nearest = _nearest_length(len(text), lengths)
    brevity = min(0.0, 1 - nearest / len(text))
    return math.exp(brevity + logs / len(counts))


def _nearest_length(length: int, lengths: Counter[int]) -> int:
    """Return the nearest length of another text, the shorter of two."""
    if lengths[length] > 1:
        return length
    return min((other for other in lengths if other != length), key=lambda x: (abs(x - length), x))


def _grams(text: Words, n: int) -> Grams:
    return Counter(zip(*(text[i:] for i in range(n)), strict=False))


def _two_greatest(all_grams: Iterable[Grams]) -> dict[tuple[str, ...], tuple[int, int, int]]:
    """Return, per n-gram, its greatest count, that text, and the greatest count in other texts."""
    tops: dict[tuple[str, ...], tuple[int, int, int]] = {}
    for place, grams in enumerate(all_grams):
        for gram, count in grams.items():
            greatest, whose, second = tops.get(gram, (0, -1, 0))
            if count > greatest:
                tops[gram] = (count, place, greatest)
            elif count > second:
                tops[gram] = (greatest, whose, count)
    return tops


def soft_unique(texts: Sequence[Words], limit: float = 0.5) -> float:
    """Return the share of texts whose BLEU-2 against every text kept before is below ``limit``.

    This is `size (div)` of symbolic knowledge distillation (West et al. 2022, arXiv 2110.07178)
    over the number of texts.
    """
    kept: list[tuple[Words, Grams, Grams]] = []
    for text in texts:
        mine = (text, _grams(text, 1), _grams(text, 2))
        if not any(_bleu2(mine, other) >= limit for other in kept):
            kept.append(mine)
    return len(kept) / len(texts) if texts else 0.0


def _bleu2(mine: tuple[Words, Grams, Grams], other: tuple[Words, Grams, Grams]) -> float:
    """Return BLEU-2 against one reference, unsmoothed; BLEU-1 if a side has a single word."""
    (text, *grams), (reference, *theirs) = mine, other
    if not text or not reference:
        return float(not text and not reference)
    orders = min(2, len(text), len(reference))
    product = 1.0
    for own, their in zip(grams[:orders], theirs[:orders], strict=True):
        product *= sum(min(count, their.get(gram, 0)) for gram, count in own.items()) / sum(
            own.values()
        )
    brevity = min(1.0, math.exp(1 - len(reference) / len(text)))
    return float(brevity * product ** (1 / orders))


def entropy(counts: Iterable[int]) -> float:
    """Return the Shannon entropy, in nats, of a distribution given by counts."""
    values = [count for count in counts if count]
    total = sum(values)
    return -sum(count / total * math.log(count / total) for count in values) if total else 0.0


#: Name -> measure of texts and their words.
ON_TEXTS: dict[str, Callable[[Sequence[str], Sequence[Words]], float]] = {
    "distinct_1": lambda _, w: distinct_n(w, 1),
    "distinct_2": lambda _, w: distinct_n(w, 2),
    "distinct_3": lambda _, w: distinct_n(w, 3),
    "self_bleu": lambda _, w: self_bleu(w),
    "soft_unique": lambda _, w: soft_unique(w),
    "compression": lambda t, _: compression(t),
}
