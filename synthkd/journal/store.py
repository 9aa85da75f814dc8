"""`Journal`: reservations of requests, their answers, and the spending of runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synthkd.errors import InputError, JournalError, nearest
from synthkd.journal import ledger
from synthkd.journal.claim import Claim, is_run_alive, join_claim, requests_on_wire, take_claim
from synthkd.journal.connection import JournalConnection
from synthkd.journal.ledger import Bound, Caps, Spending
from synthkd.journal.read import COLUMNS, FAILURE_COLUMNS
from synthkd.journal.values import EncodedRows, rows_json
from synthkd.journal.writes import (
    AnswersWrite,
    EndWrite,
    Reservation,
    ReservationWrite,
    UnknownCostWrite,
    Write,
)
from synthkd.requests import Answer, Request

_INSERT_COMPLETIONS = f"INSERT OR IGNORE INTO completions ({','.join(COLUMNS)},created)"


class Journal(JournalConnection):
    """A journal. Use as a context manager.

    Args:
        path: The SQLite file.
        must_exist: Raise `JournalError` if there is no file, instead of creating one.
        read_only: Neither create nor alter anything; writing raises `JournalError`. For a short
            look: the writes of a process that starts meanwhile may not be seen.

    Example:
        >>> import synthkd
        >>> report = synthkd.generate("recipe.yaml", quiet=True, limit=2)
        >>> with synthkd.Journal("journal.sqlite", read_only=True) as journal:
        ...     journal.counts().completions
        20
    """

    def __init__(self, path: str | Path, must_exist: bool = False, read_only: bool = False) -> None:
        super().__init__(path, must_exist, read_only)
        self._claims: dict[str, Claim] = {}
        #: SQLite's counter of changes by other connections, when reservations last looked.
        self._data_version: int | None = None
        self._others_in_flight = False

    # Runs

    @contextmanager
    def claim(self, run: str, say: Callable[[str], None] | None = None) -> Iterator[Claim]:
        """Claim a run for this process and its workers.

        First, what an earlier process left in flight is settled.

        Args:
            run: Name of the run.
            say: Receives a message if another process is at the run, and this one waits for its
                end.
        """
        claim = take_claim(self.path, run, say)
        try:
            self.settle_in_flight(run)
            claim.reset()
            self._claims[run] = claim
            yield claim
        finally:
            self._claims.pop(run, None)
            claim.release(remove=self._is_settled(run))

    def claim_of(self, run: str) -> Claim | None:
        """Return the claim that this process or its parent has on a run.

        None if there is none.
        """
        return self._claims.get(run) or join_claim(self.path, run)

    def _is_settled(self, run: str) -> bool:
        """Tell if a run has no reservations except of batches, which the provider has."""
        try:
            with self._reading:
                return not ledger.count_in_flight(self._reader, run)
        except sqlite3.Error:
            return False

    def settle_in_flight(self, run: str) -> int:
        """Charge what a dead process of a run had on the wire, and release what it had not sent.

        Only for a run that no other process is at. Returns the number of samples that were charged.
        """
        with self.transaction():
            return ledger.settle_in_flight(self._db, run, requests_on_wire(self.path, run))

    def settle(self, run: str, dollars: float, tokens: int) -> Spending:
        """Replace what a run was charged for attempts of unknown cost by what they did cost.

        What a dead process had on the wire is charged first.

        Returns:
            The spending before.

        Raises:
            JournalError: If a process is at the run, or the journal has no such run.
            InputError: If no bill can come to these sums.
        """
        if not (0 <= dollars < float("inf") and 0 <= tokens < 2**53):
            raise InputError(
                f"${dollars} and {tokens} tokens: no bill comes to that; give the sums of the bill"
            )
        if run not in (names := self.runs()):
            raise JournalError(
                f"{self.path}: no run {run!r} has spent anything{nearest(run, names)}"
            )
        if is_run_alive(self.path, run):
            raise JournalError(
                f"{self.path}: a process is at the run {run!r}; wait until it has ended"
            )
        with self.claim(run), self.transaction():
            before = ledger.read_spending(self._db, run)
            ledger.set_unknown_cost(self._db, run, dollars, tokens)
        return before

    # Reservations

    def reserve(
        self,
        requests: Iterable[Request],
        run: str = "",
        bounds: Sequence[Bound] = (),
        caps: Caps | None = None,
    ) -> Reservation:
        """Record requests that are about to be sent, and reserve their cost, in one commit.

        Args:
            requests: The requests.
            run: Name of the run.
            bounds: The most that a sample of each request may cost.
            caps: Grant only the first requests whose reservations have room under these.
        """
        requests = list(requests)
        if not requests:
            return Reservation([], [], [])
        with self.transaction():
            return Reservation.of(
                requests, *self.write(ReservationWrite.of(requests, run, bounds), run, caps)
            )

    def write(self, write: Write, run: str, caps: Caps | None = None, shared: bool = False) -> Any:
        """Execute a write inside a transaction that the caller has begun.

        Args:
            write: The write.
            run: Name of the run.
            caps: What the run may spend.
            shared: Whether several processes of the run ask for writes. A reservation is then not
                granted for what one of them has in flight.

        Returns:
            The result that the write's class describes, as JSON holds it.
        """
        match write:
            case ReservationWrite():
                return self._reserve(write, run, caps, shared)
            case AnswersWrite():
                return self._store(write, run)
            case UnknownCostWrite():
                ledger.charge_reservation(self._db, run, write.request_id, write.sample_indexes)
                return caps is None or ledger.read_spending(self._db, run).leaves(caps)
            case EndWrite():
                ledger.settle_in_flight(self._db, run, set(write.on_wire), write.request_ids)
                return None

    def _reserve(
        self, write: ReservationWrite, run: str, caps: Caps | None, shared: bool
    ) -> tuple[list[str], int]:
        """Reserve; return the ids that are taken, and how many of the others are granted.

        Requests stay with a living process of another run that has them in flight. Requests that
        anybody has bought since the caller looked are not granted either.
        """
        taken: set[str] = (
            self._taken(write, run, shared) if shared or self._others_at_work(run) else set()
        )
        free = [
            place for place, request_id in enumerate(write.request_ids) if request_id not in taken
        ]
        granted = len(free)
        if caps is not None:
            priced = [(len(write.sample_indexes[place]), write.bounds[place]) for place in free]
            granted = ledger.count_affordable(self._db, priced, run, caps)
        if granted:
            chosen = write.select(free[:granted])
            self._execute_encoded("INSERT OR IGNORE INTO requests", chosen.requests)
            self._execute_encoded(
                "INSERT OR REPLACE INTO flights (request_id,sample_index,sent,run,dollars,tokens)",
                chosen.flights,
            )
        return sorted(taken), granted

    def _others_at_work(self, run: str) -> bool:
        """Tell if another run has requests in flight, or another connection has written since.

        If neither holds nothing needs to be looked up, which would cost as much as the reservation
        itself.
        """
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        changed, self._data_version = version != self._data_version, version
        if changed:
            self._others_in_flight = ledger.has_other_runs_in_flight(self._db, run)
        return changed or self._others_in_flight

    def _taken(self, write: ReservationWrite, run: str, shared: bool) -> set[str]:
        """Return requests that others have in flight, or have bought since the caller looked."""
        ids = rows_json([(request_id,) for request_id in write.request_ids])
        selected = "IN (SELECT json_extract(value,'$[0]') FROM json_each(?))"
        taken: set[str] = set()
        in_flight: dict[str, list[str]] = {}
        for request_id, owner in self._db.execute(
            f"SELECT DISTINCT request_id, run FROM flights WHERE request_id {selected}", (ids,)
        ):
            in_flight.setdefault(owner, []).append(request_id)
        for owner, request_ids in in_flight.items():
            if owner == run:
                taken.update(request_ids if shared else ())
            elif is_run_alive(self.path, owner):
                taken.update(request_ids)
            else:
                # Nobody would send these again; what may have been billed stays with the run that
                # sent it.
                ledger.settle_in_flight(
                    self._db, owner, requests_on_wire(self.path, owner), request_ids
                )
        # Submitted batches are under way at the provider, whether or not a process waits for them.
        taken.update(ledger.in_batches_of_others(self._db, run, ids))
        stored = self._db.execute(
            f"SELECT request_id, sample_index FROM completions WHERE request_id {selected}", (ids,)
        )
        wanted = dict(zip(write.request_ids, write.sample_indexes, strict=True))
        return taken | {request_id for request_id, index in stored if index in wanted[request_id]}

    # Answers

    def store_answers(self, answers: Sequence[Answer], run: str = "") -> None:
        """Commit a group of answers. When this returns they are on disk."""
        if answers:
            with self.transaction():
                self.write(AnswersWrite.of(answers), run)

    def _store(self, write: AnswersWrite, run: str) -> None:
        if write.completions is not None:
            # The first answer under a key stays: what was read once must not change under a reader.
            self._execute_encoded(_INSERT_COMPLETIONS, write.completions)
        ledger.settle_answers(self._db, write.bill, run)
        if write.failures is not None:
            self._execute_encoded("INSERT OR REPLACE INTO failures", write.failures)
        self._delete("flights", write.keys)
        if (
            write.completions is not None
            and self._db.execute("SELECT 1 FROM failures LIMIT 1").fetchone()
        ):
            self._delete("failures", EncodedRows.of([row[:2] for row in write.completions.rows()]))

    def _delete(self, table: str, keys: EncodedRows) -> None:
        self._execute_encoded(
            f"DELETE FROM {table} WHERE (request_id, sample_index) IN (", keys, ")"
        )

    def forget_failures(self) -> int:
        """Delete the recorded failures, so that the next run sends their requests again.

        Return how many.
        """
        with self.transaction():
            return int(self._db.execute("DELETE FROM failures").rowcount)

    def insert_failures(self, rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert failures of another journal, of samples that are neither completed nor failed.

        Return how many were new.
        """
        with self.transaction():
            before = self._db.total_changes
            self._execute_many(
                f"INSERT OR IGNORE INTO failures ({','.join(FAILURE_COLUMNS)})", rows
            )
            new = self._db.total_changes - before
            deleted = self._db.execute(
                "DELETE FROM failures WHERE EXISTS (SELECT 1 FROM completions c WHERE"
                " c.request_id = failures.request_id AND c.sample_index = failures.sample_index)"
            ).rowcount
        return int(new - deleted)

    def insert(
        self, requests: Iterable[tuple[Any, ...]], completions: Iterable[tuple[Any, ...]]
    ) -> int:
        """Insert rows of another journal unchanged (see `journal.exchange`).

        Return how many completions were new.
        """
        with self.transaction():
            self._execute_many("INSERT OR IGNORE INTO requests", list(requests))
            before = self._db.total_changes
            self._execute_many(_INSERT_COMPLETIONS, list(completions))
            return self._db.total_changes - before
