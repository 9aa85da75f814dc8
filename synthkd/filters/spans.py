"""The rule on spans: the sentence has the span, of a known type, and no other span covers it."""

from __future__ import annotations

from typing import ClassVar

import pyarrow as pa

from synthkd.filters.base import Reasons
from synthkd.filters.row_rules import TextRule
from synthkd.kinds.base import Kind, Row
from synthkd.kinds.span.answers import CUT, EMPTY, NO_TYPE, TOO_MANY
from synthkd.kinds.span.places import (
    NOT_IN_SENTENCE,
    OVERLAP,
    PART_OF_WORD,
    REPEATED,
    UNKNOWN_TYPE,
)

_REASONS = {
    EMPTY: "the text of a span is empty",
    NO_TYPE: "the span {span!r} has no type",
    CUT: "the answer breaks off inside of the span {span!r}",
    TOO_MANY: "the answer goes on and on; further spans were not read",
    NOT_IN_SENTENCE: "the sentence has no {span!r}",
    PART_OF_WORD: "the sentence has {span!r} as a part of words alone",
    REPEATED: "the answer names {span!r} more often than the sentence has it",
    OVERLAP: "another span of the answer overlaps {span!r}",
}
#: Characters of a span that a reason shows.
_SHOWN = 60


class InSentence(TextRule):
    """Reject spans that the sentence does not have, of unknown type, or under another span.

    A row without type and span, which says that the sentence has none, passes.
    """

    name: ClassVar[str] = "in_sentence"

    def reject(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        wanted = [*kind.columns, *kind.details]
        rows = batch.select([name for name in wanted if name in batch.schema.names]).to_pylist()
        return [self.check(row, kind) for row in rows]

    def check(self, row: Row, kind: Kind) -> str | None:
        name, span = str(row["type"] or ""), str(row["span"] or "")
        flaw = str(row.get("flaw") or "")
        if flaw in _REASONS:
            return f"{flaw}: {_REASONS[flaw].format(span=_short(span))}"
        if not name and not span:
            return None
        if flaw == UNKNOWN_TYPE or not name:
            return f"{UNKNOWN_TYPE}: {kind.label_problem(name) or f'no type {name!r}'}"
        sentence, start, end = str(row["sentence"] or ""), row.get("start"), row.get("end")
        if start is None or end is None:
            has_span = bool(span) and span in sentence
        else:
            has_span = sentence[int(start) : int(end)] == span
        return (
            None if has_span else f"{NOT_IN_SENTENCE}: the sentence has no {_short(span)!r} there"
        )


def _short(span: str) -> str:
    return span if len(span) <= _SHOWN else f"{span[:_SHOWN]}…"
