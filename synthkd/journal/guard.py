"""Refuse files that are not journals, and notice when an open file is gone."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing, suppress
from functools import cache
from pathlib import Path

from synthkd.errors import JournalError
from synthkd.journal import schema

_SPACE = re.compile(r"\s+")


def refuse_foreign_database(db: sqlite3.Connection, path: Path) -> None:
    """Refuse a database that holds anything but a journal's own tables.

    Triggers and views could rewrite answers and the ledger, generated columns and foreign tables
    could run functions, and another program's database must not get a journal's tables.

    Raises:
        JournalError: If the database holds something that no version of a journal has.
    """
    declarations = _declarations()
    for kind, name, sql in db.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name"):
        if name.startswith("sqlite_") and sql is None:
            continue
        if kind != "table" or _normalised(sql) not in declarations.get(name, ()):
            raise JournalError(
                f"{path}: holds the {kind} {name!r}, which no journal of synthkd has: another"
                " program's database, or"
                " altered; name another `journal`"
            )
    if "meta" in {row[0] for row in db.execute("SELECT name FROM sqlite_master")}:
        version = db.execute("SELECT value FROM meta WHERE key='version'").fetchone()
        if version is None or not str(version[0]).isdecimal():
            raise JournalError(f"{path}: not a journal, or altered: it has no version")


@cache
def _declarations() -> dict[str, set[str]]:
    """Return the declarations of each table in all versions of a journal."""
    tables: dict[str, set[str]] = {}
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        for step in range(1, schema.VERSION + 1):
            schema.apply(db, step)
            for name, sql in db.execute(
                "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"
            ):
                tables.setdefault(name, set()).add(_normalised(sql))
    return tables


def _normalised(sql: str | None) -> str:
    # The first version kept all its tables without row numbers.
    return _SPACE.sub("", sql or "").removesuffix("WITHOUTROWID")


class OpenFile:
    """The file that a journal was opened as.

    A file can be removed, moved or cut under an open connection, and SQLite would go on writing
    into it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._status = os.stat(path)
        self._size = self._status.st_size

    def problem(self) -> str:
        """Return what happened to the file, to follow its name; "" if nothing did."""
        try:
            now = os.stat(self.path)
        except FileNotFoundError:
            return "was removed or moved"
        except OSError as error:
            return f"cannot be reached any more ({error.strerror})"
        if not os.path.samestat(now, self._status):
            return "was replaced by another file"
        if now.st_size < self._size:
            return "was cut"
        self._size = now.st_size
        return ""


def rescue(db: sqlite3.Connection, path: Path) -> Path | None:
    """Copy what an open connection still sees to a new file beside the journal.

    Return None if that fails.
    """
    number = 0
    while True:
        number += 1
        out = path.with_name(f"{path.stem}.rescued-{number}{path.suffix}")
        try:
            os.close(os.open(out, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
            break
        except FileExistsError:
            continue
        except OSError:
            return None
    try:
        with closing(sqlite3.connect(out)) as copy:
            db.backup(copy)
            refuse_foreign_database(copy, out)
            if copy.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("damaged")
    except (sqlite3.Error, JournalError):
        with suppress(OSError):
            out.unlink()
        return None
    return out
