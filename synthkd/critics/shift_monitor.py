"""Shift detection: compare scored rows with the calibration rows, and withdraw the guarantee."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from synthkd.errors import KindError
from synthkd.keys import fraction
from synthkd.kinds.base import Kind

#: Rows that are looked at on each side.
SAMPLE = 500
#: Fewest groups of rows on each side for a test: fewer tell too little to withdraw a guarantee.
FEWEST = 50
#: The column of the critic's scores, in held-out rows and here.
SCORE = "score"
#: Share of false alarms: runs without a shift for which one is reported.
LEVEL = 0.01


class ShiftMonitor:
    """Keeps a uniform sample of the rows that a critic scores, and tests it for shift.

    Rows are drawn by the hash of their ids, so that no order or batch changes the sample.

    Args:
        columns: Columns of the kind.
        numbers: Columns of numbers that the critic reads.
    """

    def __init__(self, columns: Sequence[str], numbers: Sequence[str] = ()) -> None:
        self._columns, self._numbers = list(columns), list(numbers)
        self._lowest: list[tuple[float, str, dict[str, Any]]] = []

    def emptied(self) -> ShiftMonitor:
        """Return a monitor of the same columns without rows."""
        return ShiftMonitor(self._columns, self._numbers)

    def add(self, rows: pa.Table, scores: Sequence[float | None]) -> None:
        """Draw from scored rows."""
        drawn = [(-fraction(f"shift|{name}"), name) for name in rows.column("id").to_pylist()]
        limit = self._lowest[0][0] if len(self._lowest) == SAMPLE else -2.0
        places = [place for place, (draw, _) in enumerate(drawn) if draw > limit]
        numbers = [name for name in self._numbers if name in rows.schema.names]
        sample = (
            rows.select([*self._columns, *numbers]).take(pa.array(places, pa.int64())).to_pylist()
        )
        for place, row in zip(places, sample, strict=True):
            heapq.heappush(self._lowest, (*drawn[place], row | {SCORE: scores[place]}))
            if len(self._lowest) > SAMPLE:
                heapq.heappop(self._lowest)

    def verdict(
        self,
        held_out: pa.Table,
        kind: Kind,
        trained_on: Collection[int] = frozenset(),
        grouped_by: str | None = None,
    ) -> dict[str, Any]:
        """Test texts, numbers and scores for shift; return the result for manifest and table.

        Args:
            held_out: The calibration rows.
            kind: Their kind.
            trained_on: Hashes of the groups that the critic was trained on. Its scores of their
                rows are more confident than others and show nothing of a shift, so such rows are
                compared by their texts alone.
            grouped_by: Column of these groups, or `none`. Default: the kind's own. Groups of
                another column are not known here.
        """
        from synthkd.critics.shift import detect_shift, detect_shift_of_numbers, text_vectors
        from synthkd.critics.splits import UNGROUPED, group_names
        from synthkd.critics.trained_critic import group_hash

        sample = [row for _, _, row in sorted(self._lowest, key=lambda item: item[:2])]
        # A row without a score is rejected, and its like was left out of the calibration.
        scored = [row for row in sample if row[SCORE] is not None]
        numbers = [name for name in (*self._numbers, SCORE) if name in held_out.schema.names]
        calibration = _drawn(
            held_out.select([*self._columns, *numbers, *_weight(held_out)]).to_pylist()
        )
        groups = [[kind.group(row) for row in rows] for rows in (calibration, scored)]
        counts = [len(set(names)) for names in groups]
        if min(counts) < FEWEST:
            return {
                "shifted": False, "tested": False, "test": None, "p_value": None, "level": LEVEL,
                "sentence": f"shift was not tested: {counts[1]:,} groups of rows were scored and"
                    f" {counts[0]:,} calibrated on,"
                f" {FEWEST} of each are needed",
            }  # fmt: skip
        # One row of each group, before texts are embedded: vectors are fitted to both sides, and
        # would fit the side with the larger groups better.
        one, other = groups
        vectors = text_vectors(
            _texts(_one_of_each(calibration, one), kind), _texts(_one_of_each(scored, other), kind)
        )
        # Two looks at half the level each: at the texts, and at all numbers.
        tests = [detect_shift(*vectors, level=LEVEL / 2)]
        by = grouped_by if grouped_by in (*kind.columns, UNGROUPED) else kind.group_column
        names = group_names(kind, scored, str(by))
        places = [place for place, name in enumerate(names) if group_hash(name) not in trained_on]
        other = [other[place] for place in places]
        if numbers and len(set(other)) >= FEWEST:
            fresh = [scored[place] for place in places]
            sides = [
                {name: [row.get(name) for row in rows] for name in numbers}
                for rows in (calibration, fresh)
            ]
            tests.append(
                detect_shift_of_numbers(
                    *sides, level=LEVEL / 2, calibration_groups=one, scored_groups=other
                )
            )
        strongest = min(tests, key=lambda look: look.p_value)
        p_value = min(1.0, len(tests) * strongest.p_value)
        strongest = replace(strongest, p_value=p_value, level=LEVEL, shifted=p_value <= LEVEL)
        return {
            "shifted": strongest.shifted,
            "tested": True,
            "test": strongest.test,
            "p_value": round(p_value, 8),
            "level": LEVEL,
            "sentence": strongest.sentence(),
        }


def _weight(held_out: pa.Table) -> list[str]:
    return [name for name in ("weight",) if name in held_out.schema.names]


def _drawn(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Draw `SAMPLE` rows with chances that grow with weight (Efraimidis and Spirakis 2006)."""
    keys = [
        fraction(f"shift|{sorted((name, str(value)) for name, value in row.items())}")
        ** (1 / (row.get("weight") or 1.0))
        for row in rows
    ]
    return [rows[place] for place in heapq.nlargest(SAMPLE, range(len(rows)), key=keys.__getitem__)]


def _one_of_each(rows: list[dict[str, Any]], groups: list[str]) -> list[dict[str, Any]]:
    """Return the first row of each group; the rows are in the order of their draw."""
    chosen: dict[str, dict[str, Any]] = {}
    for group, row in zip(groups, rows, strict=True):
        chosen.setdefault(group, row)
    return list(chosen.values())


def _texts(rows: list[dict[str, Any]], kind: Kind) -> list[str]:
    return [_text(row, kind) for row in rows]


def _text(row: dict[str, Any], kind: Kind) -> str:
    try:
        return kind.verbalize(row)
    except KindError:
        # A sheet may name relations that this kind has no sentence for.
        return " ".join(str(row[column]) for column in kind.columns)
