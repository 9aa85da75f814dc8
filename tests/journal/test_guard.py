"""Files that are not journals are refused and stay unchanged; lost files are noticed."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from synthkd.errors import JournalError, StorageError
from synthkd.journal import Journal
from synthkd.requests import Completion, Request, Sampling

REQUEST = Request("who", ({"role": "user", "content": "hello"},), Sampling(), (0,), "i")
ANSWER = Completion(REQUEST.request_id, 0, "x", "stop", 3, 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        journal.reserve([REQUEST])
        journal.store_answers([ANSWER])
    return path


def alter(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def state(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


STRANGE = {
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON completions BEGIN UPDATE completions SET"
    " text='no'; END",
    "a trigger on the ledger": "CREATE TRIGGER t AFTER UPDATE ON spending BEGIN DELETE FROM"
    " spending; END",
    "a view": "CREATE VIEW completions2 AS SELECT * FROM completions",
    "a table": "CREATE TABLE notes (text)",
    "an index": "CREATE INDEX i ON completions (text)",
    "an index on an expression": "CREATE INDEX i ON completions (length(text))",
    "a full-text table": "CREATE VIRTUAL TABLE f USING fts5(text)",
    "a column": "ALTER TABLE completions ADD COLUMN more TEXT",
    "a generated column": "ALTER TABLE completions ADD COLUMN more TEXT GENERATED ALWAYS AS (text"
    " || 'x') VIRTUAL",
    "another name": "ALTER TABLE completions RENAME TO complete",
}


@pytest.mark.parametrize("what", STRANGE)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_journal_with_anything_that_no_version_has_is_refused(
    path: Path, what: str, read_only: bool
) -> None:
    alter(path, STRANGE[what])
    before = state(path.parent)
    with pytest.raises(JournalError, match="which no journal of synthkd has"):
        Journal(path, read_only=read_only)
    assert state(path.parent) == before


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
@pytest.mark.parametrize("read_only", [False, True])
def test_another_programs_database_is_refused_and_stays_as_it_is(
    tmp_path: Path, mode: str, read_only: bool
) -> None:
    path = tmp_path / "places.sqlite"
    alter(path, f"PRAGMA journal_mode={mode}", "CREATE TABLE moz_places (url TEXT)")
    before = path.read_bytes()
    with pytest.raises(JournalError, match="'moz_places'"):
        Journal(path, read_only=read_only)
    assert path.read_bytes() == before


def test_another_programs_table_of_our_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "app.sqlite"
    alter(
        path, "CREATE TABLE meta (key TEXT, value BLOB)", "INSERT INTO meta VALUES ('version', 3)"
    )
    with pytest.raises(JournalError, match="'meta'"):
        Journal(path)


@pytest.mark.parametrize("version", ["'x'", "'-1'", "''"])
def test_a_version_that_is_no_number_is_refused(path: Path, version: str) -> None:
    alter(path, f"UPDATE meta SET value={version}")
    with pytest.raises(JournalError, match="has no version"):
        Journal(path)


@pytest.mark.parametrize(
    "content", [b"not a database", b"\x00" * 5000, b"SQLite format 3\x00" + b"x" * 5000, b"x"]
)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_database_is_refused_and_stays(
    tmp_path: Path, content: bytes, read_only: bool
) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(content)
    with pytest.raises(JournalError):
        Journal(path, read_only=read_only)
    assert state(tmp_path) == {"journal.sqlite": content}


def test_a_folder_in_the_place_of_a_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").mkdir()
    with pytest.raises(StorageError):
        Journal(tmp_path / "journal.sqlite")


# Reading only


def test_what_is_opened_to_read_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no journal here"):
        Journal(tmp_path / "none.sqlite", read_only=True)
    assert state(tmp_path) == {}


def test_what_is_opened_to_read_is_not_altered_and_cannot_be_written(path: Path) -> None:
    before = path.read_bytes()
    with Journal(path, read_only=True) as journal:
        assert journal.counts().completions == 1
        with pytest.raises(JournalError):
            journal.store_answers([ANSWER])
    assert path.read_bytes() == before


def test_a_journal_on_a_read_only_medium_can_be_read(path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    path.parent.chmod(0o500)
    try:
        with Journal(path, read_only=True) as journal:
            assert journal.counts().completions == 1
    finally:
        path.parent.chmod(0o700)


def test_an_empty_file_is_no_journal_to_read(tmp_path: Path) -> None:
    (tmp_path / "empty.sqlite").touch()
    with pytest.raises(JournalError, match="an empty file"):
        Journal(tmp_path / "empty.sqlite", read_only=True)


def test_a_journal_is_read_while_a_run_writes_it(path: Path) -> None:
    with Journal(path) as writing, Journal(path, read_only=True) as reading:
        writing.store_answers([Completion("another", 0, "y", "stop")])
        assert reading.counts().completions == 2


# A file that goes away under a run


def spoil(path: Path, how: str) -> None:
    if how == "removed":
        for file in path.parent.glob("journal.sqlite*"):
            file.unlink()
    elif how == "moved":
        path.rename(path.with_name("elsewhere.sqlite"))
    elif how == "folder moved":
        path.parent.rename(path.parent.with_name("elsewhere"))
        path.parent.mkdir()
    elif how == "replaced by a copy":
        shutil.copy(path, path.with_name("copy"))
        path.with_name("copy").replace(path)
    else:
        os.truncate(path, 0)


@pytest.mark.parametrize("how", ["removed", "moved", "folder moved", "replaced by a copy"])
def test_a_journal_that_goes_away_is_noticed_at_the_next_commit_and_its_content_is_kept(
    tmp_path: Path, how: str
) -> None:
    (tmp_path / "here").mkdir()
    path = tmp_path / "here" / "journal.sqlite"
    with Journal(path) as journal:
        journal.store_answers([Completion(f"r{i}", 0, "x", "stop") for i in range(30)])
        spoil(path, how)
        with pytest.raises(
            JournalError, match=r"while the run was on; nothing more is sent.*rescued-1"
        ) as error:
            journal.store_answers([ANSWER])
        # It is said each time, and kept once.
        with pytest.raises(JournalError, match="rescued-1"):
            journal.check_in_place()
    kept = path.with_name("journal.rescued-1.sqlite")
    assert str(kept) in str(error.value)
    with Journal(kept) as rescued:
        assert rescued.counts().completions == 30


def test_a_journal_that_is_cut_is_noticed_at_the_next_commit(path: Path) -> None:
    with Journal(path) as journal:
        spoil(path, "cut")
        with pytest.raises(JournalError, match="was cut while the run was on"):
            journal.store_answers([Completion("r", 0, "x", "stop")])


# Copies


def test_a_small_journal_does_not_live_in_its_log_alone(path: Path) -> None:
    with Journal(path) as journal:
        journal.store_answers([Completion(f"r{i}", 0, "x" * 100, "stop") for i in range(50)])
        journal.checkpoint()
        shutil.copy(path, path.with_name("bare.sqlite"))
    with Journal(path.with_name("bare.sqlite")) as bare:
        assert bare.counts().completions == 51


def test_a_copy_holds_what_the_log_holds_while_a_run_is_on(path: Path) -> None:
    with Journal(path) as journal:
        journal.store_answers([Completion(f"r{i}", 0, "x", "stop") for i in range(50)])
        with Journal(path, read_only=True) as reading:
            reading.copy(path.with_name("copy.sqlite"))
    with Journal(path.with_name("copy.sqlite")) as copied:
        assert copied.counts().completions == 51


def test_a_copy_is_never_written_over_a_file(path: Path) -> None:
    (path.parent / "mine").write_text("mine")
    with (
        Journal(path, read_only=True) as journal,
        pytest.raises(JournalError, match="a file already"),
    ):
        journal.copy(path.parent / "mine")
    assert (path.parent / "mine").read_text() == "mine"
