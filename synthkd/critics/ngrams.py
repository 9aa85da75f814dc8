"""Rows to hashed n-grams, words and pairs of words of their columns.

All rows of a batch are hashed at once (`text.hashed_ngrams`).

Features fall into blocks (`BLOCKS`). A model scales each block of a row to unit length, so that the
many pairs of words across columns do not outweigh the few words themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from synthkd.text.hashed_ngrams import (
    HashedColumn,
    Hashes,
    Ints,
    family_hashes,
    folded_texts,
    joined_hashes,
    mixed_bits,
)

#: Number of columns of the feature matrix, as a power of two.
BITS = 18
#: Blocks of hashed features: the relation; whole texts; words and pairs of neighbours; words under
#: the relation; character n-grams; whole texts and words across columns.
BLOCKS = 6
_RELATION, _WHOLE, _WORDS, _RELATED, _GRAMS, _ACROSS = range(BLOCKS)
#: Sizes of character n-grams, in bytes of UTF-8.
SIZES = (2, 3, 4)
#: Words of a column that are paired with those of another.
_PAIRED = 8


class HashedNgrams(NamedTuple):
    """Occurrences of features: row and column (below 2**BITS) of each.

    ``blocks`` are the consecutive entries of each of the `BLOCKS`.
    """

    rows: Ints
    columns: Ints
    blocks: list[slice]


def hashed_ngrams(rows: pa.Table | pa.RecordBatch, columns: Sequence[str]) -> HashedNgrams:
    """Hash the features of a batch; equal words in two columns are two features."""
    parts = {name: HashedColumn(folded_texts(rows.column(name))) for name in columns}
    relation = parts.pop("relation", None)
    families = sorted(_features(list(parts.values()), relation), key=lambda family: family[0])
    width = np.uint64(64 - BITS)
    sizes = np.zeros(BLOCKS, dtype=np.int64)
    for block, place, _ in families:
        sizes[block] += len(place)
    ends = np.cumsum(sizes).tolist()
    return HashedNgrams(
        np.concatenate([place for _, place, _ in families]),
        np.concatenate([(mixed_bits(value) >> width).astype(np.int64) for _, _, value in families]),
        [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)],
    )


def _features(
    parts: list[HashedColumn], relation: HashedColumn | None
) -> Iterator[tuple[int, Ints, Hashes]]:
    """Yield block, rows and hashes of each family of features; ``seed`` keeps families apart."""
    r = relation.whole if relation else None
    if r is not None:
        yield _RELATION, np.arange(len(r)), family_hashes(r, 1)
    for number, part in enumerate(parts):
        seed = 16 * (number + 1)
        yield from _with_relation(_WHOLE, _WHOLE, part.every, part.whole, r, seed)
        yield from _with_relation(_WORDS, _RELATED, part.word_rows, part.words, r, seed + 2)
        yield _WORDS, part.pair_rows, family_hashes(part.pairs, seed + 4)
        for size in SIZES:
            place, value = part.grams(size)
            yield _GRAMS, place, family_hashes(value, seed + 4 + size)
    for i, left in enumerate(parts):
        for j, right in enumerate(parts[i + 1 :], i + 1):
            seed = 16 * (len(parts) + 1 + i * len(parts) + j)
            yield _ACROSS, left.every, joined_hashes(left.whole, right.whole, seed)
            place, a, b = _crossed(left, right)
            both = joined_hashes(left.words[a], right.words[b], seed + 1)
            yield from _with_relation(_ACROSS, _ACROSS, place, both, r, seed + 2)


def _with_relation(
    alone: int, related: int, place: Ints, value: Hashes, relation: Hashes | None, seed: int
) -> Iterator[tuple[int, Ints, Hashes]]:
    """Yield features by themselves, and joined with their row's relation."""
    yield alone, place, family_hashes(value, seed)
    if relation is not None:
        yield related, place, joined_hashes(relation[place], value, seed + 1)


def _crossed(left: HashedColumn, right: HashedColumn) -> tuple[Ints, Ints, Ints]:
    """Pair the first words of two columns: rows, places in the left, places in the right."""
    wide = np.minimum(right.count, _PAIRED)
    pairs = np.minimum(left.count, _PAIRED) * wide
    place = np.repeat(left.every, pairs)
    within = np.arange(len(place)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    width = np.maximum(wide, 1)[place]
    return place, left.first[place] + within // width, right.first[place] + within % width
