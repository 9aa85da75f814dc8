"""`Journal`: what is written and read of the tables in `schema`.

Writes go through one connection, reads through another: a reader sees only what is on disk, and never waits
for a commit.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any

from synthkd.errors import InputError, JournalError, nearest
from synthkd.journal import claim, ledger
from synthkd.journal.claim import Claim
from synthkd.journal.guard import Place, rescue
from synthkd.journal.ledger import Caps, Spending
from synthkd.journal.open import explained, open_to_read, open_to_write, when_free
from synthkd.journal.read import COLUMNS, JournalReader
from synthkd.journal.values import json_text, odd, representable, storable
from synthkd.requests import Answer, Completion, Failure, Request

_values = attrgetter(*COLUMNS)
_INSERT = f"INSERT OR IGNORE INTO completions ({','.join(COLUMNS)},created)"
#: Seconds between looks whether a transaction may begin.
_TURN = 0.0005


@dataclass(frozen=True)
class Departed:
    """Requests that go, those for which the caps leave no room now, and those that another process is at."""

    go: list[Request]
    refused: list[Request]
    others: list[Request]


class Journal(JournalReader):
    """Open a journal, creating it if there is none. Use as a context manager.

    Args:
        path: The SQLite file.
        must_exist: Raise `JournalError` if there is no file, instead of creating one.
        read_only: Neither create nor alter anything; writing raises `JournalError`. For a short look: what a
            process writes that starts meanwhile may not be seen.
    """

    def __init__(self, path: str | Path, must_exist: bool = False, read_only: bool = False) -> None:
        self.path = Path(path)
        # One connection writes for several threads: a transaction of one must not be ended by another.
        self._lock = threading.RLock()
        self._reading = threading.Lock()
        self._claims: dict[str, Claim] = {}
        self._lost: str | None = None
        self.read_only = read_only
        #: Changes of the file by other connections, as far as departures have looked at them.
        self._seen_version: int | None = None
        self._others_flying = False
        if (must_exist or read_only) and not self.path.exists():
            raise JournalError(f"{self.path}: no journal here; a run makes one")
        try:
            if read_only:
                self._db = self._reader = open_to_read(self.path)
            else:
                self._db, self._reader = open_to_write(self.path)
            self._place = Place(self.path)
        except (sqlite3.Error, OSError) as error:
            raise explained(error, self.path) from None

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was committed stays."""
        self._reader.close()
        self._db.close()

    def checkpoint(self) -> None:
        """Move what the log holds into the file itself, as far as nobody reads it, so that a copy of the file has it."""
        with self._lock, suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def look_at_place(self) -> None:
        """Raise `JournalError` if the file was removed, moved, replaced or cut since it was opened."""
        if self.read_only or not (trouble := self._place.trouble()):
            return
        with self._lock:
            if self._lost is None:
                kept = rescue(self._db, self.path)
                self._lost = f"{self.path}: {trouble} while the run was on; nothing more is sent. " + (
                    f"All that was committed is in {kept}: put that file in its place, then the same command goes on"
                    if kept
                    else "What was committed could not be read any more; restore the file from a copy"
                )
        raise JournalError(self._lost)

    # Runs

    @contextmanager
    def claim(self, run: str, say: Callable[[str], None] | None = None) -> Iterator[Claim]:
        """Be the only process team at a run, from the settling of what the one before left to the end of the block.

        Waits while another process is at the run; ``say`` is told so.
        """
        held = claim.take(self.path, run, say)
        try:
            # What an earlier process had in flight when it died may have been billed.
            self.give_up_flights(run)
            held.begin()
            self._claims[run] = held
            yield held
        finally:
            self._claims.pop(run, None)
            held.end(remove=self._settled(run))

    def claim_of(self, run: str) -> Claim | None:
        """The claim that this process or its parent has on a run; None if there is none."""
        return self._claims.get(run) or claim.join(self.path, run)

    def _settled(self, run: str) -> bool:
        """Whether no reservation of a run is left but those of batches, which are at the provider."""
        try:
            with self._reading:
                return not ledger.open_flights(self._reader, run)
        except sqlite3.Error:
            return False

    # Writing

    def transaction(self) -> _Transaction:
        """All that is written inside is committed together, or not at all."""
        return _Transaction(self)

    def depart(
        self,
        requests: Iterable[Request],
        run: str = "",
        bounds: Sequence[tuple[float, int]] = (),
        caps: Caps | None = None,
    ) -> Departed:
        """Record, in one commit, what is about to be sent, and reserve what it may cost.

        ``bounds`` holds for each request what a sample may cost at most (dollars, tokens). Under ``caps`` only the
        first are let through whose reservations have room.
        """
        with self.transaction():
            return self.write_departures(list(requests), run, bounds, caps)

    def write_departures(
        self,
        requests: Sequence[Request],
        run: str,
        bounds: Sequence[tuple[float, int]] = (),
        caps: Caps | None = None,
        shared: bool = False,
    ) -> Departed:
        """`depart` inside a transaction that the caller has begun.

        What a living process of another run has in flight, or anybody has bought since the caller looked, is left to
        them. ``shared``: this run has other processes, to which the same holds.
        """
        pairs = list(zip(requests, bounds or [(0.0, 0)] * len(requests), strict=True))
        others: set[str] = (
            self._taken(requests, run, shared) if shared or self._others_at_work(run) else set()
        )
        free = [(request, bound) for request, bound in pairs if request.request_id not in others]
        room = len(free) if caps is None else ledger.room(self._db, free, run, caps)
        go = free[:room]
        now = time.time()
        self._many(
            "INSERT OR IGNORE INTO requests",
            [(r.request_id, r.identity, r.messages_json, r.sampling.json) for r, _ in go],
        )
        self._many(
            "INSERT OR REPLACE INTO flights (request_id,sample_index,sent,run,dollars,tokens)",
            [
                (request.request_id, index, now, run, *bound)
                for request, bound in go
                for index in request.sample_indexes
            ],
        )
        return Departed(
            [request for request, _ in go],
            [request for request, _ in free[room:]],
            [request for request in requests if request.request_id in others],
        )

    def _others_at_work(self, run: str) -> bool:
        """Whether another run has anything in flight, or another connection has written since this was last asked.

        Without either nothing needs to be looked up, which would cost as much as the departure itself.
        """
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        changed, self._seen_version = version != self._seen_version, version
        if changed:
            self._others_flying = ledger.others_flying(self._db, run)
        return changed or self._others_flying

    def _taken(self, requests: Sequence[Request], run: str, shared: bool) -> set[str]:
        """Requests that others have in flight, or of which a wanted sample has come since the caller looked."""
        ids = json_text([(r.request_id,) for r in requests])
        wanted = "IN (SELECT json_extract(value,'$[0]') FROM json_each(?))"
        found: set[str] = set()
        flying: dict[str, list[str]] = {}
        for request_id, whose in self._db.execute(
            f"SELECT DISTINCT request_id, run FROM flights WHERE request_id {wanted}", (ids,)
        ):
            flying.setdefault(whose, []).append(request_id)
        for whose, theirs in flying.items():
            if whose == run:
                found.update(theirs if shared else ())
            elif claim.is_alive(self.path, whose):
                found.update(theirs)
            else:
                # Nobody would ask for these; what may have been billed stays with the run that sent it.
                ledger.give_up_flights(self._db, whose, claim.on_wire(self.path, whose), theirs)
        # Batches that were submitted are under way at the provider, whether or not a process waits for them.
        found.update(ledger.in_batches(self._db, run, ids))
        have = self._db.execute(
            f"SELECT request_id, sample_index FROM completions WHERE request_id {wanted}", (ids,)
        )
        asked = {(r.request_id, index) for r in requests for index in r.sample_indexes}
        return found | {row[0] for row in have if (row[0], row[1]) in asked}

    def _many(self, statement: str, rows: Sequence[Sequence[Any]], end: str = "") -> None:
        """`statement`, such as an INSERT without its values, for all rows in one step.

        The rows go in as one JSON text. Row by row, SQLite's driver gives up and takes back the interpreter's lock
        for each of them, and would wait for the event loop every time. A column that is the same in all rows is
        given once.
        """
        if not rows:
            return
        columns = list(zip(*rows, strict=True))
        fixed = [all(value == column[0] for value in column) for column in columns]
        varying = [column for column, same in zip(columns, fixed, strict=True) if not same]
        text = json_text(list(zip(*varying, strict=True)) if varying else [()] * len(rows))
        if "\\u0000" in text and not end:
            # SQLite's JSON cuts a text at NUL: such rows, which are rare, go in one by one.
            marks = ",".join("?" * len(columns))
            self._db.executemany(f"{statement} VALUES ({marks})", json.loads(json_text(rows)))
            return
        places = iter(range(len(varying)))
        values = ",".join("?" if same else f"json_extract(value,'$[{next(places)}]')" for same in fixed)
        given = [representable(column[0]) for column, same in zip(columns, fixed, strict=True) if same]
        self._db.execute(f"{statement} SELECT {values} FROM json_each(?){end}", (*given, text))

    def arrive(self, answers: Sequence[Answer], run: str = "") -> None:
        """Commit a group of answers. When this returns they are on disk."""
        with self.transaction():
            self.write_arrivals(answers, run)

    def write_arrivals(self, answers: Sequence[Answer], run: str) -> None:
        """`arrive` inside a transaction that the caller has begun."""
        now = time.time()
        answers = [answer if storable(answer) else odd(answer) for answer in answers]
        done = [a for a in answers if isinstance(a, Completion)]
        failed = [a for a in answers if isinstance(a, Failure)]
        # The first answer under a key stays: what was read once must not change under a reader.
        self._many(_INSERT, [(*_values(c), now) for c in done])
        ledger.settle(self._db, answers, run)
        self._many(
            "INSERT OR REPLACE INTO failures",
            [
                (f.request_id, f.sample_index, f.reason, f.detail, f.attempts, f.permanent, now)
                for f in failed
            ],
        )
        self._forget("flights", answers)
        if done and self._db.execute("SELECT 1 FROM failures LIMIT 1").fetchone():
            self._forget("failures", done)

    def _forget(self, table: str, answers: Sequence[Answer]) -> None:
        keys = [(answer.request_id, answer.sample_index) for answer in answers]
        self._many(f"DELETE FROM {table} WHERE (request_id, sample_index) IN (", keys, ")")

    def write_lost(self, request: Request, run: str, caps: Caps | None) -> bool:
        """Charge the full reservation for an attempt of unknown cost; keep the reservation for the retry.

        Returns whether the caps leave room for that next try. Needs a transaction that the caller has begun.
        """
        ledger.lose(self._db, run, request.request_id, request.sample_indexes)
        return caps is None or ledger.spending(self._db, run).leaves(caps)

    def give_up_flights(self, run: str) -> int:
        """At the start of a run: charge what a process that died had on the wire, and release what it had not sent.

        Only for a run that no other process is at. Returns how many samples were charged.
        """
        with self.transaction():
            return ledger.give_up_flights(self._db, run, claim.on_wire(self.path, run))

    def write_end(self, run: str, requests: Sequence[str], on_wire: Container[str]) -> None:
        """Settle what this process departed and got no answer to, inside a transaction that the caller has begun."""
        ledger.give_up_flights(self._db, run, on_wire, requests)

    def settle(self, run: str, dollars: float, tokens: int) -> Spending:
        """Replace what a run was charged for attempts of unknown cost by what they did cost.

        What a process that died had on the wire is charged first. Returns the spending that stood before.

        Raises:
            JournalError: A process is at the run, or the journal knows no such run.
            InputError: A sum that no bill can come to.
        """
        if not (0 <= dollars < float("inf") and 0 <= tokens < 2**53):
            raise InputError(f"${dollars} and {tokens} tokens: no bill comes to that; give what it says")
        if run not in (known := self.runs()):
            raise JournalError(f"{self.path}: no run {run!r} has spent anything{nearest(run, known)}")
        if claim.is_alive(self.path, run):
            raise JournalError(f"{self.path}: a process is at the run {run!r}; wait until it has ended")
        with self.claim(run), self.transaction():
            before = ledger.spending(self._db, run)
            ledger.set_lost(self._db, run, dollars, tokens)
        return before

    def copy(self, out: Path) -> None:
        """Copy all that is committed to a new file.

        Raises:
            JournalError: There is a file already, or it cannot be written.
        """
        try:
            # Made new and empty, so that no file of anybody is written over.
            os.close(os.open(out, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        except FileExistsError:
            raise JournalError(f"{out}: there is a file already; name a new one") from None
        except (OSError, ValueError) as error:
            raise explained(error, out) from None
        try:
            with self._reading, closing(sqlite3.connect(out)) as copy:
                self._reader.backup(copy)
        except sqlite3.Error as error:
            out.unlink(missing_ok=True)
            raise explained(error, out) from None

    def forget_failures(self) -> int:
        """Drop recorded failures, so that the next run asks again. Returns how many."""
        with self.transaction():
            return int(self._db.execute("DELETE FROM failures").rowcount)

    def insert(self, requests: Iterable[tuple[Any, ...]], completions: Iterable[tuple[Any, ...]]) -> int:
        """Take in rows of another journal as they stand (see `journal_io`). Returns how many were new."""
        with self.transaction():
            self._many("INSERT OR IGNORE INTO requests", list(requests))
            before = self._db.total_changes
            self._many(_INSERT, list(completions))
            return self._db.total_changes - before


class _Transaction:
    """BEGIN IMMEDIATE … COMMIT, rolled back on any error, with SQLite's errors put into ours."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def __enter__(self) -> None:
        self._journal._lock.acquire()
        try:
            self._journal.look_at_place()
            when_free(lambda: self._journal._db.execute("BEGIN IMMEDIATE"), _TURN)
        except (sqlite3.Error, JournalError) as error:
            self._journal._lock.release()
            raise explained(error, self._journal.path) from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        db = self._journal._db
        try:
            # SQLite itself rolls back after some errors, of a full disk for one.
            if kind is None or db.in_transaction:
                db.execute("COMMIT" if kind is None else "ROLLBACK")
        except sqlite3.Error as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise explained(error, self._journal.path) from None
        finally:
            self._journal._lock.release()
        if isinstance(value, sqlite3.Error):
            raise explained(value, self._journal.path) from None
