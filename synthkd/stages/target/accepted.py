"""Count the accepted rows of each value, and in how many units each of them came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthkd.filters.duplicates import NAME as DUPLICATE
from synthkd.filters.votes import codes
from synthkd.stages.target.order import UnitOrder, value_of
from synthkd.stages.target.sizing import ObservedYield

_COLUMNS = ("id", "input_id", "sample_index", "rejected_by")


def observed_yields(
    folder: Path, order: UnitOrder, units: Mapping[str, int]
) -> dict[str, ObservedYield]:
    """Return what the units of each value gave.

    Args:
        folder: Filtered candidates. Equal candidates are in one file.
        order: The order of the units.
        units: The units that were asked for, by value.
    """
    counts: dict[str, Counter[int]] = {value: Counter() for value in units}
    for path in sorted(folder.glob("part-*.parquet")):
        own = order.per is not None and order.per in pq.read_schema(path).names
        columns = list(dict.fromkeys([*_COLUMNS, *([str(order.per)] if own else [])]))
        for value, times in _recurrences(pq.read_table(path, columns=columns), order, own):
            if value in counts:
                counts[value].update(times)
    return {
        value: ObservedYield(units[value], times.total(), times[1], times[2])
        for value, times in counts.items()
    }


def _recurrences(table: pa.Table, order: UnitOrder, own: bool) -> list[tuple[str, list[int]]]:
    """Return for each value the number of units of each accepted row of a file."""
    outcome = table.column("rejected_by")
    is_accepted = pc.is_null(outcome)
    accepted = table.filter(is_accepted)
    if not accepted.num_rows:
        return []
    # An accepted row stands for all rows of its id that were open at the search for duplicates.
    equal = pc.and_(
        pc.equal(outcome, DUPLICATE),
        pc.is_in(table.column("id"), accepted.column("id").combine_chunks()),
    )
    rows = pa.concat_tables([accepted, table.filter(pc.fill_null(equal, False))])
    names, inputs = codes(rows.column("id")), codes(rows.column("input_id"))
    steps = np.searchsorted(
        np.array(order.lengths), rows.column("sample_index").to_numpy(), "right"
    )
    distinct = np.unique(np.stack([names, inputs, steps]), axis=1)
    times = np.bincount(distinct[0])[names[: accepted.num_rows]]
    by_value: dict[str, list[int]] = {}
    for value, count in zip(_values(accepted, order, own), times.tolist(), strict=True):
        by_value.setdefault(value, []).append(count)
    return list(by_value.items())


def _values(accepted: pa.Table, order: UnitOrder, own: bool) -> list[str]:
    if own:
        column: list[Any] = accepted.column(str(order.per)).to_pylist()
        return [value_of({"": value}, "") for value in column]
    if order.per is None:
        return [value_of({}, None)] * accepted.num_rows
    return [order.values.get(name, "") for name in accepted.column("input_id").to_pylist()]
