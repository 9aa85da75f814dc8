"""Connections to a journal: opening, transactions, many rows at once, and copies."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from synthkd.errors import JournalError
from synthkd.journal.guard import OpenFile, rescue
from synthkd.journal.open import journal_error, open_to_read, open_to_write, retry_while_locked
from synthkd.journal.read import JournalReader
from synthkd.journal.values import EncodedRows

#: Seconds between attempts to begin a transaction.
_RETRY_PAUSE = 0.0005


class JournalConnection(JournalReader):
    """The two connections to a journal: one writes, the other reads.

    The reader sees only what is on disk, and never waits for a commit.

    Args:
        path: The SQLite file.
        must_exist: Raise `JournalError` if there is no file, instead of creating one.
        read_only: Neither create nor alter anything; writing raises `JournalError`. For a short
            look: the writes of a process that starts meanwhile may not be seen.
    """

    def __init__(self, path: str | Path, must_exist: bool = False, read_only: bool = False) -> None:
        self.path = Path(path)
        # One connection writes for several threads: a transaction of one must not be ended by
        # another.
        self._lock = threading.RLock()
        self._reading = threading.Lock()
        self._file_problem: str | None = None
        self.read_only = read_only
        if (must_exist or read_only) and not self.path.exists():
            raise JournalError(f"{self.path}: no journal here; a run makes one")
        try:
            if read_only:
                self._db = self._reader = open_to_read(self.path)
            else:
                self._db, self._reader = open_to_write(self.path)
            self._file = OpenFile(self.path)
        except (sqlite3.Error, OSError) as error:
            raise journal_error(error, self.path) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. What was committed stays."""
        self._reader.close()
        self._db.close()

    def checkpoint(self) -> None:
        """Move the log's content into the file, so that a copy of the file has it.

        Pages that another process is reading stay in the log.
        """
        with self._lock, suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def check_in_place(self) -> None:
        """Raise `JournalError` if the open file was removed, moved, replaced or cut."""
        if self.read_only or not (problem := self._file.problem()):
            return
        with self._lock:
            if self._file_problem is None:
                kept = rescue(self._db, self.path)
                self._file_problem = (
                    f"{self.path}: {problem} while the run was on; nothing more is sent. "
                    + (
                        f"All that was committed is in {kept}: put that file in its place, then the"
                        " same command goes on"
                        if kept
                        else "What was committed could not be read any more; restore the file from"
                        " a copy"
                    )
                )
        raise JournalError(self._file_problem)

    @property
    def writing(self) -> sqlite3.Connection:
        """The connection that writes, for statements inside a `transaction`."""
        return self._db

    def transaction(self) -> _Transaction:
        """Return a context manager that commits all writes of its block together, or none."""
        return _Transaction(self)

    def _execute_many(self, statement: str, rows: Sequence[Sequence[Any]], end: str = "") -> None:
        """Execute a statement, such as an INSERT without its values, for all rows in one step."""
        if rows:
            self._execute_encoded(statement, EncodedRows.of(rows), end)

    def _execute_encoded(self, statement: str, rows: EncodedRows, end: str = "") -> None:
        """Execute a statement for all rows in one step.

        The rows are passed as one JSON text. Row by row, SQLite's driver would release and take the
        interpreter's lock for each of them, and wait for the event loop every time. A column with
        one value in all rows is passed once.
        """
        if rows.has_nul and not end:
            # Such rows are rare, and inserted one by one.
            marks = ",".join("?" * len(rows.is_constant))
            self._db.executemany(f"{statement} VALUES ({marks})", rows.rows())
            return
        place = -1
        values = ",".join(
            "?" if same else f"json_extract(value,'$[{(place := place + 1)}]')"
            for same in rows.is_constant
        )
        self._db.execute(
            f"{statement} SELECT {values} FROM json_each(?){end}", (*rows.constants, rows.text)
        )

    def copy(self, out: Path) -> None:
        """Copy everything that is committed to a new file.

        Raises:
            JournalError: If the file exists already, or cannot be written.
        """
        try:
            # Created empty first, so that no existing file is overwritten.
            os.close(os.open(out, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        except FileExistsError:
            raise JournalError(f"{out}: there is a file already; name a new one") from None
        except (OSError, ValueError) as error:
            raise journal_error(error, out) from None
        try:
            with self._reading, closing(sqlite3.connect(out)) as copy:
                self._reader.backup(copy)
        except sqlite3.Error as error:
            out.unlink(missing_ok=True)
            raise journal_error(error, out) from None


class _Transaction:
    """BEGIN IMMEDIATE … COMMIT, rolled back on any error.

    SQLite's errors are raised as errors of synthkd.
    """

    def __init__(self, journal: JournalConnection) -> None:
        self._journal = journal

    def __enter__(self) -> None:
        self._journal._lock.acquire()
        try:
            self._journal.check_in_place()
            retry_while_locked(lambda: self._journal._db.execute("BEGIN IMMEDIATE"), _RETRY_PAUSE)
        except (sqlite3.Error, JournalError) as error:
            self._journal._lock.release()
            raise journal_error(error, self._journal.path) from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        db = self._journal._db
        try:
            # SQLite itself rolls back after some errors, such as a full disk.
            if kind is None or db.in_transaction:
                db.execute("COMMIT" if kind is None else "ROLLBACK")
        except sqlite3.Error as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise journal_error(error, self._journal.path) from None
        finally:
            self._journal._lock.release()
        if isinstance(value, sqlite3.Error):
            raise journal_error(value, self._journal.path) from None
