"""What a run has paid, what it has in flight at most, and what its caps leave.

    reserved (a flight, at the most that it may cost) ──► settled (what was billed)
                         └──► lost (a bill that nobody saw counts in full)

Functions over a connection, inside a transaction that the caller has begun.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from synthkd.requests import Answer, Completion, Request


@dataclass(frozen=True)
class Caps:
    """What a run may spend at most, over all its processes and resumptions: dollars, and tokens read and written."""

    dollars: float | None = None
    tokens: int | None = None


@dataclass(frozen=True)
class Spending:
    """What a run has paid for (``lost`` included: tries whose bill nobody saw) and what is in flight at most."""

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
    """Put what was paid in the place of what was reserved. Before the flights are forgotten."""
    dollars, tokens = 0.0, 0
    for answer in answers:
        if isinstance(answer, Completion):
            count = None if answer.completion_tokens is None else answer.tokens
        else:
            count = answer.tokens
        if count is None:
            # A server that counts nothing, or a bill that nobody saw.
            lose(db, run, answer.request_id, (answer.sample_index,))
        else:
            dollars, tokens = dollars + (answer.price or 0.0), tokens + count
    if dollars or tokens:
        db.execute(
            "INSERT INTO spending (run, dollars, tokens) VALUES (?,?,?) ON CONFLICT (run) DO UPDATE SET"
            " dollars = dollars + excluded.dollars, tokens = tokens + excluded.tokens",
            (run, dollars, tokens),
        )


def lose(db: sqlite3.Connection, run: str, request_id: str, sample_indexes: Sequence[int]) -> None:
    """Count what was reserved for these samples as paid in full; the reservation stays."""
    marks = ",".join("?" * len(sample_indexes))
    found = db.execute(
        "SELECT coalesce(sum(dollars), 0), coalesce(sum(tokens), 0) FROM flights WHERE request_id=?"
        f" AND sample_index IN ({marks})",
        (request_id, *sample_indexes),
    ).fetchone()
    _lost(db, run, *found)


def give_up_flights(db: sqlite3.Connection, run: str) -> int:
    """Count all that a run has in flight as paid in full, and forget the flights. Returns how many they were.

    Batches that were submitted are still under way: theirs stay.
    """
    waiting = (
        "(SELECT r.request_id FROM batch_rows r JOIN batches b USING (token) WHERE b.state != 'collected')"
    )
    dollars, tokens, count = db.execute(
        "SELECT coalesce(sum(dollars), 0), coalesce(sum(tokens), 0), count(*) FROM flights WHERE run=?"
        f" AND request_id NOT IN {waiting}",
        (run,),
    ).fetchone()
    if count:
        _lost(db, run, dollars, tokens)
        db.execute(f"DELETE FROM flights WHERE run=? AND request_id NOT IN {waiting}", (run,))
    return int(count)


def _lost(db: sqlite3.Connection, run: str, dollars: float, tokens: int) -> None:
    db.execute(
        "INSERT INTO spending (run, lost_dollars, lost_tokens) VALUES (?,?,?) ON CONFLICT (run) DO UPDATE SET"
        " lost_dollars = lost_dollars + excluded.lost_dollars, lost_tokens = lost_tokens + excluded.lost_tokens",
        (run, dollars, tokens),
    )
