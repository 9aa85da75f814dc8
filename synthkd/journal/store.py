"""`Journal`: what is written and read of the tables in `schema`.

Writes go through one connection, reads through another: a reader sees only what is on disk, and never waits
for a commit.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from synthkd.errors import DiskFullError, JournalError
from synthkd.fastjson import dumps
from synthkd.journal import ledger
from synthkd.journal.ledger import Caps, Spending
from synthkd.journal.schema import VERSION, upgrade
from synthkd.requests import Answer, Completion, Failure, Request

_COLUMNS = tuple(field.name for field in fields(Completion) if field.name != "bears_prompt")
_values = attrgetter(*_COLUMNS)
_INSERT = f"INSERT OR IGNORE INTO completions ({','.join(_COLUMNS)},created)"
#: Variables in one SELECT; SQLite allows more, but short statements are cached.
_CHUNK = 500
#: Seconds that another process's lock is waited for, and between looks whether a transaction may begin.
_PATIENCE, _TURN = 30.0, 0.0005


@dataclass(frozen=True)
class Departed:
    """Requests that go, those for which the caps leave no room now, and those that another process is at."""

    go: list[Request]
    refused: list[Request]
    others: list[Request]


class Sample(NamedTuple):
    """The part of a completion that is judged."""

    text: str
    finish_reason: str
    completion_tokens: int | None
    logprob: float | None
    price: float | None
    model: str | None


@dataclass(frozen=True)
class JournalCounts:
    """How many samples are in hand, failed for good, and were in flight when a process ended."""

    completions: int
    failures: int
    in_flight: int
    requests: int
    price: float | None


class Journal:
    """Open a journal, creating it where there is none. Use as a context manager."""

    def __init__(self, path: str | Path, must_exist: bool = False) -> None:
        self.path = Path(path)
        # One connection writes for several threads: a transaction of one must not be ended by another.
        self._lock = threading.RLock()
        self._reading = threading.Lock()
        if must_exist and not self.path.exists():
            raise JournalError(f"{self.path}: no journal here; a run makes one")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = self._connect()
            self._prepare()
            # `_Transaction` waits by itself: SQLite's own waits grow to a tenth of a second.
            self._db.execute("PRAGMA busy_timeout=0")
            self._reader = self._connect()
        except (sqlite3.Error, OSError) as error:
            if hasattr(self, "_db"):
                self._db.close()
            raise self._wrap(error) from None

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)

    def _prepare(self) -> None:
        # SQLite itself does not wait here while another process makes the same journal.
        _when_free(lambda: self._db.execute("PRAGMA journal_mode=WAL"))
        # FULL syncs the log at each commit: a group survives a power cut, not only a killed process.
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA cache_size=-16384")
        # Moving the log's pages into the file costs least when many commits have touched each of them.
        self._db.execute("PRAGMA wal_autocheckpoint=8000")
        version = upgrade(self._db)
        if version != VERSION:
            self._db.close()
            raise JournalError(
                f"{self.path}: journal of version {version}, this synthkd reads {VERSION}; use the synthkd that wrote it"
            )

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
        """`depart` inside a transaction that the caller has begun. ``shared``: other processes are at the same run,
        and what they have in flight, or have bought meanwhile, is left to them."""
        pairs = list(zip(requests, bounds or [(0.0, 0)] * len(requests), strict=True))
        others: set[str] = self._taken(requests, run) if shared else set()
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

    def _taken(self, requests: Sequence[Request], run: str) -> set[str]:
        """Requests that this run has in flight already, or of which a sample has come since the caller looked.

        What another run left in flight may be dead: nobody would ask for it.
        """
        ids = _json([(r.request_id,) for r in requests])
        wanted = "IN (SELECT json_extract(value,'$[0]') FROM json_each(?))"
        found = {
            row[0]
            for row in self._db.execute(
                f"SELECT request_id FROM flights WHERE run=? AND request_id {wanted}", (run, ids)
            )
        }
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
        text = _json(list(zip(*varying, strict=True)) if varying else [()] * len(rows))
        if "\\u0000" in text and not end:
            # SQLite's JSON cuts a text at NUL: such rows, which are rare, go in one by one.
            marks = ",".join("?" * len(columns))
            self._db.executemany(f"{statement} VALUES ({marks})", json.loads(_json(rows)))
            return
        places = iter(range(len(varying)))
        values = ",".join("?" if same else f"json_extract(value,'$[{next(places)}]')" for same in fixed)
        given = [_storable(column[0]) for column, same in zip(columns, fixed, strict=True) if same]
        self._db.execute(f"{statement} SELECT {values} FROM json_each(?){end}", (*given, text))

    def arrive(self, answers: Sequence[Answer], run: str = "") -> None:
        """Commit a group of answers. When this returns they are on disk."""
        with self.transaction():
            self.write_arrivals(answers, run)

    def write_arrivals(self, answers: Sequence[Answer], run: str) -> None:
        """`arrive` inside a transaction that the caller has begun."""
        now = time.time()
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
        """Count a try whose bill nobody saw as paid in full, while its reservation stays for the next try.

        Returns whether the caps leave room for that next try. Needs a transaction that the caller has begun.
        """
        ledger.lose(self._db, run, request.request_id, request.sample_indexes)
        return caps is None or ledger.spending(self._db, run).leaves(caps)

    def give_up_flights(self, run: str) -> int:
        """At the start of a run: what a process that died had in flight may have been billed, so it counts as paid.

        Only for a run that no other process is at. Returns how many samples these were.
        """
        with self.transaction():
            return ledger.give_up_flights(self._db, run)

    def spending(self, run: str) -> Spending:
        """What a run has paid, over all its resumptions, and what it has in flight."""
        with self._reading:
            return ledger.spending(self._reader, run)

    def forget_failures(self) -> int:
        """Drop recorded failures, so that the next run asks again. Returns how many."""
        with self.transaction():
            return int(self._db.execute("DELETE FROM failures").rowcount)

    # Reading

    def completions(self, request_ids: Sequence[str]) -> dict[str, dict[int, Completion]]:
        """request id -> sample index -> completion, for those in hand."""
        found: dict[str, dict[int, Completion]] = {}
        for row in self._select(f"SELECT {','.join(_COLUMNS)} FROM completions", request_ids):
            completion = Completion(**dict(zip(_COLUMNS, row, strict=True)))
            found.setdefault(completion.request_id, {})[completion.sample_index] = completion
        return found

    def samples(self, request_ids: Sequence[str]) -> dict[str, dict[int, Sample]]:
        """request id -> sample index -> what a judge reads of a completion: for many rows, faster than
        `completions`."""
        found: dict[str, dict[int, Sample]] = {}
        columns = "text, finish_reason, completion_tokens, logprob, price, model"
        query = f"SELECT request_id, sample_index, {columns} FROM completions"
        for request, index, *said in self._select(query, request_ids):
            found.setdefault(request, {})[index] = Sample(*said)
        return found

    def held(self, request_ids: Sequence[str]) -> dict[str, set[int]]:
        """request id -> sample indexes in hand."""
        found: dict[str, set[int]] = {}
        for request, index in self._select("SELECT request_id, sample_index FROM completions", request_ids):
            found.setdefault(request, set()).add(index)
        return found

    def failures(self, request_ids: Sequence[str]) -> dict[str, dict[int, Failure]]:
        """request id -> sample index -> why it did not come."""
        found: dict[str, dict[int, Failure]] = {}
        query = "SELECT request_id, sample_index, reason, detail, attempts, permanent FROM failures"
        for request, index, reason, detail, attempts, permanent in self._select(query, request_ids):
            failure = Failure(request, index, reason, detail, attempts, bool(permanent))
            found.setdefault(request, {})[index] = failure
        return found

    def request(self, request_id: str) -> dict[str, Any] | None:
        """What was sent under a request id: identity, messages, sampling."""
        row = self._read(
            "SELECT identity, messages, sampling FROM requests WHERE request_id=?", (request_id,)
        )
        for identity, messages, sampling in row:
            return {
                "identity": identity,
                "messages": json.loads(messages),
                "sampling": json.loads(sampling),
            }
        return None

    def counts(self) -> JournalCounts:
        """Totals over the whole journal."""
        ((completions, price),) = self._read("SELECT count(*), sum(price) FROM completions")
        ((failures,),) = self._read("SELECT count(*) FROM failures")
        ((flights,),) = self._read("SELECT count(*) FROM flights")
        ((requests,),) = self._read("SELECT count(*) FROM requests")
        return JournalCounts(completions, failures, flights, requests, price)

    def rows(self, table: str = "completions") -> Iterator[dict[str, Any]]:
        """Every row of ``completions``, ``failures``, ``flights`` or ``requests``, in the order of keys."""
        if table not in ("completions", "failures", "flights", "requests"):
            raise JournalError(f"no table {table!r} in a journal")
        order = "request_id" if table == "requests" else "request_id, sample_index"
        cursor = self._reader.execute(f"SELECT * FROM {table} ORDER BY {order}")
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))

    def insert(self, requests: Iterable[tuple[Any, ...]], completions: Iterable[tuple[Any, ...]]) -> int:
        """Take in rows of another journal as they stand (see `journal_io`). Returns how many were new."""
        with self.transaction():
            self._many("INSERT OR IGNORE INTO requests", list(requests))
            before = self._db.total_changes
            self._many(_INSERT, list(completions))
            return self._db.total_changes - before

    # Inside

    def _select(self, query: str, request_ids: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(request_ids), _CHUNK):
            part = request_ids[start : start + _CHUNK]
            yield from self._read(f"{query} WHERE request_id IN ({','.join('?' * len(part))})", tuple(part))

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            with self._reading:
                return self._reader.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._wrap(error) from None

    def _wrap(self, error: Exception) -> Exception:
        text = str(error)
        if "full" in text or "No space left" in text:
            return DiskFullError(
                f"{self.path}: the disk is full; make room and run again: what was committed is kept"
            )
        if "disk I/O" in text:
            # A quota or a limit on the size of files comes as this, too.
            return JournalError(
                f"{self.path}: the disk cannot be written ({text}): full, over a quota, or broken; mend that and run"
                " again: what was committed is kept"
            )
        if "locked" in text:
            return JournalError(
                f"{self.path}: another process is writing; wait for it, or name another `journal`"
            )
        if "not a database" in text or "malformed" in text:
            return JournalError(
                f"{self.path}: not a journal, or damaged ({text}); restore it or name another `journal`"
            )
        if "readonly" in text or "unable to open" in text or isinstance(error, PermissionError):
            return JournalError(f"{self.path}: cannot be written ({text}); check the folder's permissions")
        return JournalError(f"{self.path}: {text}")


def _json(rows: Sequence[Sequence[Any]]) -> str:
    """Rows as JSON text. Half of a surrogate pair, which no file can hold, becomes a replacement character."""
    text = dumps(rows)
    return str(_storable(json.dumps(rows, ensure_ascii=False))) if b"\\ud" in text else text.decode()


def _storable(value: Any) -> Any:
    """A value as SQLite can hold it (see `_json`)."""
    if not isinstance(value, str) or value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _when_free(work: Callable[[], Any], pause: float = 0.01) -> None:
    """Do it as soon as no other process is writing."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            work()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
        time.sleep(pause)


class _Transaction:
    """BEGIN IMMEDIATE … COMMIT, rolled back on any error, with SQLite's errors put into ours."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def __enter__(self) -> None:
        self._journal._lock.acquire()
        try:
            _when_free(lambda: self._journal._db.execute("BEGIN IMMEDIATE"), _TURN)
        except sqlite3.Error as error:
            self._journal._lock.release()
            raise self._journal._wrap(error) from None

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
            raise self._journal._wrap(error) from None
        finally:
            self._journal._lock.release()
        if isinstance(value, sqlite3.Error):
            raise self._journal._wrap(value) from None
