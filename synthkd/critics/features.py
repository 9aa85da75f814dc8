"""Rows to a sparse matrix: hashed n-grams of the parts and their pairs, and what the teacher's numbers say.

All rows of a batch are hashed at once. With ``P`` the running sum of ``byte[i] * A**i``, the hash of any piece of
text is ``(P[end] - P[start]) * A**-start`` (Rabin and Karp's, modulo 2**64), so that n-grams, words and whole texts
are differences of one array. A linear model sees only sums, so each number also comes as a one-hot of its quantile
bin.

Features fall into blocks (`BLOCKS`). A model scales each block of a row to unit length, so that the many pairs of words
across the parts do not outweigh the few words themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from synthkd.artifacts.arrays import Array

BITS = 18
#: Quantile bins of each number.
BINS = 10
NUMERIC = ("logprob", "logprob_per_token", "recurrence", "length")
#: The columns of the rows that each number is made from; the length is that of the text itself.
SOURCES = (("logprob",), ("logprob", "tokens"), ("recurrence",), ())
COLUMNS = ("logprob", "tokens", "recurrence")
#: Columns that `Scales.dense` makes of them.
WIDTH = len(NUMERIC) * (BINS + 2)
#: The number that each column of `Scales.dense` belongs to: the values, their missing flags, their bins.
_OWNER = np.concatenate([np.tile(np.arange(len(NUMERIC)), 2), np.repeat(np.arange(len(NUMERIC)), BINS)])
#: A value this near below an edge counts as the edge: another processor rounds logarithms otherwise.
_EDGE = 1e-9
#: A deviation below this is rounding.
_CONSTANT = 1e-9
#: The arrays of `Scales` in a critic's file.
SCALES = {
    "mean": Array("float64", (len(NUMERIC),)),
    "deviation": Array("float64", (len(NUMERIC),), 0),
    "edges": Array("float64", (len(NUMERIC), BINS - 1)),
    "centre": Array("float64", (WIDTH,)),
}
#: Blocks of hashed features: the relation; whole parts; words and pairs of neighbours; words under the relation; character
#: n-grams; whole parts and words across parts.
BLOCKS = 6
_RELATION, _WHOLE, _WORDS, _RELATED, _GRAMS, _ACROSS = range(BLOCKS)
#: Sizes of character n-grams, in bytes of UTF-8.
SIZES = (2, 3, 4)
#: Rows of a matrix product.
_TOGETHER = 256
#: Words of a part that are paired with those of another.
_PAIRED = 8
_EDGES = " \t.,;:!\"'`“”‘’"
Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Hashes = np.ndarray[Any, np.dtype[np.uint64]]

#: An odd number has an inverse modulo 2**64.
_A = 0x9E3779B97F4A7C15
_A_INVERSE = pow(_A, -1, 1 << 64)
_MIX = np.uint64(0xD6E8FEB86659FD93)


class HashedNgrams(NamedTuple):
    """One entry for each occurrence: its row and its column, below 2**BITS.

    ``blocks``: the entries of each of the `BLOCKS`, which stand together.
    """

    rows: Ints
    columns: Ints
    blocks: list[slice]


def hashed_ngrams(rows: pa.Table | pa.RecordBatch, columns: Sequence[str]) -> HashedNgrams:
    """The symbolic features of a batch. Each names its part, so equal words in two parts stay apart."""
    parts = {name: _Part(_texts(rows.column(name))) for name in columns}
    relation = parts.pop("relation", None)
    found = sorted(_features(list(parts.values()), relation), key=lambda family: family[0])
    width = np.uint64(64 - BITS)
    sizes = np.zeros(BLOCKS, dtype=np.int64)
    for block, place, _ in found:
        sizes[block] += len(place)
    ends = np.cumsum(sizes).tolist()
    return HashedNgrams(
        np.concatenate([place for _, place, _ in found]),
        np.concatenate([(_mixed(value) >> width).astype(np.int64) for _, _, value in found]),
        [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)],
    )


def _features(parts: list[_Part], relation: _Part | None) -> Iterator[tuple[int, Ints, Hashes]]:
    """Block, rows and hashes of each family of features; ``seed`` keeps the families apart."""
    r = relation.whole if relation else None
    if r is not None:
        yield _RELATION, np.arange(len(r)), _seeded(r, 1)
    for number, part in enumerate(parts):
        seed = 16 * (number + 1)
        yield from _with_relation(_WHOLE, _WHOLE, part.every, part.whole, r, seed)
        yield from _with_relation(_WORDS, _RELATED, part.word_rows, part.words, r, seed + 2)
        yield _WORDS, part.pair_rows, _seeded(part.pairs, seed + 4)
        for size in SIZES:
            place, value = part.grams(size)
            yield _GRAMS, place, _seeded(value, seed + 4 + size)
    for i, left in enumerate(parts):
        for j, right in enumerate(parts[i + 1 :], i + 1):
            seed = 16 * (len(parts) + 1 + i * len(parts) + j)
            yield _ACROSS, left.every, _joined(left.whole, right.whole, seed)
            place, a, b = _crossed(left, right)
            both = _joined(left.words[a], right.words[b], seed + 1)
            yield from _with_relation(_ACROSS, _ACROSS, place, both, r, seed + 2)


def _with_relation(
    alone: int, related: int, place: Ints, value: Hashes, relation: Hashes | None, seed: int
) -> Iterator[tuple[int, Ints, Hashes]]:
    """The features by themselves, and under their row's relation, each in its block."""
    yield alone, place, _seeded(value, seed)
    if relation is not None:
        yield related, place, _joined(relation[place], value, seed + 1)


class _Part:
    """One column of a batch: its texts between blanks, as bytes, with the running sum over them."""

    def __init__(self, texts: pa.Array) -> None:
        offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
        self.data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
        self.starts = (offsets[:-1] - offsets[0]).astype(np.int64)
        self.ends = (offsets[1:] - offsets[0]).astype(np.int64)
        self.every = np.arange(len(texts))
        self._rows = np.repeat(self.every, self.ends - self.starts)
        powers, self._inverse = _powers(_room(len(self.data)))
        self._sums = np.zeros(len(self.data) + 1, np.uint64)
        np.cumsum(self.data * powers[: len(self.data)], out=self._sums[1:])
        self.whole = self._hash(self.starts + 1, self.ends - 1)
        self._cut_words()

    def _hash(self, start: Ints, end: Ints) -> Hashes:
        """Hashes of the pieces from ``start`` to before ``end``."""
        value: Hashes = (self._sums[end] - self._sums[start]) * self._inverse[start]
        return value

    def _cut_words(self) -> None:
        """Words lie between blanks. ``first`` and ``count`` say where those of each row are."""
        blanks = np.flatnonzero(self.data == 32)
        start, end = blanks[:-1] + 1, blanks[1:]
        inside = (self._rows[blanks[:-1]] == self._rows[blanks[1:]]) & (end > start)
        start, end = start[inside], end[inside]
        self.word_rows = self._rows[start]
        self.words = self._hash(start, end)
        self.count = np.bincount(self.word_rows, minlength=len(self.every))
        self.first = np.cumsum(self.count) - self.count
        next_to = np.flatnonzero(self.word_rows[:-1] == self.word_rows[1:])
        self.pair_rows = self.word_rows[next_to]
        self.pairs = self._hash(start[next_to], end[next_to + 1])

    def grams(self, size: int) -> tuple[Ints, Hashes]:
        """Rows and hashes of the n-grams, the blanks around the text included."""
        last = max(len(self.data) - size + 1, 0)
        start = np.flatnonzero(self._rows[:last] == self._rows[size - 1 : size - 1 + last])
        return self._rows[start], self._hash(start, start + size)


def _crossed(left: _Part, right: _Part) -> tuple[Ints, Ints, Ints]:
    """Rows, and which words: each of the first of one part with each of the first of the other."""
    wide = np.minimum(right.count, _PAIRED)
    pairs = np.minimum(left.count, _PAIRED) * wide
    place = np.repeat(left.every, pairs)
    within = np.arange(len(place)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    width = np.maximum(wide, 1)[place]
    return place, left.first[place] + within // width, right.first[place] + within % width


def _texts(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Each text in plain form: NFKC, lower case, single blanks, no punctuation at its edges; a blank on each side."""
    import pyarrow.compute as pc

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    plain = pc.fill_null(column.cast(pa.string()), "")
    plain = pc.utf8_lower(pc.utf8_normalize(plain, form="NFKC"))
    plain = pc.utf8_trim(pc.replace_substring_regex(plain, r"\s+", " "), characters=_EDGES)
    return pc.binary_join_element_wise("", plain, "", " ")


@lru_cache(maxsize=2)
def _powers(count: int) -> tuple[Hashes, Hashes]:
    """The powers of A and of its inverse."""
    with np.errstate(over="ignore"):
        return tuple(
            np.cumprod(np.full(count, base, np.uint64) ** (np.arange(count) > 0), dtype=np.uint64)
            for base in (_A, _A_INVERSE)
        )  # type: ignore[return-value]


def _room(size: int) -> int:
    """Rounded up, so that few sizes are ever made."""
    return 1 << max(size + 1, 1 << 16).bit_length()


def _seeded(value: Hashes, seed: int) -> Hashes:
    made: Hashes = value + np.uint64(seed * 0xC2B2AE3D27D4EB4F & (1 << 64) - 1)
    return made


def _joined(left: Hashes, right: Hashes, seed: int) -> Hashes:
    return _seeded(_mixed(left) + right * np.uint64(0xFF51AFD7ED558CCD), seed)


def _mixed(value: Hashes) -> Hashes:
    """Every bit of the value on the upper bits of the result."""
    value = (value ^ (value >> np.uint64(32))) * _MIX
    mixed: Hashes = (value ^ (value >> np.uint64(32))) * _MIX
    return mixed


def teacher_numbers(rows: pa.Table | pa.RecordBatch, columns: Sequence[str]) -> Floats:
    """(rows, len(NUMERIC)) numbers; NaN where one is not known."""
    import pyarrow.compute as pc

    count = rows.num_rows
    logprob, length = _column(rows, "logprob", count), _column(rows, "tokens", count)
    recurrence = _column(rows, "recurrence", count)
    recurrence = np.log1p(np.where(recurrence >= 0, recurrence, np.nan))
    text = pc.fill_null(rows.column(columns[-1]).cast(pa.string()), "")
    characters = np.asarray(pc.utf8_length(text), dtype=np.float64)
    return np.stack([logprob, logprob / np.maximum(length, 1), recurrence, np.log1p(characters)], axis=1)


def _column(rows: pa.Table | pa.RecordBatch, name: str, count: int) -> Floats:
    """(rows,) values of a column; NaN where it is missing, empty or not finite."""
    if name not in rows.schema.names:
        return np.full(count, np.nan)
    column = rows.column(name).cast(pa.float64())
    values: Floats = np.array(
        column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy(),
        dtype=np.float64,
    )
    values[~np.isfinite(values)] = np.nan
    return values


@dataclass(frozen=True)
class Scales:
    """Training statistics of the numbers: means and deviations (4,), bin edges (4, BINS - 1), column means (WIDTH,).

    A number that is the same in all training rows, or missing in all, has a deviation of 0 and no part in `dense`,
    whatever later rows say of it: a weight for it could only be a share of the bias.
    """

    mean: Floats
    deviation: Floats
    edges: Floats
    centre: Floats

    @classmethod
    def of(cls, values: Floats) -> Scales:
        """Statistics of training numbers (rows, 4)."""
        known = [column[~np.isnan(column)] for column in values.T]
        known = [column if len(column) else np.zeros(1) for column in known]
        inner = np.linspace(0, 1, BINS + 1)[1:-1]
        deviation = np.array([column.std() for column in known])
        deviation[deviation < _CONSTANT] = 0
        bare = cls(
            np.array([column.mean() for column in known]),
            deviation,
            np.array([np.quantile(column, inner) for column in known]),
            np.zeros(WIDTH),
        )
        return replace(bare, centre=bare._columns(values).mean(axis=0))

    @property
    def used(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """(4,) whether training rows differ in a number, or in whether it is there."""
        missing = self._missing
        varies: np.ndarray[Any, np.dtype[np.bool_]] = (self.deviation > 0) | ((missing > 0) & (missing < 1))
        return varies

    @property
    def _missing(self) -> Floats:
        """(4,) the share of training rows without the number."""
        return self.centre[len(NUMERIC) : 2 * len(NUMERIC)]

    def dense(self, values: Floats) -> Floats:
        """(rows, 4 * (BINS + 2)): the standardised number, a missing flag and the bin's one-hot, each less its mean.

        All are 0, as for an average row, if no training row differs in the number, and for a row without a number that
        every training row had.
        """
        found = self._columns(values) - self.centre
        unread = ~self.used | (np.isnan(values) & (self._missing == 0))
        found[unread[:, _OWNER]] = 0
        return found

    def _columns(self, values: Floats) -> Floats:
        missing, constant = np.isnan(values), self.deviation == 0
        values = np.where(constant & ~missing, self.mean, values)
        scaled = (values - self.mean) / np.where(constant, 1, self.deviation)
        blocks = [np.where(missing, 0.0, scaled).clip(-5, 5), missing.astype(np.float64)]
        for i in range(values.shape[1]):
            bins = np.searchsorted(self.edges[i], np.nan_to_num(values[:, i]) + _EDGE, side="right")
            hot = np.eye(BINS)[bins]
            hot[missing[:, i]] = 0
            blocks.append(hot)
        return np.concatenate(blocks, axis=1)


def number_columns(used: Sequence[bool] | np.ndarray[Any, Any]) -> tuple[list[str], list[str]]:
    """The columns of rows that are read for the numbers that are ``used`` (4,), and those that are not."""
    read = {name for names, one in zip(SOURCES, used, strict=True) if one for name in names}
    return [name for name in COLUMNS if name in read], [name for name in COLUMNS if name not in read]


def row_sums(matrix: Floats, weights: Floats) -> Floats:
    """(n,) products of each row (d,) with the weights, summed row by row.

    A matrix product sums in an order that depends on how many rows there are, and a score must not.
    """
    sums: Floats = np.multiply(matrix, weights, order="C").sum(axis=1)
    return sums


def row_products(matrix: Any, weights: Any) -> Any:
    """(n, m) products of rows (n, d) with weights (d, m), in their precision; a row's does not depend on its batch.

    How a matrix product is summed depends on its shape, and in single precision on a row's place too. So it is taken of
    always so many rows, the last of them padding, in double precision, and rounded.
    """
    double = weights.astype(np.float64)
    found = np.empty((len(matrix), weights.shape[1]), dtype=np.result_type(matrix, weights))
    for start in range(0, len(matrix), _TOGETHER):
        part = matrix[start : start + _TOGETHER]
        if missing := _TOGETHER - len(part):
            part = np.concatenate([part, np.zeros((missing, part.shape[1]), dtype=part.dtype)])
        found[start : start + _TOGETHER] = (part.astype(np.float64) @ double)[: _TOGETHER - missing]
    return found
