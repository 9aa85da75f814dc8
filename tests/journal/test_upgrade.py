"""Older journals are upgraded without loss; newer ones are refused unchanged."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from synthkd.errors import JournalError
from synthkd.journal import Journal, schema
from synthkd.journal.ledger import Caps
from synthkd.journal.schema import VERSION
from synthkd.requests import Completion, Failure, Request, Sampling

#: The tables as synthkd 0.1.0 made them.
VERSION_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE requests (
    request_id TEXT PRIMARY KEY, identity TEXT NOT NULL, messages TEXT NOT NULL,
    sampling TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE completions (
    request_id TEXT NOT NULL, sample_index INTEGER NOT NULL, text TEXT NOT NULL,
    finish_reason TEXT NOT NULL, prompt_tokens INTEGER, completion_tokens INTEGER, logprob REAL,
    latency REAL, price REAL, model TEXT, seed INTEGER, created REAL NOT NULL,
    PRIMARY KEY (request_id, sample_index)
) WITHOUT ROWID;
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
INSERT INTO meta VALUES ('version', '1');
"""
ROWS = 50
REQUESTS = [
    Request(
        "who", ({"role": "user", "content": f"naïve {i} 🐦"},), Sampling(n=4), (0, 1, 2, 3), "i"
    )
    for i in range(ROWS)
]
COMPLETIONS = [
    Completion(r.request_id, i, f"text {i}\n\0", "stop", 3, 1, -0.1, 0.25, 1e-7, "m", 7)
    for r in REQUESTS
    for i in range(2)
]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return a journal of version 1: of each request two samples, a failure and one in flight."""
    path = tmp_path / "journal.sqlite"
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode=WAL")
    db.executescript(VERSION_1)
    db.executemany(
        "INSERT INTO requests VALUES (?,?,?,?)",
        [(r.request_id, r.identity, r.messages_json, r.sampling.json) for r in REQUESTS],
    )
    db.executemany(
        "INSERT INTO completions VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        [
            (c.request_id, c.sample_index, c.text, c.finish_reason, c.prompt_tokens,
             c.completion_tokens, c.logprob, c.latency, c.price, c.model, c.seed, 1.5)
            for c in COMPLETIONS
        ],
    )  # fmt: skip
    failures = [(r.request_id, 2, "http_400", "no", 1, 1, 1.5) for r in REQUESTS]
    db.executemany("INSERT INTO failures VALUES (?,?,?,?,?,?,?)", failures)
    db.executemany("INSERT INTO flights VALUES (?,?,?)", [(r.request_id, 3, 1.5) for r in REQUESTS])
    db.commit()
    db.close()
    return path


def version(path: Path) -> str:
    db = sqlite3.connect(path)
    (found,) = db.execute("SELECT value FROM meta WHERE key='version'").fetchone()
    db.close()
    return str(found)


def read_whole(path: Path) -> None:
    """Assert that a journal holds all that was in the old one."""
    ids = [r.request_id for r in REQUESTS]
    with Journal(path) as journal:
        found = journal.completions(ids)
        assert [found[c.request_id][c.sample_index] for c in COMPLETIONS] == COMPLETIONS
        assert {row["created"] for row in journal.rows()} == {1.5}
        for request in REQUESTS:
            assert journal.failures(ids)[request.request_id] == {
                2: Failure(request.request_id, 2, "http_400", "no")
            }
            assert journal.request(request.request_id) == {
                "identity": "who",
                "messages": list(request.messages),
                "sampling": request.sampling.key_parameters(),
            }
        counts = journal.counts()
    assert (counts.requests, counts.completions, counts.failures, counts.in_flight) == (
        50,
        100,
        50,
        50,
    )


def test_a_journal_of_version_1_is_upgraded_and_read_back_whole(old: Path) -> None:
    read_whole(old)
    assert version(old) == str(VERSION)


def test_opening_an_upgraded_journal_again_changes_nothing(old: Path) -> None:
    Journal(old).close()
    read_whole(old)
    read_whole(old)


def test_an_upgraded_journal_stores_the_fields_of_the_new_version(old: Path) -> None:
    request = Request("who", ({"role": "user", "content": "new"},), Sampling(), (0,), "i")
    answer = Completion(
        request.request_id, 0, "x", "stop", 3, 2, price=0.5, reasoning_tokens=1, cached_tokens=2
    )
    with Journal(old) as journal:
        assert journal.reserve([request], "run", [(1.0, 9)], Caps(2.0, 20)).granted == [request]
        assert journal.spending("run").in_flight_dollars == 1.0
        journal.store_answers([answer], "run")
        assert journal.completions([request.request_id])[request.request_id][0] == answer
        assert journal.spending("run").dollars == 0.5


def test_an_upgraded_journal_has_the_columns_of_a_new_one(old: Path, tmp_path: Path) -> None:
    Journal(old).close()
    Journal(tmp_path / "new.sqlite").close()

    def columns(path: Path) -> dict[str, list[str]]:
        db = sqlite3.connect(path)
        tables = [
            name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        found = {
            table: [
                f"{name} {kind}" for _, name, kind, *_ in db.execute(f"PRAGMA table_info({table})")
            ]
            for table in tables
        }
        db.close()
        return found

    assert columns(old) == columns(tmp_path / "new.sqlite")


def test_a_journal_from_the_future_is_refused_untouched(old: Path) -> None:
    Journal(old).close()
    db = sqlite3.connect(old)
    db.execute("UPDATE meta SET value=? WHERE key='version'", (str(VERSION + 1),))
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    before = old.read_bytes()
    with pytest.raises(JournalError, match=rf"version {VERSION + 1}, this synthkd reads {VERSION}"):
        Journal(old)
    assert old.read_bytes() == before


#: Upgrades a journal, and is killed at a statement of the step.
KILLED = """
import os, signal, sqlite3, sys
from synthkd.journal.schema import upgrade

def watch(statement):
    if sys.argv[2] in statement:
        print("there", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode=WAL")
db.set_trace_callback(watch)
upgrade(db)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "at",
    ["BEGIN", "ADD COLUMN tokens", "CREATE TABLE spending", "CREATE TABLE batch_rows", "COMMIT"],
)
def test_a_kill_in_the_middle_of_an_upgrade_leaves_the_old_journal(old: Path, at: str) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(old), at], capture_output=True, text=True
    )
    assert killed.stdout == "there\n", killed.stderr
    assert version(old) == "1"
    db = sqlite3.connect(old)
    assert not db.execute("SELECT 1 FROM sqlite_master WHERE name='spending'").fetchone()
    assert len(db.execute("PRAGMA table_info(flights)").fetchall()) == 3
    db.close()
    read_whole(old)


@pytest.mark.slow
def test_processes_that_open_an_old_journal_at_the_same_time_all_succeed(old: Path) -> None:
    code = (
        "import sys; from synthkd.journal import Journal;"
        " print(Journal(sys.argv[1]).counts().completions)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(old)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        out, error = process.communicate(timeout=60)
        assert out == "100\n", error
    read_whole(old)


def test_the_error_after_which_sqlite_rolled_back_is_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    statement = (
        "CREATE TABLE t (x UNIQUE); INSERT INTO t VALUES (1); INSERT OR ROLLBACK INTO t VALUES (1)"
    )
    monkeypatch.setitem(schema._STEPS, 1, statement)
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        schema.upgrade(db)
    db.close()
