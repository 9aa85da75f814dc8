"""The tables of a journal, and the steps that bring an older journal up to date.

requests     what was sent, once
completions  one row a sample
failures     samples that failed, and why
flights      samples in flight, with what they may cost at most: after a crash, what may have been
billed spending     what each run has paid, and what it was charged for attempts of unknown cost
batches      batches of a provider's Batch API, from the intent to the collected result
"""

from __future__ import annotations

import sqlite3

VERSION = 4

# Content hashes come in no order. Apart from the texts their index is small, so that a commit of
# many rows touches few pages.
_FIRST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE requests (
    request_id TEXT PRIMARY KEY, identity TEXT NOT NULL, messages TEXT NOT NULL,
    sampling TEXT NOT NULL
);
CREATE TABLE completions (
    request_id TEXT NOT NULL, sample_index INTEGER NOT NULL, text TEXT NOT NULL,
    finish_reason TEXT NOT NULL, prompt_tokens INTEGER, completion_tokens INTEGER, logprob REAL,
    latency REAL, price REAL, model TEXT, seed INTEGER, created REAL NOT NULL,
    PRIMARY KEY (request_id, sample_index)
);
CREATE TABLE failures (
    request_id TEXT NOT NULL, sample_index INTEGER NOT NULL, reason TEXT NOT NULL,
    detail TEXT NOT NULL, attempts INTEGER NOT NULL, permanent INTEGER NOT NULL,
    created REAL NOT NULL,
    PRIMARY KEY (request_id, sample_index)
) WITHOUT ROWID;
CREATE TABLE flights (
    request_id TEXT NOT NULL, sample_index INTEGER NOT NULL, sent REAL NOT NULL,
    PRIMARY KEY (request_id, sample_index)
) WITHOUT ROWID;
"""

#: Statements that lead to a version from the one before. Steps are only ever added.
_STEPS = {
    1: _FIRST,
    2: """
ALTER TABLE flights ADD COLUMN run TEXT NOT NULL DEFAULT '';
ALTER TABLE flights ADD COLUMN dollars REAL NOT NULL DEFAULT 0;
ALTER TABLE flights ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE completions ADD COLUMN reasoning_tokens INTEGER;
ALTER TABLE completions ADD COLUMN cached_tokens INTEGER;
CREATE TABLE spending (
    run TEXT PRIMARY KEY, dollars REAL NOT NULL DEFAULT 0, tokens INTEGER NOT NULL DEFAULT 0,
    lost_dollars REAL NOT NULL DEFAULT 0, lost_tokens INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE batches (
    token TEXT PRIMARY KEY, run TEXT NOT NULL, state TEXT NOT NULL, batch_id TEXT, file_id TEXT,
    created REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE batch_rows (
    token TEXT NOT NULL, custom_id TEXT NOT NULL, request_id TEXT NOT NULL,
    sample_indexes TEXT NOT NULL, PRIMARY KEY (token, custom_id)
) WITHOUT ROWID;
""",
    3: "ALTER TABLE completions ADD COLUMN first_tokens TEXT;",
    4: "ALTER TABLE completions ADD COLUMN reasoning TEXT;",
}


def upgrade(db: sqlite3.Connection) -> int:
    """Create the tables or bring them up to date, each step in one transaction.

    Return the version.
    """
    while (version := _version(db)) < VERSION:
        db.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have made this step while this one waited for its turn.
            if _version(db) == version:
                apply(db, version + 1)
                db.execute("INSERT OR REPLACE INTO meta VALUES ('version', ?)", (str(version + 1),))
        except BaseException:
            # SQLite itself rolls back after some errors, such as a full disk; its own error is the
            # one to raise.
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
    return version


def apply(db: sqlite3.Connection, step: int) -> None:
    """Execute one step, inside the caller's transaction."""
    for statement in _STEPS[step].split(";"):
        if statement.strip():
            db.execute(statement)


def _version(db: sqlite3.Connection) -> int:
    """Return the version of a journal; 0 for an empty file."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name='meta'").fetchone():
        return 0
    (value,) = db.execute("SELECT value FROM meta WHERE key='version'").fetchone()
    return int(value)
