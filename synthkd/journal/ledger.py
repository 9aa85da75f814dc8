"""What a run has paid, what it has in flight at most, and what its caps leave.

    reserved (a flight, at the most that it may cost) ──► settled (what was billed)
                         ├──► charged in full (an attempt of unknown cost)
                         └──► released (never sent, or refused without a bill)

Functions over a connection, inside a transaction that the caller has begun.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Container, Sequence
from dataclasses import dataclass

from synthkd.requests import Answer, Completion, Request


@dataclass(frozen=True)
class Caps:
    """What a run may spend at most, over all its processes and resumptions: dollars, and tokens read and written."""

    dollars: float | None = None
    tokens: int | None = None


@dataclass(frozen=True)
class Spending:
    """Spending of a run: paid, charged for attempts of unknown cost (``lost``), and at most in flight."""

    dollars: float = 0.0
    tokens: int = 0
    lost_dollars: float = 0.0
    lost_tokens: int = 0
    flying_dollars: float = 0.0
    flying_tokens: int = 0

    def leaves(self, caps: Caps, dollars: float = 0.0, tokens: int = 0) -> bool:
        """Whether the caps leave room for so much more."""
        spent = self.dollars + self.lost_dollars + self.flying_dollars + dollars
        used = self.tokens + self.lost_tokens + self.flying_tokens + tokens
        # A hair for the sum of many prices, which is not exact in floating point.
        return (caps.dollars is None or spent <= caps.dollars + 1e-9) and (
            caps.tokens is None or used <= caps.tokens
        )


def spending(db: sqlite3.Connection, run: str) -> Spending:
    """Over all resumptions and processes of a run."""
    paid = db.execute(
        "SELECT dollars, tokens, lost_dollars, lost_tokens FROM spending WHERE run=?", (run,)
    ).fetchone() or (0.0, 0, 0.0, 0)
    flying = db.execute(
        "SELECT coalesce(sum(dollars), 0), coalesce(sum(tokens), 0) FROM flights WHERE run=?", (run,)
    ).fetchone()
    return Spending(*paid, *flying)


def room(
    db: sqlite3.Connection, requests: Sequence[tuple[Request, tuple[float, int]]], run: str, caps: Caps
) -> int:
    """How many of the first have room under the caps; each comes with what a sample of it may cost."""
    spent = spending(db, run)
    dollars, tokens = 0.0, 0
    for place, (request, bound) in enumerate(requests):
        n = len(request.sample_indexes)
        dollars, tokens = dollars + n * bound[0], tokens + n * bound[1]
        if not spent.leaves(caps, dollars, tokens):
            return place
    return len(requests)


def settle(db: sqlite3.Connection, answers: Sequence[Answer], run: str) -> None:
    """Put what was paid in the place of what was reserved. Before the flights are forgotten.

    An answer of unknown cost is charged its reservation.
    """
    dollars, tokens = 0.0, 0
    unpriced = next((answer for answer in answers if answer.price is None and _tokens(answer)), None)
    # One teacher answers a run: either each of its answers has a price, or dollars are not known.
    priced = unpriced is not None and _reserved_dollars(db, unpriced)
    for answer in answers:
        count = _tokens(answer)
        if count is None or (priced and count and answer.price is None):
            lose(db, run, answer.request_id, (answer.sample_index,))
        else:
            dollars, tokens = dollars + (answer.price or 0.0), tokens + count
    if dollars or tokens:
        db.execute(
            "INSERT INTO spending (run, dollars, tokens) VALUES (?,?,?) ON CONFLICT (run) DO UPDATE SET"
            " dollars = dollars + excluded.dollars, tokens = tokens + excluded.tokens",
            (run, dollars, tokens),
        )


def _tokens(answer: Answer) -> int | None:
    """Tokens that an answer was billed for; None if nobody knows."""
    if not isinstance(answer, Completion):
        return answer.tokens
    unknown = answer.completion_tokens is None or (answer.bears_prompt and answer.prompt_tokens is None)
    return None if unknown else answer.tokens


def _reserved_dollars(db: sqlite3.Connection, answer: Answer) -> bool:
    found = db.execute(
        "SELECT dollars FROM flights WHERE request_id=? AND sample_index=?",
        (answer.request_id, answer.sample_index),
    ).fetchone()
    return found is not None and found[0] > 0


def lose(db: sqlite3.Connection, run: str, request_id: str, sample_indexes: Sequence[int]) -> None:
    """Count what was reserved for these samples as paid in full; the reservation stays."""
    marks = ",".join("?" * len(sample_indexes))
    found = db.execute(
        "SELECT coalesce(sum(dollars), 0), coalesce(sum(tokens), 0) FROM flights WHERE request_id=?"
        f" AND sample_index IN ({marks})",
        (request_id, *sample_indexes),
    ).fetchone()
    _lost(db, run, *found)


#: Requests of batches that were handed to a provider and are not collected.
_WAITING = "(SELECT r.request_id FROM batch_rows r JOIN batches b USING (token) WHERE b.state != 'collected')"


def give_up_flights(
    db: sqlite3.Connection,
    run: str,
    on_wire: Container[str] | None = None,
    requests: Sequence[str] | None = None,
) -> int:
    """Charge what a run has on the wire in full, and release what it reserved and did not send.

    Batches that were submitted are still under way: their reservations stay.

    Args:
        on_wire: Requests that were sent and may be billed; None if nobody knows, and all count.
        requests: Only these requests; None for all of the run.

    Returns:
        How many samples were charged.
    """
    chosen, values = "", [run]
    if requests is not None:
        chosen, values = (
            " AND request_id IN (SELECT value FROM json_each(?))",
            [run, json.dumps(list(requests))],
        )
    found = db.execute(
        "SELECT request_id, sum(dollars), sum(tokens), count(*) FROM flights WHERE run=?"
        f" AND request_id NOT IN {_WAITING}{chosen} GROUP BY request_id",
        values,
    ).fetchall()
    charged = [row for row in found if on_wire is None or row[0] in on_wire]
    if charged:
        _lost(db, run, sum(row[1] for row in charged), sum(row[2] for row in charged))
    if found:
        db.execute(f"DELETE FROM flights WHERE run=? AND request_id NOT IN {_WAITING}{chosen}", values)
    return sum(row[3] for row in charged)


def open_flights(db: sqlite3.Connection, run: str) -> int:
    """How many samples a run has in flight outside of batches."""
    found = db.execute(
        f"SELECT count(*) FROM flights WHERE run=? AND request_id NOT IN {_WAITING}", (run,)
    ).fetchone()
    return int(found[0])


def others_flying(db: sqlite3.Connection, run: str) -> bool:
    """Whether runs of other names have anything in flight, or in batches."""
    found = db.execute(
        "SELECT EXISTS (SELECT 1 FROM flights WHERE run != ?)"
        " OR EXISTS (SELECT 1 FROM batches WHERE run != ? AND state != 'collected')",
        (run, run),
    ).fetchone()
    return bool(found[0])


def in_batches(db: sqlite3.Connection, run: str, ids: str) -> set[str]:
    """Those of ``ids`` (a JSON list of one-element lists) that a batch of another run holds at a provider."""
    found = db.execute(
        "SELECT r.request_id FROM batch_rows r JOIN batches b USING (token) WHERE b.state != 'collected'"
        " AND b.run != ? AND r.request_id IN (SELECT json_extract(value,'$[0]') FROM json_each(?))",
        (run, ids),
    )
    return {row[0] for row in found}


def set_lost(db: sqlite3.Connection, run: str, dollars: float, tokens: int) -> None:
    """Set what a run was charged for attempts of unknown cost."""
    db.execute(
        "INSERT INTO spending (run, lost_dollars, lost_tokens) VALUES (?,?,?) ON CONFLICT (run) DO UPDATE SET"
        " lost_dollars = excluded.lost_dollars, lost_tokens = excluded.lost_tokens",
        (run, dollars, tokens),
    )


def _lost(db: sqlite3.Connection, run: str, dollars: float, tokens: int) -> None:
    db.execute(
        "INSERT INTO spending (run, lost_dollars, lost_tokens) VALUES (?,?,?) ON CONFLICT (run) DO UPDATE SET"
        " lost_dollars = lost_dollars + excluded.lost_dollars, lost_tokens = lost_tokens + excluded.lost_tokens",
        (run, dollars, tokens),
    )
