"""Apply the rules to a batch of rows, each distinct case once.

A rule says which columns it reads. Rows that are equal in them get one verdict: the tail that a
thousand rows have is checked once. Only a rule that reads whole rows gets all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthkd.filters.base import Filter, GlobalFilter, reasons_of
from synthkd.kinds.base import Kind
from synthkd.kinds.columns import Numbers, distinct_rows


def apply_rules(
    batch: pa.RecordBatch,
    kind: Kind,
    rules: Sequence[Filter],
    alike: tuple[Numbers, Sequence[str]] | None = None,
) -> pa.RecordBatch:
    """Apply the rules: the first that rejects a row is its outcome.

    Global rules observe open rows.

    Args:
        batch: Rows; those with a value in ``rejected_by`` have an outcome already.
        kind: Their kind.
        rules: The rules, in order.
        alike: Numbers of rows, equal only for rows that are known to be equal in the columns of
            these names.
    """
    outcomes = _Rejections(batch)
    cases = _Cases(batch, alike)
    for rule in rules:
        if not outcomes.is_open.any():
            break
        names = None if isinstance(rule, GlobalFilter) else rule.reads(kind)
        if names is None or not set(names) <= set(batch.schema.names):
            places = np.flatnonzero(outcomes.is_open)
            rows = batch if len(places) == batch.num_rows else batch.take(pa.array(places))
            if isinstance(rule, GlobalFilter):
                rule.observe(rows, kind)
            else:
                outcomes.reject(rule.name, reasons_of(rule, rows, kind), places)
            continue
        of_row, first = cases.distinct(names)
        # A case of which every row is rejected already is no case.
        asked = np.zeros(len(first), bool)
        asked[of_row[outcomes.is_open]] = True
        chosen = np.flatnonzero(asked)
        rows = cases.columns(names).take(pa.array(first[chosen]))
        reasons = reasons_of(rule, rows, kind)
        rejected = [i for i, reason in enumerate(reasons) if reason is not None]
        if rejected:
            of_case = np.full(len(first), -1, np.int64)
            of_case[chosen[rejected]] = rejected
            places = np.flatnonzero((of_case[of_row] >= 0) & outcomes.is_open)
            outcomes.reject_cases(rule.name, reasons, of_case[of_row[places]], places)
    return outcomes.applied()


class _Cases:
    """The distinct values that rows have in some columns."""

    def __init__(self, batch: pa.RecordBatch, alike: tuple[Numbers, Sequence[str]] | None) -> None:
        self._batch = batch
        self._alike, self._shared = alike or (np.arange(batch.num_rows), ())
        self._first = np.zeros(int(self._alike.max(initial=-1)) + 1, np.int64)
        self._first[self._alike[::-1]] = np.arange(batch.num_rows)[::-1]
        self._codes: dict[str, Numbers] = {}
        self._known: dict[tuple[str, ...], tuple[Numbers, Numbers]] = {}

    def columns(self, names: Sequence[str]) -> pa.RecordBatch:
        return self._batch.select(list(names))

    def distinct(self, names: Sequence[str]) -> tuple[Numbers, Numbers]:
        """Return the number of each row's case, and the first row of each case."""
        key = tuple(names)
        if key not in self._known:
            shared = set(key) <= set(self._shared)
            of, first = distinct_rows([self._encoded(name, shared) for name in key])
            self._known[key] = (of[self._alike], self._first[first]) if shared else (of, first)
        return self._known[key]

    def _encoded(self, name: str, shared: bool) -> Numbers:
        known = f"{name} {shared}"
        if known not in self._codes:
            column = self._batch.column(name)
            if shared:
                column = column.take(pa.array(self._first))
            indices = column.dictionary_encode().indices
            self._codes[known] = 1 + indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return self._codes[known]


class _Rejections:
    """Rejections of rows: each reason is stored once, with its number for each row."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self.is_open: Numbers = (
            pc.is_null(batch.column("rejected_by")).to_numpy(zero_copy_only=False).copy()
        )
        self._names: list[str] = []
        self._reasons: list[str | None] = []
        self._rule = np.full(batch.num_rows, -1, np.int64)
        self._reason = np.full(batch.num_rows, -1, np.int64)

    def reject(self, name: str, reasons: Sequence[str | None], places: Numbers) -> None:
        """Reject those of the rows at some places that have a reason."""
        rejected = [i for i, reason in enumerate(reasons) if reason is not None]
        self.reject_cases(name, reasons, np.array(rejected, np.int64), places[rejected])

    def reject_cases(
        self, name: str, reasons: Sequence[str | None], numbers: Numbers, places: Numbers
    ) -> None:
        """Reject the rows at some places, each for the reason with its number."""
        if not len(places):
            return
        self._rule[places] = len(self._names)
        self._reason[places] = numbers + len(self._reasons)
        self._names.append(name)
        self._reasons += reasons
        self.is_open[places] = False

    def applied(self) -> pa.RecordBatch:
        """Return the rows with the outcomes."""
        if not self._names:
            return self._batch
        new = pa.array(self._rule >= 0)
        rejected_by, reason = (
            pc.if_else(
                new,
                pa.array(values, pa.string()).take(pa.array(np.maximum(numbers, 0))),
                self._batch.column(name),
            )
            for name, values, numbers in (
                ("rejected_by", self._names, self._rule),
                ("reason", self._reasons, self._reason),
            )
        )
        return with_outcomes(self._batch, rejected_by, reason)


def with_outcomes(rows: Any, outcome: Any, reason: Any) -> Any:
    """Return the rows with these values of ``rejected_by`` and ``reason``."""
    for name, values in (("rejected_by", outcome), ("reason", reason)):
        rows = rows.set_column(
            rows.schema.get_field_index(name),
            name,
            values if isinstance(values, pa.Array) else pa.array(values, pa.string()),
        )
    return rows
