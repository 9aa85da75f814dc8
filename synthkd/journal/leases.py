"""Leases: parts of a run's caps that are spent through other journals.

    granted ──► reported (what the borrower has spent moves to the spending of the run)
       │
       ├──► ended (what is left goes back to the caps)
       └──► lost (what is left counts as spent, since nobody can tell)

A lease is a reservation of the lender's journal under a name of its own. It is marked as sent, so
that a kill of the lender charges it in full, like a request on the wire.
"""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass, field

from synthkd.journal import ledger
from synthkd.journal.ledger import Caps, Spending
from synthkd.journal.store import Journal


@dataclass
class _Lease:
    """A grant, and the spending that was reported last."""

    dollars: float = 0.0
    tokens: int = 0
    spent: Spending = field(default_factory=Spending)

    def left(self) -> tuple[float, int]:
        """Return dollars and tokens that are granted and not reported as spent."""
        return (
            max(0.0, self.dollars - self.spent.dollars - self.spent.unknown_dollars),
            max(0, self.tokens - self.spent.tokens - self.spent.unknown_tokens),
        )


class LeaseLedger:
    """Grants parts of a run's caps, and keeps what was granted in the run's journal.

    Args:
        journal: The journal of the run, which this process or its parent has claimed.
        run: Name of the run.
        caps: What the run may spend; None for no caps.
    """

    def __init__(self, journal: Journal, run: str, caps: Caps | None) -> None:
        self.journal, self.run, self.caps = journal, run, caps
        self._claim = journal.claim_of(run)
        self._leases: dict[str, _Lease] = {}

    @property
    def spending(self) -> Spending:
        """The spending of the run; leases count as in flight."""
        return self.journal.spending(self.run)

    def grant(
        self, name: str, least: tuple[float, int], wanted: tuple[float, int]
    ) -> tuple[float, int] | None:
        """Add dollars and tokens to a lease.

        Args:
            name: The lease.
            least: Dollars and tokens without which the borrower cannot go on.
            wanted: What it would like to have.

        Returns:
            All that the lease was granted so far; None if the caps leave less than ``least``.
        """
        lease = self._lease(name)
        with self.journal.transaction():
            if self.caps is not None:
                spending = ledger.read_spending(self.journal.writing, self.run)
                if not spending.leaves(self.caps, *least):
                    return None
                granted = wanted if spending.leaves(self.caps, *wanted) else least
            else:
                granted = wanted
            lease.dollars, lease.tokens = lease.dollars + granted[0], lease.tokens + granted[1]
            self._write(name, lease.left())
        return lease.dollars, lease.tokens

    def report(self, name: str, spent: Spending) -> None:
        """Take in what a borrower has spent under a lease, since its first grant.

        Without caps nothing is granted; then the lease is what the borrower has in flight.
        """
        lease = self._lease(name)
        if spent == lease.spent and self.caps is not None:
            return
        with self.journal.transaction():
            self._add(spent, lease.spent)
            lease.spent = spent
            in_flight = (spent.in_flight_dollars, spent.in_flight_tokens)
            self._write(name, in_flight if self.caps is None else lease.left())

    def give_back(self, name: str) -> tuple[float, int]:
        """Give what is left back to the caps, and keep the lease; return what is granted now."""
        lease = self._lease(name)
        left = lease.left()
        lease.dollars, lease.tokens = lease.dollars - left[0], lease.tokens - left[1]
        with self.journal.transaction():
            self._write(name, lease.left())
        return lease.dollars, lease.tokens

    def end(self, name: str) -> None:
        """Give what is left of a lease back to the caps."""
        self._end(name, is_lost=False)

    def lose(self, name: str) -> None:
        """Count what is left of a lease as spent: its borrower is gone."""
        self._end(name, is_lost=True)

    def _lease(self, name: str) -> _Lease:
        if name not in self._leases:
            self._leases[name] = _Lease()
            if self._claim is not None:
                self._claim.mark_sent([name])
        return self._leases[name]

    def _end(self, name: str, is_lost: bool) -> None:
        if self._leases.pop(name, None) is None:
            return
        with self.journal.transaction():
            on_wire = {name} if is_lost else set()
            ledger.settle_in_flight(self.journal.writing, self.run, on_wire, [name])
        if self._claim is not None:
            self._claim.clear_marks([name])

    def _write(self, name: str, left: tuple[float, int]) -> None:
        self.journal.writing.execute(
            "INSERT OR REPLACE INTO flights (request_id,sample_index,sent,run,dollars,tokens)"
            " VALUES (?,0,?,?,?,?)",
            (name, time.time(), self.run, *left),
        )

    def _add(self, spent: Spending, before: Spending) -> None:
        db: sqlite3.Connection = self.journal.writing
        ledger.add_spending(
            db,
            self.run,
            Spending(
                spent.dollars - before.dollars,
                spent.tokens - before.tokens,
                spent.unknown_dollars - before.unknown_dollars,
                spent.unknown_tokens - before.unknown_tokens,
            ),
        )
