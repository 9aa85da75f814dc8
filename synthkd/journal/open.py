"""Open the SQLite file of a journal: checked first, then brought up to date, or only read."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from synthkd.errors import DiskFullError, JournalError
from synthkd.journal.guard import refuse_foreign_database
from synthkd.journal.schema import VERSION, upgrade

#: Seconds to wait for another process's lock.
LOCK_TIMEOUT = 30.0
#: Bytes at the beginning of every SQLite file.
_MAGIC = b"SQLite format 3\x00"


def open_to_write(path: Path) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Open a journal, or create it.

    Returns:
        The connection that writes and the connection that reads.

    Raises:
        JournalError: If the file is not a journal, or is of a newer version.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size:
        # Through a connection that cannot write: another program's database stays as it is, its log
        # included.
        with closing(_read_only(path)) as look:
            refuse_foreign_database(look, path)
    db = _connect(path)
    try:
        _prepare(db, path)
        return db, _connect(path)
    except BaseException:
        db.close()
        raise


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a journal read-only.

    A journal of an older version is copied into a temporary database, and brought up to date there.
    """
    db = _read_only(path)
    try:
        refuse_foreign_database(db, path)
        if not db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            raise JournalError(f"{path}: an empty file, no journal; a run makes one")
        (version,) = db.execute("SELECT value FROM meta WHERE key='version'").fetchone()
        if int(version) < VERSION:
            old, db = db, sqlite3.connect("", isolation_level=None, check_same_thread=False)
            with closing(old):
                old.backup(db)
            upgrade(db)
        else:
            _refuse_newer(int(version), path)
    except BaseException:
        db.close()
        raise
    return db


def _read_only(path: Path) -> sqlite3.Connection:
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) not in (_MAGIC, b""):
            raise JournalError(
                f"{path}: not a journal, or damaged; restore it or name another `journal`"
            )
    # If there is no log, nobody is writing; SQLite then needs no files beside the journal, and
    # leaves none.
    quiet = not path.with_name(f"{path.name}-wal").exists()
    place = f"file:{quote(str(path.resolve()))}?mode=ro{'&immutable=1' * quiet}"
    return _checked(sqlite3.connect(place, uri=True, **_CONNECTION))


_CONNECTION: dict[str, Any] = {
    "timeout": LOCK_TIMEOUT,
    "isolation_level": None,
    "check_same_thread": False,
}


def _connect(path: Path) -> sqlite3.Connection:
    return _checked(sqlite3.connect(path, **_CONNECTION))


def _checked(db: sqlite3.Connection) -> sqlite3.Connection:
    """Let nothing in the file run functions, and read from it once.

    SQLite opens a file only at its first use.
    """
    try:
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("PRAGMA cell_size_check=ON")
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    # SQLite itself does not wait here while another process makes the same journal.
    retry_while_locked(lambda: db.execute("PRAGMA journal_mode=WAL"))
    # FULL syncs the log at each commit: a group survives a power cut, not only a killed process.
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA cache_size=-16384")
    # Moving the log's pages into the file costs least if many commits have touched each page.
    db.execute("PRAGMA wal_autocheckpoint=8000")
    _refuse_newer(upgrade(db), path)
    # Transactions wait by `retry_while_locked`: SQLite's own waits grow to a tenth of a second.
    db.execute("PRAGMA busy_timeout=0")


def _refuse_newer(version: int, path: Path) -> None:
    if version != VERSION:
        raise JournalError(
            f"{path}: journal of version {version}, this synthkd reads {VERSION}; use the synthkd"
            " that wrote it"
        )


def retry_while_locked(work: Callable[[], Any], pause: float = 0.01) -> None:
    """Call a function, again after each ``pause`` (seconds) while another process is writing."""
    end = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            work()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
        time.sleep(pause)


def journal_error(error: Exception, path: Path) -> JournalError | DiskFullError:
    """Return the error to raise for one of SQLite or the system, with path and remedy."""
    text = str(error)
    if isinstance(error, JournalError | DiskFullError):
        return error
    if "full" in text or "No space left" in text:
        return DiskFullError(
            f"{path}: the disk is full; make room and run again: what was committed is kept"
        )
    if "disk I/O" in text:
        # Also a quota, or a limit on the size of files.
        return JournalError(
            f"{path}: the disk cannot be written ({text}): full, over a quota, or broken; repair"
            " that and run"
            " again: what was committed is kept"
        )
    if "locked" in text:
        return JournalError(
            f"{path}: another process is writing; wait for it, or name another `journal`"
        )
    if "not a database" in text or "malformed" in text:
        return JournalError(
            f"{path}: not a journal, or damaged ({text}); restore it or name another `journal`"
        )
    if "readonly" in text or "unable to open" in text or isinstance(error, PermissionError):
        return JournalError(
            f"{path}: cannot be opened or written ({text}); check the folder's permissions"
        )
    return JournalError(f"{path}: {text}")
