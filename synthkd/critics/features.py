"""Rows to a sparse matrix: hashed n-grams of the parts and their pairs, and what the teacher's numbers say.

A linear model sees only sums, so each number also comes as a one-hot of its quantile bin.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from synthkd.kinds.text import normal_phrase

BITS = 18
#: Quantile bins of each number.
BINS = 10
NUMERIC = ("logprob", "logprob_per_token", "recurrence", "length")
Matrix = Any
Floats = np.ndarray[Any, np.dtype[np.float64]]


def tokens(row: Mapping[str, Any], columns: Sequence[str]) -> Iterator[str]:
    """The symbolic features of a row: each names its part, so equal words in two parts stay apart."""
    parts = {column: normal_phrase(str(row[column])) for column in columns}
    relation = parts.get("relation", "")
    texts = {name: text for name, text in parts.items() if name != "relation"}
    if relation:
        yield f"r={relation}"
    for name, text in texts.items():
        yield f"{name}={text}"
        yield f"{name}r={relation}|{text}"
        words = text.split()
        for word in words:
            yield f"{name}w={word}"
            yield f"{name}wr={relation}|{word}"
        for pair in itertools.pairwise(words):
            yield f"{name}2={' '.join(pair)}"
        padded = f" {text} "
        for size in (2, 3, 4):
            for start in range(len(padded) - size + 1):
                yield f"{name}c={padded[start : start + size]}"
    yield from _pairs(list(texts.values()), relation)


def _pairs(texts: list[str], relation: str) -> Iterator[str]:
    """Words of two parts together, at most eight of each."""
    for i, left in enumerate(texts):
        for right in texts[i + 1 :]:
            yield f"p={left}|{right}"
            for a in left.split()[:8]:
                for b in right.split()[:8]:
                    yield f"pw={a}|{b}"
                    yield f"pwr={relation}|{a}|{b}"


def numbers(rows: pa.Table | pa.RecordBatch, columns: Sequence[str]) -> Floats:
    """(rows, len(NUMERIC)) numbers; NaN where one is not known."""
    count = rows.num_rows
    logprob, length = _column(rows, "logprob", count), _column(rows, "tokens", count)
    recurrence = np.log1p(_column(rows, "recurrence", count))
    text = rows.column(columns[-1]).to_pylist()
    characters = np.array([len(str(value)) for value in text], dtype=np.float64)
    return np.stack([logprob, logprob / np.maximum(length, 1), recurrence, np.log1p(characters)], axis=1)


def _column(rows: pa.Table | pa.RecordBatch, name: str, count: int) -> Floats:
    if name not in rows.schema.names:
        return np.full(count, np.nan)
    column = rows.column(name).cast(pa.float64())
    values: Floats = np.array(
        column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy(),
        dtype=np.float64,
    )
    return values


@dataclass(frozen=True)
class Scales:
    """Training statistics of the numbers: means and deviations (4,), bin edges (4, BINS - 1)."""

    mean: Floats
    deviation: Floats
    edges: Floats

    @classmethod
    def of(cls, values: Floats) -> Scales:
        """Statistics of training numbers (rows, 4); a column that is all missing gets neutral ones."""
        known = [column[~np.isnan(column)] for column in values.T]
        known = [column if len(column) else np.zeros(1) for column in known]
        inner = np.linspace(0, 1, BINS + 1)[1:-1]
        return cls(
            np.array([column.mean() for column in known]),
            np.array([column.std() or 1.0 for column in known]),
            np.array([np.quantile(column, inner) for column in known]),
        )

    def dense(self, values: Floats) -> Floats:
        """(rows, 4 * (BINS + 2)): the standardised number, a missing flag and the bin's one-hot."""
        missing = np.isnan(values)
        scaled = np.where(missing, 0.0, (values - self.mean) / self.deviation).clip(-5, 5)
        blocks = [scaled, missing.astype(np.float64)]
        for i in range(values.shape[1]):
            bins = np.searchsorted(self.edges[i], np.nan_to_num(values[:, i]), side="right")
            hot = np.eye(BINS)[bins]
            hot[missing[:, i]] = 0
            blocks.append(hot)
        return np.concatenate(blocks, axis=1)


def hashed(rows: pa.Table | pa.RecordBatch, columns: Sequence[str]) -> Matrix:
    """(rows, 2**BITS) sparse counts of the symbolic features."""
    from sklearn.feature_extraction import FeatureHasher

    hasher = FeatureHasher(1 << BITS, input_type="string", alternate_sign=False)
    return hasher.transform(list(tokens(row, columns)) for row in rows.select(list(columns)).to_pylist())
