"""How much two texts overlap: the Jaccard similarity of their shingles."""

from __future__ import annotations

from synthkd.text.normal_forms import SHINGLE, normal_text, shingles

__all__ = ["SHINGLE", "jaccard", "normal_text", "shingles"]


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Shared runs over all runs."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)
