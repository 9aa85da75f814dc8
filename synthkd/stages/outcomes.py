"""The second pass of filtering: the outcome of each row of one partition.

A partition holds all rows of each of its questions. Global rules, votes, exact duplicates and the
critic decide, in this order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthkd.filters.ballot import FIELDS, Ballot
from synthkd.filters.base import GlobalFilter, reasons_of
from synthkd.filters.duplicates import NAME as DUPLICATE
from synthkd.filters.duplicates import Duplicates, find_duplicates
from synthkd.filters.vote_weights import QUESTION
from synthkd.filters.votes import NAME as VOTES
from synthkd.filters.votes import Numbers
from synthkd.stages.apply_rules import with_outcomes
from synthkd.stages.components import Components
from synthkd.stages.critic import Decision

_ORDER = (QUESTION, "id", "completion_key", "input_id")


class Outcomes:
    """The rows of a partition, in order, and the outcome of each."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.rejected_by: Numbers = table.column("rejected_by").to_numpy()
        self.reason: Numbers = table.column("reason").to_numpy()
        self.is_open: Numbers = pc.is_null(table.column("rejected_by")).to_numpy()

    @classmethod
    def of_parsed(cls, table: pa.Table, components: Components) -> Outcomes:
        """Apply the global rules to sorted rows."""
        outcomes = cls(table)
        for rule in components.rules:
            if isinstance(rule, GlobalFilter) and outcomes.is_open.any():
                batch = outcomes.open_rows().combine_chunks().to_batches()[0]
                reasons = reasons_of(rule, batch, components.kind)
                outcomes.reject(np.flatnonzero(outcomes.is_open), reasons, rule.name)
        return outcomes

    def open_rows(self) -> pa.Table:
        """Return the rows that nothing has rejected yet."""
        return self.table.filter(pa.array(self.is_open))

    def reject(self, places: Numbers | None, reasons: Sequence[str | None], name: str) -> None:
        """Reject the rows that have a reason.

        Args:
            places: Places of the rows that ``reasons`` are of; None for all rows.
            reasons: None for a row that passes.
            name: What rejects them.
        """
        rejected = [i for i, reason in enumerate(reasons) if reason is not None]
        at = np.array(rejected, dtype=np.int64) if places is None else places[rejected]
        self.rejected_by[at] = name
        self.reason[at] = [reasons[i] for i in rejected]
        self.is_open[at] = False

    def _set_column(self, name: str, values: pa.Array) -> None:
        self.table = self.table.set_column(self.table.schema.get_field_index(name), name, values)

    def count_votes(self, ballot: Ballot, scores: Numbers | None = None) -> Counter[str]:
        """Count votes and reject what they decide against, then exact duplicates.

        Returns:
            Questions by the outcome of their votes.
        """
        votes = ballot.count(self.table, self.is_open, scores)
        for name, column in votes.columns():
            self._set_column(name, column)
        self.reject(None, votes.reasons(self.is_open), VOTES)
        duplicates = find_duplicates(self.table, self.is_open, in_order=True)
        self.reject(None, duplicates.reasons, DUPLICATE)
        self._set_recurrence(duplicates)
        return votes.counts()

    def _set_recurrence(self, duplicates: Duplicates) -> None:
        self._set_column("recurrence", pa.array(duplicates.recurrence, pa.int32()))

    def scores(self, decision: Decision) -> Numbers:
        """Return the critic's score of each open row before votes; NaN for the others."""
        # A critic may read how often a candidate came. All rows of a candidate pass or fail
        # together in the votes, so the number is the same after them.
        self._set_recurrence(find_duplicates(self.table, self.is_open, in_order=True))
        scores = np.full(len(self.rejected_by), np.nan)
        scores[self.is_open] = np.array(decision.scores(self.open_rows()), dtype=np.float64)
        return scores

    def apply_critic(self, decision: Decision, scores: Numbers | None = None) -> None:
        """Apply the critic's verdict to the open rows; ``scores`` are those of `scores`."""
        places = np.flatnonzero(self.is_open)
        known = None if scores is None else scores[places].tolist()
        rows = self.open_rows()
        new_scores, verdicts = decision.decide(rows, known)
        if scores is None:
            scores = np.full(len(self.rejected_by), np.nan)
            scores[places] = np.array(new_scores, dtype=np.float64)
        self._set_column("score", pa.array(scores, pa.float64(), mask=np.isnan(scores)))
        self.reject(places, verdicts, decision.name)
        for place, outcome, reason in decision.unscored(rows, new_scores):
            self.reject(places[[place]], [reason], outcome)

    def finished(self) -> pa.Table:
        """Return the rows with their outcomes, without the columns that only voting needs."""
        own = [field.name for field in FIELDS if field.name in self.table.schema.names]
        table: pa.Table = with_outcomes(self.table.drop_columns(own), self.rejected_by, self.reason)
        return table


def sorted_rows(table: pa.Table) -> pa.Table:
    """Sort rows by content and origin, whatever the partitions or processes."""
    return table.sort_by([(name, "ascending") for name in _ORDER]).combine_chunks()


def outcome_counts(table: pa.Table) -> dict[str, int]:
    """Count the rows of each outcome."""
    counts: dict[str, Any] = Counter()
    for item in table.column("rejected_by").value_counts().to_pylist():
        counts[item["values"] or "accepted"] += item["counts"]
    return dict(counts)
