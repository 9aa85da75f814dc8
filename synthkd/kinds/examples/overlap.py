"""When two texts are the same, or nearly: in any language that is written in letters or signs."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

#: Characters of a shingle.
SHINGLE = 4
_APOSTROPHES = dict.fromkeys(map(ord, "'’‘`´"))


@lru_cache(1 << 14)
def normal_text(text: str) -> str:
    """NFKC, lower case, letters, digits and marks with single spaces; apostrophes close up (can't, cant). A text without
    any of them (signs, emoji) is only folded."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    kept = "".join(
        ch if unicodedata.category(ch)[0] in "LNM" else " " for ch in folded.translate(_APOSTROPHES)
    )
    return " ".join(kept.split()) or folded


def shingles(text: str, size: int = SHINGLE) -> frozenset[str]:
    """The runs of so many characters in a normalised text, its ends marked; a shorter text is one run."""
    marked = f" {text} "
    return frozenset(marked[i : i + size] for i in range(max(1, len(marked) - size + 1)))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Shared runs over all runs."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)
