"""The money of a run: what it has paid, what it has reserved, and what its caps leave.

    reserved (in flight, at the most that it may cost) ──► settled (what was billed)
                         ├──► charged in full (an attempt of unknown cost)
                         └──► released (never sent, or refused without a bill)

Functions over a connection, inside a transaction that the caller has begun.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

from synthkd.requests import Answer, Completion

#: The most that a sample may cost: dollars, and tokens read and written.
Bound = tuple[float, int]


@dataclass(frozen=True)
class Caps:
    """The most that a run may spend over all its processes and resumptions.

    Tokens are those read and those written.
    """

    dollars: float | None = None
    tokens: int | None = None


@dataclass(frozen=True)
class Spending:
    """Spending of a run.

    Attributes:
        dollars: Dollars paid.
        tokens: Tokens paid.
        unknown_dollars: Dollars charged for attempts of unknown cost.
        unknown_tokens: Tokens charged for attempts of unknown cost.
        in_flight_dollars: Dollars that requests in flight may cost at most.
        in_flight_tokens: Tokens that requests in flight may cost at most.
    """

    dollars: float = 0.0
    tokens: int = 0
    unknown_dollars: float = 0.0
    unknown_tokens: int = 0
    in_flight_dollars: float = 0.0
    in_flight_tokens: int = 0

    def leaves(self, caps: Caps, dollars: float = 0.0, tokens: int = 0) -> bool:
        """Tell if the caps leave room for so much more."""
        total_dollars = self.dollars + self.unknown_dollars + self.in_flight_dollars + dollars
        total_tokens = self.tokens + self.unknown_tokens + self.in_flight_tokens + tokens
        # Many prices add up inexactly in floating point.
        return (caps.dollars is None or total_dollars <= caps.dollars + 1e-9) and (
            caps.tokens is None or total_tokens <= caps.tokens
        )


def read_spending(db: sqlite3.Connection, run: str) -> Spending:
    """Sum up a run over all its resumptions and processes."""
    paid = db.execute(
        "SELECT dollars, tokens, lost_dollars, lost_tokens FROM spending WHERE run=?", (run,)
    ).fetchone() or (0.0, 0, 0.0, 0)
    in_flight = db.execute(
        "SELECT coalesce(sum(dollars), 0), coalesce(sum(tokens), 0) FROM flights WHERE run=?",
        (run,),
    ).fetchone()
    return Spending(*paid, *in_flight)


def count_affordable(
    db: sqlite3.Connection, requests: Sequence[tuple[int, Bound]], run: str, caps: Caps
) -> int:
    """Return how many of the first requests have room under the caps.

    A request is given by its number of samples, and the bound of each.
    """
    spending = read_spending(db, run)
    dollars, tokens = 0.0, 0
    for place, (samples, bound) in enumerate(requests):
        dollars, tokens = dollars + samples * bound[0], tokens + samples * bound[1]
        if not spending.leaves(caps, dollars, tokens):
            return place
    return len(requests)


@dataclass(frozen=True, slots=True)
class Bill:
    """Cost of a group of answers, as far as the answers tell.

    Attributes:
        dollars: Sum of the prices.
        tokens: Sum of the tokens of answers with a price, and of those that cost nothing.
        unknown: Keys (request id and sample index) of answers whose tokens are unknown.
        unpriced: Keys of answers that have billed tokens and no price.
        unpriced_tokens: Sum of their tokens.
    """

    dollars: float
    tokens: int
    unknown: Sequence[Sequence[Any]]
    unpriced: Sequence[Sequence[Any]]
    unpriced_tokens: int

    @classmethod
    def of(cls, answers: Sequence[Answer]) -> Bill:
        """Add up answers."""
        dollars, tokens, unpriced_tokens = 0.0, 0, 0
        unknown, unpriced = [], []
        for answer in answers:
            count = _billed_tokens(answer)
            if count is None:
                unknown.append((answer.request_id, answer.sample_index))
            elif count and answer.price is None:
                unpriced.append((answer.request_id, answer.sample_index))
                unpriced_tokens += count
            else:
                dollars, tokens = dollars + (answer.price or 0.0), tokens + count
        return cls(dollars, tokens, unknown, unpriced, unpriced_tokens)


def settle_answers(db: sqlite3.Connection, bill: Bill, run: str) -> None:
    """Add what answers cost to the spending. Call before their reservations are deleted.

    An answer of unknown cost is charged its reservation.
    """
    dollars, tokens = bill.dollars, bill.tokens
    charged = list(bill.unknown)
    # One teacher answers a run: either each of its answers has a price, or dollars are not known.
    if bill.unpriced and _has_reserved_dollars(db, *bill.unpriced[0]):
        charged += bill.unpriced
    else:
        tokens += bill.unpriced_tokens
    for request_id, sample_index in charged:
        charge_reservation(db, run, request_id, (sample_index,))
    if dollars or tokens:
        db.execute(
            "INSERT INTO spending (run, dollars, tokens) VALUES (?,?,?)"
            " ON CONFLICT (run) DO UPDATE SET dollars = dollars + excluded.dollars,"
            " tokens = tokens + excluded.tokens",
            (run, dollars, tokens),
        )


def _billed_tokens(answer: Answer) -> int | None:
    """Return the tokens that an answer was billed for; None if they are unknown."""
    if not isinstance(answer, Completion):
        return answer.tokens
    unknown = answer.completion_tokens is None or (
        answer.counts_prompt and answer.prompt_tokens is None
    )
    return None if unknown else answer.tokens


def _has_reserved_dollars(db: sqlite3.Connection, request_id: str, sample_index: int) -> bool:
    row = db.execute(
        "SELECT dollars FROM flights WHERE request_id=? AND sample_index=?",
        (request_id, sample_index),
    ).fetchone()
    return row is not None and row[0] > 0


def charge_reservation(
    db: sqlite3.Connection, run: str, request_id: str, sample_indexes: Sequence[int]
) -> None:
    """Charge samples of unknown cost what was reserved for them; the reservation stays."""
    marks = ",".join("?" * len(sample_indexes))
    sums = db.execute(
        "SELECT coalesce(sum(dollars), 0), coalesce(sum(tokens), 0) FROM flights WHERE request_id=?"
        f" AND sample_index IN ({marks})",
        (request_id, *sample_indexes),
    ).fetchone()
    _add_unknown_cost(db, run, *sums)


#: Requests of batches that were handed to a provider and are not collected.
_IN_BATCHES = (
    "(SELECT r.request_id FROM batch_rows r JOIN batches b USING (token) WHERE b.state !="
    " 'collected')"
)


def settle_in_flight(
    db: sqlite3.Connection,
    run: str,
    on_wire: Container[str] | None = None,
    request_ids: Sequence[str] | None = None,
) -> int:
    """Charge in full what a run has on the wire, and release what it reserved and did not send.

    Reservations of submitted batches stay: the batches are still under way.

    Args:
        db: The connection.
        run: Name of the run.
        on_wire: Requests that were sent and may be billed; None if that is unknown, and all count.
        request_ids: Only these requests; None for all of the run.

    Returns:
        Number of samples that were charged.
    """
    chosen, values = "", [run]
    if request_ids is not None:
        chosen = " AND request_id IN (SELECT value FROM json_each(?))"
        values = [run, json.dumps(list(request_ids))]
    rows = db.execute(
        "SELECT request_id, sum(dollars), sum(tokens), count(*) FROM flights WHERE run=?"
        f" AND request_id NOT IN {_IN_BATCHES}{chosen} GROUP BY request_id",
        values,
    ).fetchall()
    charged = [row for row in rows if on_wire is None or row[0] in on_wire]
    if charged:
        _add_unknown_cost(db, run, sum(row[1] for row in charged), sum(row[2] for row in charged))
    if rows:
        db.execute(
            f"DELETE FROM flights WHERE run=? AND request_id NOT IN {_IN_BATCHES}{chosen}", values
        )
    return sum(row[3] for row in charged)


def count_in_flight(db: sqlite3.Connection, run: str) -> int:
    """Return how many samples a run has in flight outside of batches."""
    row = db.execute(
        f"SELECT count(*) FROM flights WHERE run=? AND request_id NOT IN {_IN_BATCHES}", (run,)
    ).fetchone()
    return int(row[0])


def has_other_runs_in_flight(db: sqlite3.Connection, run: str) -> bool:
    """Tell if runs of other names have anything in flight, or in batches."""
    row = db.execute(
        "SELECT EXISTS (SELECT 1 FROM flights WHERE run != ?)"
        " OR EXISTS (SELECT 1 FROM batches WHERE run != ? AND state != 'collected')",
        (run, run),
    ).fetchone()
    return bool(row[0])


def in_batches_of_others(db: sqlite3.Connection, run: str, request_ids: str) -> set[str]:
    """Return the requests that a batch of another run contains.

    ``request_ids`` is a JSON list of one-element lists.
    """
    rows = db.execute(
        "SELECT r.request_id FROM batch_rows r JOIN batches b USING (token) WHERE b.state !="
        " 'collected'"
        " AND b.run != ? AND r.request_id IN (SELECT json_extract(value,'$[0]') FROM json_each(?))",
        (run, request_ids),
    )
    return {row[0] for row in rows}


def add_spending(db: sqlite3.Connection, run: str, spent: Spending) -> None:
    """Add what was spent elsewhere to a run: paid, and charged for attempts of unknown cost."""
    db.execute(
        "INSERT INTO spending (run, dollars, tokens) VALUES (?,?,?) ON CONFLICT (run) DO UPDATE SET"
        " dollars = dollars + excluded.dollars, tokens = tokens + excluded.tokens",
        (run, spent.dollars, spent.tokens),
    )
    if spent.unknown_dollars or spent.unknown_tokens:
        _add_unknown_cost(db, run, spent.unknown_dollars, spent.unknown_tokens)


def set_unknown_cost(db: sqlite3.Connection, run: str, dollars: float, tokens: int) -> None:
    """Set what a run was charged for attempts of unknown cost."""
    db.execute(
        "INSERT INTO spending (run, lost_dollars, lost_tokens) VALUES (?,?,?) ON CONFLICT (run) DO"
        " UPDATE SET"
        " lost_dollars = excluded.lost_dollars, lost_tokens = excluded.lost_tokens",
        (run, dollars, tokens),
    )


def _add_unknown_cost(db: sqlite3.Connection, run: str, dollars: float, tokens: int) -> None:
    db.execute(
        "INSERT INTO spending (run, lost_dollars, lost_tokens) VALUES (?,?,?) ON CONFLICT (run) DO"
        " UPDATE SET"
        " lost_dollars = lost_dollars + excluded.lost_dollars, lost_tokens = lost_tokens +"
        " excluded.lost_tokens",
        (run, dollars, tokens),
    )
