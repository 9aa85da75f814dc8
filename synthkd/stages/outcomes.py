"""The second pass of filtering: what becomes of the rows of one partition, which holds all rows of each of its
questions. Global rules, votes, exact duplicates, critic, in this order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthkd.filters.base import GlobalFilter
from synthkd.filters.duplicates import NAME as DUPLICATE
from synthkd.filters.duplicates import Duplicates, find_duplicates
from synthkd.filters.votes import NAME as VOTES
from synthkd.filters.votes import Numbers
from synthkd.stages.components import Components
from synthkd.stages.critic import Decision
from synthkd.stages.parse import with_outcomes
from synthkd.stages.votes import FIELDS, QUESTION, Ballot

_ORDER = (QUESTION, "id", "completion_key", "input_id")


class Outcomes:
    """The rows of a partition in their order, and what became of each."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.outcome: Numbers = table.column("rejected_by").to_numpy()
        self.reason: Numbers = table.column("reason").to_numpy()
        self.is_open: Numbers = pc.is_null(table.column("rejected_by")).to_numpy()

    @classmethod
    def begun(cls, table: pa.Table, components: Components) -> Outcomes:
        """Those of rows that were parsed: sorted, and the global rules have spoken."""
        outcomes = cls(in_order(table))
        for rule in components.rules:
            if isinstance(rule, GlobalFilter) and outcomes.is_open.any():
                batch = outcomes.open_rows().combine_chunks().to_batches()[0]
                outcomes.note(
                    np.flatnonzero(outcomes.is_open), rule.reject(batch, components.kind), rule.name
                )
        return outcomes

    def open_rows(self) -> pa.Table:
        return self.table.filter(pa.array(self.is_open))

    def note(self, places: Numbers | None, verdicts: Sequence[str | None], name: str) -> None:
        """Reject the rows that have a verdict, at these places among all (None: there is one for every row)."""
        rejected = [i for i, verdict in enumerate(verdicts) if verdict is not None]
        at = np.array(rejected, dtype=np.int64) if places is None else places[rejected]
        self.outcome[at] = name
        self.reason[at] = [verdicts[i] for i in rejected]
        self.is_open[at] = False

    def fill(self, name: str, values: pa.Array) -> None:
        self.table = self.table.set_column(self.table.schema.get_field_index(name), name, values)

    def counted(self, ballot: Ballot, scores: Numbers | None = None) -> Counter[str]:
        """Votes and duplicates. Returns what the votes came to."""
        held = ballot.hold(self.table, self.is_open, scores)
        for name, column in held.columns():
            self.fill(name, column)
        self.note(None, held.reasons(self.is_open), VOTES)
        duplicates = find_duplicates(self.table, self.is_open)
        self.note(None, duplicates.reasons, DUPLICATE)
        self._recur(duplicates)
        return held.counts()

    def _recur(self, found: Duplicates) -> None:
        self.fill("recurrence", pa.array(found.recurrence, pa.int32()))

    def scores(self, decision: Decision) -> Numbers:
        """The critic's score of each open row, before any vote is counted; NaN for the others."""
        # A critic may look at how often a candidate came. All rows of one stay or fall together in the votes, so this
        # is what it will be after them.
        self._recur(find_duplicates(self.table, self.is_open))
        scores = np.full(len(self.outcome), np.nan)
        scores[self.is_open] = np.array(decision.scores(self.open_rows()), dtype=np.float64)
        return scores

    def scored(self, decision: Decision, scores: Numbers | None = None) -> None:
        """The critic's verdict on what is still open."""
        places = np.flatnonzero(self.is_open)
        known = None if scores is None else scores[places].tolist()
        rows = self.open_rows()
        found, verdicts = decision.decide(rows, known)
        if scores is None:
            scores = np.full(len(self.outcome), np.nan)
            scores[places] = np.array(found, dtype=np.float64)
        self.fill("score", pa.array(scores, pa.float64(), mask=np.isnan(scores)))
        self.note(places, verdicts, decision.name)
        for place, outcome, reason in decision.unscored(rows, found):
            self.note(places[[place]], [reason], outcome)

    def done(self) -> pa.Table:
        """The rows as they are written, without the columns that only voting needs."""
        own = [field.name for field in FIELDS if field.name in self.table.schema.names]
        table: pa.Table = with_outcomes(self.table.drop_columns(own), self.outcome, self.reason)
        return table


def in_order(table: pa.Table) -> pa.Table:
    """Sorted by what rows say and where they come from: how they were dealt cannot be seen."""
    return table.sort_by([(name, "ascending") for name in _ORDER]).combine_chunks()


def tally_of(table: pa.Table) -> dict[str, int]:
    """How many rows have each outcome."""
    counts: dict[str, Any] = Counter()
    for item in table.column("rejected_by").value_counts().to_pylist():
        counts[item["values"] or "accepted"] += item["counts"]
    return dict(counts)
