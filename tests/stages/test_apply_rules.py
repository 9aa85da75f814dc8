"""Rules that check each case once say what they would say of each row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from synthkd.corpora.schema import candidate_schema
from synthkd.filters.base import Filter, Reasons, reasons_of
from synthkd.filters.refusal import Refusal
from synthkd.filters.row_rules import RowRule
from synthkd.filters.rules import (
    Characters,
    Echo,
    Empty,
    SelfLoop,
    StartsWith,
    TooLong,
    TooShort,
    Unfinished,
)
from synthkd.kinds.base import Kind
from synthkd.kinds.triple import TripleKind
from synthkd.stages.apply_rules import apply_rules

TAILS = ("cutting", "Knife", " - ", "cut cut cut", "a thing and", "x<y", "", "none", "é", "to to")
RULES: dict[str, Filter] = {
    rule.name: rule
    for rule in (
        Characters(), Echo(), Empty(), SelfLoop(), StartsWith(prefix="c"), TooLong(max_words=2),
        TooShort(), Unfinished(), Refusal(), Empty(column="teacher"),
    )
}  # fmt: skip


class Odd(RowRule):
    """Reject by a column that differs from completion to completion."""

    name = "odd"
    column = "sample_index"

    def check(self, row: Any, kind: Kind) -> str | None:
        return f"sample {row['sample_index']}" if row["sample_index"] % 2 else None


class Once(Filter):
    """Reject whole rows."""

    name = "once"

    def reject(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        return [row["completion_key"] if row["tail"] == "é" else None for row in batch.to_pylist()]


def by_row(batch: pa.RecordBatch, kind: Kind, rules: list[Filter]) -> list[tuple[Any, Any]]:
    """Return outcome and reason of each row, by all rules over whole rows."""
    outcomes = list(zip(*(batch.column(name).to_pylist() for name in WHY), strict=True))
    for rule in rules:
        reasons = reasons_of(rule, batch, kind)
        outcomes = [
            outcome if outcome[0] or reason is None else (rule.name, reason)
            for outcome, reason in zip(outcomes, reasons, strict=True)
        ]
    return outcomes


WHY = ("rejected_by", "reason")


@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["knife", "cutting", "to"]), st.sampled_from(TAILS),
            st.sampled_from(["stop", "length"]), st.sampled_from([None, "t", "-"]),
            st.sampled_from([None, "malformed"]),
        ),
        max_size=12,
    ),
    names=st.permutations([*RULES, "odd", "once"]),
    several=st.booleans(),
)  # fmt: skip
def test_a_case_that_is_checked_once_has_the_verdict_of_each_row(
    rows: list[tuple[Any, ...]], names: list[str], several: bool
) -> None:
    kind = TripleKind(several=several)
    batch = pa.RecordBatch.from_pylist(
        [
            {
                "head": head, "relation": "UsedFor", "tail": tail, "finish_reason": end,
                "raw": tail + "\n", "teacher": teacher, "sample_index": number,
                "completion_key": f"k-{number}", "rejected_by": outcome, "reason": outcome,
            }
            for number, (head, tail, end, teacher, outcome) in enumerate(rows)
        ],
        schema=candidate_schema(kind),
    )  # fmt: skip
    rules = [{**RULES, "odd": Odd(), "once": Once()}[name] for name in names]
    alike = {key: number for number, key in enumerate(dict.fromkeys(row[:2] for row in rows))}
    numbers = np.array([alike[row[:2]] for row in rows], np.int64)
    for shared in (None, (numbers, ("head", "relation", "tail", "raw"))):
        done = apply_rules(batch, kind, rules, shared)
        found = list(zip(*(done.column(name).to_pylist() for name in WHY), strict=True))
        assert found == by_row(batch, kind, rules)


def test_a_text_that_many_rows_have_is_checked_once() -> None:
    checked: list[str] = []

    class Counting(Empty):
        def reads(self, kind: Kind) -> tuple[str, ...]:
            return self.text_columns(kind)

        def passes(self, batch: pa.RecordBatch, kind: Kind) -> Any:
            checked.extend(self.texts(batch, kind))
            return super().passes(batch, kind)

    row = {"head": "knife", "relation": "UsedFor", "finish_reason": "stop"}
    batch = pa.RecordBatch.from_pylist(
        [row | {"tail": tail} for tail in ("cutting", "eating") * 50],
        schema=candidate_schema(TripleKind()),
    )
    apply_rules(batch, TripleKind(), [Counting()])
    assert sorted(checked) == ["cutting", "eating"]


def test_a_rule_that_checks_otherwise_than_its_parent_sees_whole_rows_again() -> None:
    class Heads(Empty):
        def check(self, row: Any, kind: Kind) -> str | None:
            return "no head" if row["head"] == "-" else None

        def passes(self, batch: pa.RecordBatch, kind: Kind) -> None:
            return None

    batch = pa.RecordBatch.from_pylist(
        [{"head": head, "relation": "UsedFor", "tail": "x"} for head in ("-", "knife")],
        schema=candidate_schema(TripleKind()),
    )
    done = apply_rules(batch, TripleKind(), [Heads()])
    assert done.column("reason").to_pylist() == ["no head", None]
