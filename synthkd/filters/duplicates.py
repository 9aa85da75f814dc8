"""Exact duplicates after normalisation.

The most likely candidate stays, and counts how often it came.

Equal knowledge has an equal id and so lies in one partition; a partition is decided alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from synthkd.filters.votes import begins, codes, runs

NAME = "duplicate"


@dataclass(frozen=True)
class Duplicates:
    """The count of completions behind each row, and the reasons of rows that are left out.

    The count is 0 for rows that did not take part; the reason names the row that stays.
    """

    recurrence: list[int]
    reasons: list[str | None]


def find_duplicates(
    rows: pa.Table, open_rows: Sequence[bool] | np.ndarray[Any, Any], in_order: bool = False
) -> Duplicates:
    """Decide among the rows that are still open.

    The order of rows carries no meaning: the highest log-probability stays, and among equals the
    smallest completion key.

    Args:
        rows: Rows with `id`, `completion_key` and `logprob`.
        open_rows: True for each row that takes part.
        in_order: Rows of one id are neighbours, sorted by completion key: no text is sorted again.
    """
    recurrence = np.zeros(rows.num_rows, dtype=np.int64)
    reasons: list[str | None] = [None] * rows.num_rows
    places = np.flatnonzero(np.asarray(open_rows, dtype=bool))
    if not len(places):
        return Duplicates(recurrence.tolist(), reasons)
    chosen = rows.select(["id", "completion_key", "logprob"])
    if len(places) < rows.num_rows:
        chosen = chosen.take(pa.array(places))
    named, keyed = chosen.column("id"), chosen.column("completion_key")
    ids, keys = (runs(named), runs(keyed)) if in_order else (codes(named), _ranks(keyed))
    logprobs = chosen.column("logprob").cast(pa.float64()).to_numpy()
    rank = np.where(np.isnan(logprobs), np.inf, -logprobs)
    order = np.lexsort((keys, ids))
    said = np.bincount(ids[order[begins(ids[order], keys[order])]])
    recurrence[places] = said[ids]
    order = np.lexsort((keys, rank, ids))
    firsts = order[begins(ids[order])]
    best = np.zeros(len(said), dtype=np.int64)
    best[ids[firsts]] = firsts
    stands = best[ids]
    losers = np.flatnonzero(stands != np.arange(len(ids)))
    names = chosen.column("completion_key").take(pa.array(stands[losers])).to_pylist()
    for place, name in zip(places[losers].tolist(), names, strict=True):
        reasons[place] = f"says the same as {name}"
    return Duplicates(recurrence.tolist(), reasons)


def _ranks(values: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Return the place of each value in the order of all distinct values."""
    encoded = values.combine_chunks().dictionary_encode()
    order = pa.compute.sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    result: np.ndarray[Any, Any] = rank[encoded.indices.to_numpy()]
    return result
