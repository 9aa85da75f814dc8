"""Numbers that linear critics read beside texts: likelihood, recurrence and length.

A linear model only sums, so each number also comes as a one-hot vector of its quantile bin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from synthkd.artifacts.arrays import Array

#: Quantile bins of each number.
BINS = 10
NUMERIC = ("logprob", "logprob_per_token", "recurrence", "length")
#: Columns of rows that each number is made from; the length is that of the text itself.
SOURCES = (("logprob",), ("logprob", "tokens"), ("recurrence",), ())
COLUMNS = ("logprob", "tokens", "recurrence")
#: Columns that `Scales.dense` makes of the numbers.
WIDTH = len(NUMERIC) * (BINS + 2)
#: The number that each column of `Scales.dense` belongs to: values, missing flags, bins.
_OWNER = np.concatenate(
    [np.tile(np.arange(len(NUMERIC)), 2), np.repeat(np.arange(len(NUMERIC)), BINS)]
)
#: A value this close below an edge counts as the edge: processors round logarithms differently.
_EDGE = 1e-9
#: A smaller deviation is rounding.
_CONSTANT = 1e-9
#: Arrays of `Scales` in a critic's file.
SCALES = {
    "mean": Array("float64", (len(NUMERIC),)),
    "deviation": Array("float64", (len(NUMERIC),), 0),
    "edges": Array("float64", (len(NUMERIC), BINS - 1)),
    "centre": Array("float64", (WIDTH,)),
}
Floats = np.ndarray[Any, np.dtype[np.float64]]


def teacher_numbers(rows: pa.Table | pa.RecordBatch, columns: Sequence[str]) -> Floats:
    """Return the numbers (rows, len(NUMERIC)); NaN for a missing one."""
    import pyarrow.compute as pc

    count = rows.num_rows
    logprob, length = column_values(rows, "logprob", count), column_values(rows, "tokens", count)
    recurrence = column_values(rows, "recurrence", count)
    recurrence = np.log1p(np.where(recurrence >= 0, recurrence, np.nan))
    text = pc.fill_null(rows.column(columns[-1]).cast(pa.string()), "")
    characters = np.asarray(pc.utf8_length(text), dtype=np.float64)
    return np.stack(
        [logprob, logprob / np.maximum(length, 1), recurrence, np.log1p(characters)], axis=1
    )


def column_values(rows: pa.Table | pa.RecordBatch, name: str, count: int) -> Floats:
    """Return a column's values (rows,); NaN for missing, empty or infinite ones."""
    if name not in rows.schema.names:
        return np.full(count, np.nan)
    column = rows.column(name).cast(pa.float64())
    values: Floats = np.array(
        column.to_numpy(zero_copy_only=False)
        if isinstance(column, pa.Array)
        else column.to_numpy(),
        dtype=np.float64,
    )
    values[~np.isfinite(values)] = np.nan
    return values


@dataclass(frozen=True)
class Scales:
    """Training statistics of the numbers.

    A number that is constant or missing in all training rows has a deviation of 0 and no part in
    `dense`, whatever its value in later rows: a weight for it could only be a share of the bias.
    """

    mean: Floats
    deviation: Floats
    edges: Floats
    centre: Floats

    @classmethod
    def of(cls, values: Floats) -> Scales:
        """Compute the statistics of training numbers (rows, 4)."""
        present = [column[~np.isnan(column)] for column in values.T]
        present = [column if len(column) else np.zeros(1) for column in present]
        inner = np.linspace(0, 1, BINS + 1)[1:-1]
        deviation = np.array([column.std() for column in present])
        deviation[deviation < _CONSTANT] = 0
        bare = cls(
            np.array([column.mean() for column in present]),
            deviation,
            np.array([np.quantile(column, inner) for column in present]),
            np.zeros(WIDTH),
        )
        return replace(bare, centre=bare._columns(values).mean(axis=0))

    @property
    def used(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Mask (4,) of the numbers that differ between training rows, by value or by presence."""
        missing = self._missing
        varies: np.ndarray[Any, np.dtype[np.bool_]] = (self.deviation > 0) | (
            (missing > 0) & (missing < 1)
        )
        return varies

    @property
    def _missing(self) -> Floats:
        """Share of training rows without each number (4,)."""
        return self.centre[len(NUMERIC) : 2 * len(NUMERIC)]

    def dense(self, values: Floats) -> Floats:
        """Return centred columns (rows, WIDTH): standardised numbers, missing flags, one-hot bins.

        A number's columns are 0, as in an average row, if training rows do not differ in the
        number, and for a row without a number that every training row had.
        """
        centred = self._columns(values) - self.centre
        unread = ~self.used | (np.isnan(values) & (self._missing == 0))
        centred[unread[:, _OWNER]] = 0
        return centred

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
    """Return the columns read for the ``used`` numbers (4,), and the other columns of numbers."""
    read = {name for names, one in zip(SOURCES, used, strict=True) if one for name in names}
    return [name for name in COLUMNS if name in read], [
        name for name in COLUMNS if name not in read
    ]
