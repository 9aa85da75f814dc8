"""The journal: durable, addressed by content, never altered."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from synthkd.errors import JournalError
from synthkd.journal import Journal
from synthkd.journal.exchange import export_parquet, import_parquet
from synthkd.requests import Completion, Failure, Request, Sampling

REQUEST = Request("who", ({"role": "user", "content": "hello"},), Sampling(n=3), (0, 1, 2), "i")
ID = REQUEST.request_id


def completion(index: int, text: str = "hi") -> Completion:
    return Completion(ID, index, text, "stop", 3, 1, -0.5, 0.1, 0.01, "m", 7)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "journal.sqlite"


def test_a_committed_completion_is_read_back_whole(path: Path) -> None:
    with Journal(path) as journal:
        journal.reserve([REQUEST])
        journal.store_answers([completion(0)])
    with Journal(path) as journal:
        assert journal.completions([ID])[ID][0] == completion(0)
        assert journal.request(ID) == {
            "identity": "who", "messages": list(REQUEST.messages),
            "sampling": REQUEST.sampling.key_parameters()
        }  # fmt: skip


def test_another_connection_sees_a_completion_once_store_answers_returns(path: Path) -> None:
    with Journal(path) as journal, Journal(path) as other:
        journal.store_answers([completion(0)])
        assert other.cached_indexes([ID]) == {ID: {0}}


def test_the_first_answer_under_a_key_stays(path: Path) -> None:
    with Journal(path) as journal:
        journal.store_answers([completion(0, "first")])
        journal.store_answers([completion(0, "second")])
        assert journal.completions([ID])[ID][0].text == "first"


def test_counts_are_of_stored_failed_and_in_flight_samples(path: Path) -> None:
    with Journal(path) as journal:
        journal.reserve([REQUEST])
        journal.store_answers([completion(0), Failure(ID, 1, "http_400", "no")])
        counts = journal.counts()
    assert (counts.completions, counts.failures, counts.in_flight, counts.requests) == (1, 1, 1, 1)


def test_a_late_completion_replaces_its_failure(path: Path) -> None:
    with Journal(path) as journal:
        journal.store_answers([Failure(ID, 0, "timeout", "slow", permanent=False)])
        journal.store_answers([completion(0)])
        assert journal.failures([ID]) == {}


def test_a_file_that_is_no_journal_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    path.write_bytes(b"not a database at all, but long enough to be looked at" * 20)
    before = path.read_bytes()
    with pytest.raises(JournalError, match="not a journal"):
        Journal(path)
    assert path.read_bytes() == before


def test_a_journal_of_another_version_is_refused(path: Path) -> None:
    Journal(path).close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value='99'")
    db.close()
    with pytest.raises(JournalError, match="version 99"):
        Journal(path)


def test_must_exist_creates_no_journal(path: Path) -> None:
    with pytest.raises(JournalError, match="no journal"):
        Journal(path, must_exist=True)
    assert not path.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(JournalError, match="permissions"):
        Journal(tmp_path / "journal.sqlite")


def test_an_export_can_be_imported_and_nothing_is_imported_twice(
    path: Path, tmp_path: Path
) -> None:
    with Journal(path) as journal:
        journal.reserve([REQUEST])
        journal.store_answers([completion(0), completion(1, "naïve — text\n")])
    assert export_parquet(path, tmp_path / "out.parquet") == 2
    other = tmp_path / "other.sqlite"
    assert import_parquet(other, tmp_path / "out.parquet").new == 2
    assert import_parquet(other, tmp_path / "out.parquet").new == 0
    with Journal(path) as a, Journal(other) as b:
        assert a.completions([ID]) == b.completions([ID])
        assert a.request(ID) == b.request(ID)


@pytest.mark.slow
def test_threads_may_write_and_read_at_the_same_time(path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def work(journal: Journal, worker: int) -> None:
        for i in range(30):
            request = Request(
                "who", ({"role": "user", "content": f"{worker}-{i}"},), Sampling(), (0,), "i"
            )
            journal.reserve([request])
            journal.store_answers([Completion(request.request_id, 0, "x", "stop")])
            assert journal.cached_indexes([request.request_id]) == {request.request_id: {0}}

    with Journal(path) as journal, ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, journal, worker) for worker in range(4)]:
            done.result()
        assert journal.counts().completions == 120
        assert journal.counts().in_flight == 0
