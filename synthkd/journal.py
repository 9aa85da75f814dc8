"""The journal: a durable store of completions, addressed by the content of what was sent.

SQLite in WAL mode with full synchronisation. One writer commits in groups; a completion is on disk before
anything reads it. Nothing is ever deleted by success, so a later run finds every answer that was paid for.

Tables: ``requests`` (what was sent, once), ``completions`` (one row a sample), ``failures`` (what did not
come, and why), ``flights`` (sent, not yet answered: after a crash, what may have been billed).
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any

from synthkd.errors import DiskFullError, JournalError
from synthkd.requests import Answer, Completion, Failure, Request

VERSION = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS requests (
    request_id TEXT PRIMARY KEY, identity TEXT NOT NULL, messages TEXT NOT NULL, sampling TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS completions (
    request_id TEXT NOT NULL, sample_index INTEGER NOT NULL, text TEXT NOT NULL, finish_reason TEXT NOT NULL,
    prompt_tokens INTEGER, completion_tokens INTEGER, logprob REAL, latency REAL, price REAL, model TEXT,
    seed INTEGER, created REAL NOT NULL, PRIMARY KEY (request_id, sample_index)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (
    request_id TEXT NOT NULL, sample_index INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
    attempts INTEGER NOT NULL, permanent INTEGER NOT NULL, created REAL NOT NULL,
    PRIMARY KEY (request_id, sample_index)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS flights (
    request_id TEXT NOT NULL, sample_index INTEGER NOT NULL, sent REAL NOT NULL,
    PRIMARY KEY (request_id, sample_index)
) WITHOUT ROWID;
"""
_COLUMNS = tuple(field.name for field in fields(Completion))
#: Variables in one SELECT; SQLite allows more, but short statements are cached.
_CHUNK = 500


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
        # One connection serves several threads: a transaction of one must not be seen, or ended, by another.
        self._lock = threading.RLock()
        if must_exist and not self.path.exists():
            raise JournalError(f"{self.path}: no journal here; a run makes one")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
            self._prepare()
        except (sqlite3.Error, OSError) as error:
            if hasattr(self, "_db"):
                self._db.close()
            raise self._wrap(error) from None

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        # FULL syncs the log at each commit: a group survives a power cut, not only a killed process.
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA cache_size=-16384")
        found = self._db.execute("SELECT 1 FROM sqlite_master WHERE name='meta'").fetchone()
        if not found:
            self._db.executescript(_SCHEMA)
            self._db.execute("INSERT OR IGNORE INTO meta VALUES ('version', ?)", (str(VERSION),))
        (version,) = self._db.execute("SELECT value FROM meta WHERE key='version'").fetchone()
        if int(version) != VERSION:
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
        self._db.close()

    # Writing

    def depart(self, requests: Iterable[Request]) -> None:
        """Record, in one commit, what is about to be sent."""
        requests = list(requests)
        now = time.time()
        with self._commit():
            self._db.executemany(
                "INSERT OR IGNORE INTO requests VALUES (?,?,?,?)",
                [
                    (
                        request.request_id,
                        request.identity,
                        json.dumps(request.messages, ensure_ascii=False),
                        json.dumps(request.sampling.keyed(), sort_keys=True),
                    )
                    for request in requests
                ],
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO flights VALUES (?,?,?)",
                [(r.request_id, index, now) for r in requests for index in r.sample_indexes],
            )

    def arrive(self, answers: Sequence[Answer]) -> None:
        """Commit a group of answers. When this returns they are on disk."""
        now = time.time()
        done = [a for a in answers if isinstance(a, Completion)]
        failed = [a for a in answers if isinstance(a, Failure)]
        names = ",".join(_COLUMNS)
        marks = ",".join("?" * (len(_COLUMNS) + 1))
        with self._commit():
            # The first answer under a key stays: what was read once must not change under a reader.
            self._db.executemany(
                f"INSERT OR IGNORE INTO completions ({names},created) VALUES ({marks})",
                [(*(getattr(c, column) for column in _COLUMNS), now) for c in done],
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO failures VALUES (?,?,?,?,?,?,?)",
                [
                    (f.request_id, f.sample_index, f.reason, f.detail, f.attempts, f.permanent, now)
                    for f in failed
                ],
            )
            keys = [(a.request_id, a.sample_index) for a in answers]
            self._db.executemany("DELETE FROM flights WHERE request_id=? AND sample_index=?", keys)
            came = [(c.request_id, c.sample_index) for c in done]
            self._db.executemany("DELETE FROM failures WHERE request_id=? AND sample_index=?", came)

    def forget_failures(self) -> int:
        """Drop recorded failures, so that the next run asks again. Returns how many."""
        with self._commit():
            return int(self._db.execute("DELETE FROM failures").rowcount)

    # Reading

    def completions(self, request_ids: Sequence[str]) -> dict[str, dict[int, Completion]]:
        """request id -> sample index -> completion, for those in hand."""
        found: dict[str, dict[int, Completion]] = {}
        for row in self._select(f"SELECT {','.join(_COLUMNS)} FROM completions", request_ids):
            completion = Completion(**dict(zip(_COLUMNS, row, strict=True)))
            found.setdefault(completion.request_id, {})[completion.sample_index] = completion
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
        cursor = self._db.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))

    def insert(self, requests: Iterable[tuple[Any, ...]], completions: Iterable[tuple[Any, ...]]) -> int:
        """Take in rows of another journal as they stand (see `journal_io`). Returns how many were new."""
        with self._commit():
            self._db.executemany("INSERT OR IGNORE INTO requests VALUES (?,?,?,?)", requests)
            before = self._db.total_changes
            marks = ",".join("?" * (len(_COLUMNS) + 1))
            names = ",".join(_COLUMNS)
            self._db.executemany(
                f"INSERT OR IGNORE INTO completions ({names},created) VALUES ({marks})", completions
            )
            return self._db.total_changes - before

    # Inside

    def _select(self, query: str, request_ids: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(request_ids), _CHUNK):
            part = request_ids[start : start + _CHUNK]
            yield from self._read(f"{query} WHERE request_id IN ({','.join('?' * len(part))})", tuple(part))

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._wrap(error) from None

    def _commit(self) -> _Transaction:
        return _Transaction(self)

    def _wrap(self, error: Exception) -> Exception:
        text = str(error)
        if "full" in text or "No space left" in text:
            return DiskFullError(
                f"{self.path}: the disk is full; make room and run again: what was committed is kept"
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


class _Transaction:
    """BEGIN IMMEDIATE … COMMIT, rolled back on any error, with SQLite's errors put into ours."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def __enter__(self) -> None:
        self._journal._lock.acquire()
        try:
            self._journal._db.execute("BEGIN IMMEDIATE")
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
            db.execute("COMMIT" if kind is None else "ROLLBACK")
        except sqlite3.Error as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise self._journal._wrap(error) from None
        finally:
            self._journal._lock.release()
        if isinstance(value, sqlite3.Error):
            raise self._journal._wrap(value) from None
