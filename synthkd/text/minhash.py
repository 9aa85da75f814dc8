"""MinHash signatures of many texts, in bands.

Two texts are candidates if they agree in a whole band; their exact Jaccard similarity decides
(`near_search`). Bands are so narrow that two texts at the threshold are candidates with a
probability of at least `RECALL`.

A value of a signature is the least of the hashes of a text's shingles times an odd number, modulo
2^32. The hashes are mixed, so that such a product is as good as a random order of them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from synthkd.text.normal_forms import SHINGLE
from synthkd.text.shingle_sets import Numbers, shingle_hashes

#: Hashes of a signature, and the least probability that two texts at the threshold are candidates.
HASHES, RECALL = 256, 0.99
_MIX = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = np.random.Generator(np.random.PCG64(20)).integers(0, 1 << 32, HASHES, np.uint32) | 1
#: Texts whose signatures are made together, and values of a signature at a time: their arrays fit
#: into a processor's cache.
_TEXTS, _VALUES = 1 << 12, 16
#: Longer texts, in shingles, are hashed one by one.
_LONG = 512


class Bands:
    """Signatures of texts, in bands.

    Args:
        threshold: Jaccard similarity of two near-duplicates, at least.
        size: Characters of a shingle.
    """

    def __init__(self, threshold: float = 0.8, size: int = SHINGLE) -> None:
        if not 0.3 <= threshold < 1:
            raise ValueError(f"threshold: a number from 0.3 to 1 is needed, not {threshold!r}")
        if size < 1:
            raise ValueError("size: counts from 1")
        self.threshold, self.size = threshold, size
        self.width = _width(threshold)
        self.count = HASHES // self.width

    def of(self, forms: pa.Array) -> Numbers:
        """Return a hash for each normal form and band, uint32 of shape (texts, bands).

        Different bands of signatures share a hash with a probability of 2^-32.
        """
        parts = [self._of(forms.slice(i, _TEXTS)) for i in range(0, len(forms), _TEXTS)]
        return np.concatenate([np.empty((self.count, 0), np.uint32), *parts], axis=1).T

    def _of(self, forms: pa.Array) -> Numbers:
        signatures = _signatures(*shingle_hashes(forms, self.size), self.width * self.count)
        mixed = np.zeros((self.count, len(forms)), np.uint64)
        for value in range(self.width):
            mixed ^= signatures[value :: self.width]
            mixed *= _MIX
            mixed ^= mixed >> np.uint64(29)
        return (mixed >> np.uint64(32)).astype(np.uint32)


def _width(threshold: float) -> int:
    """Return the widest band in hashes with which the recall is reached."""
    fit = [w for w in range(1, 17) if 1 - (1 - threshold**w) ** (HASHES // w) >= RECALL]
    return max(fit, default=1)


def _signatures(hashes: Numbers, begins: Numbers, values: int) -> Numbers:
    """Return the signatures of texts, uint32 of shape (values, texts)."""
    low, counts = hashes.astype(np.uint32), np.diff(begins)
    result = np.empty((values, len(counts)), np.uint32)
    for text in np.flatnonzero(counts > _LONG):
        result[:, text] = _long_signature(low[begins[text] : begins[text + 1]], values)
    # Longest first: the texts that have a shingle at some place are the first ones.
    short = np.flatnonzero(counts <= _LONG)
    short = short[np.argsort(-counts[short], kind="stable")]
    if not len(short):
        return result
    first, sizes = begins[short], counts[short]
    have = [int(np.searchsorted(-sizes, -place, "left")) for place in range(int(sizes[0]))]
    shingles = [low[first[:count] + place] for place, count in enumerate(have)]
    products = np.empty((_VALUES, len(short)), np.uint32)
    for begin in range(0, values, _VALUES):
        factors = _FACTORS[begin : min(begin + _VALUES, values), None]
        least = shingles[0] * factors
        for own in shingles[1:]:
            product = products[: len(factors), : len(own)]
            np.multiply(own, factors, out=product)
            np.minimum(least[:, : len(own)], product, out=least[:, : len(own)])
        result[begin : begin + len(factors), short] = least
    return result


def _long_signature(hashes: Numbers, values: int) -> Numbers:
    least = np.full(values, 0xFFFFFFFF, np.uint32)
    for begin in range(0, len(hashes), _LONG):
        products = hashes[begin : begin + _LONG, None] * _FACTORS[:values]
        np.minimum(least, products.min(axis=0), out=least)
    return least
