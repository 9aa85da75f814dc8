"""Ids of inputs: hashes of their content, shards, and the ids that were read before."""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Any

from synthkd.keys import canonical, fraction
from synthkd.rows import UnreadableCell


class SeenIds:
    """Ids that were read before, each with a hash of its content. Use as a context manager.

    The first ids are in memory, further ones in a temporary file.
    """

    #: Ids in memory at most, some 10 MB.
    few = 65_536

    def __enter__(self) -> SeenIds:
        self._first: dict[str, bytes] = {}
        # Without a name, so that the system removes the file however the process ends.
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, content BLOB) WITHOUT ROWID")
        self._db.execute("BEGIN")
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, key: str, content: bytes) -> bool | None:
        """Return True for a new id, False for the same content, None for another content."""
        digest = hashlib.blake2b(content, digest_size=8).digest()
        if len(self._first) < self.few:
            before = self._first.setdefault(key, digest)
            return True if before is digest else False if before == digest else None
        if (known := self._first.get(key)) is not None:
            return False if known == digest else None
        if self._db.execute("INSERT OR IGNORE INTO seen VALUES (?,?)", (key, digest)).rowcount:
            return True
        (before,) = self._db.execute("SELECT content FROM seen WHERE id=?", (key,)).fetchone()
        return False if before == digest else None


def is_in_shard(input_id: str, shard: tuple[int, int]) -> bool:
    """Return True if an input belongs to a shard (number, of how many)."""
    return shard[1] == 1 or int(fraction(input_id) * shard[1]) == shard[0]


def row_content(row: dict[str, Any]) -> bytes:
    """Return the canonical JSON of a row; values that JSON lacks (dates, bytes) as texts."""
    if all(type(value) is str for value in row.values()):
        return canonical(row)
    if {str}.issuperset(map(type, row.values())):
        return canonical(row)
    plain = {name: value if _is_json(value) else _as_text(value) for name, value in row.items()}
    try:
        return canonical(plain)
    except (TypeError, ValueError):
        # A list holds something that JSON lacks.
        return canonical({name: _plain_value(value) for name, value in plain.items()})


def _plain_value(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain_value(part) for part in value]
    if isinstance(value, dict):
        return {str(name): _plain_value(part) for name, part in value.items()}
    return value if _is_json(value) else _as_text(value)


def _as_text(value: Any) -> str:
    return value.content if isinstance(value, UnreadableCell) else str(value)


def _is_json(value: Any) -> bool:
    if isinstance(value, float):
        return value == value and value not in (float("inf"), float("-inf"))
    return value is None or isinstance(value, str | int | bool | list)
