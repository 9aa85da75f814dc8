"""Tests of exports while a journal grows: nothing twice, nothing left out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.cluster import parts
from synthkd.cluster.parts import Exporter, import_parts, shard_folder
from synthkd.cluster.shared_folder import SharedFolder
from synthkd.errors import StorageError
from synthkd.journal import Journal
from synthkd.journal.parts import export_completions
from synthkd.requests import Completion, Failure, Request, Sampling


def request(number: int) -> Request:
    message = {"role": "user", "content": f"hello {number}"}
    return Request("who", (message,), Sampling(), (0,), "i")


def buy(journal: Journal, *numbers: int, text: str = "hi") -> None:
    requests = [request(number) for number in numbers]
    journal.reserve(requests, "run")
    journal.store_answers(
        [Completion(one.request_id, 0, text, "stop", 3, 1, price=0.5) for one in requests], "run"
    )


@pytest.fixture
def shared(tmp_path: Path) -> SharedFolder:
    return SharedFolder(str(tmp_path / "shared"))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "one.sqlite") as journal:
        yield journal


def rows(path: Path) -> list[dict[str, object]]:
    with Journal(path) as journal:
        return list(journal.rows("completions"))


def test_another_journal_takes_in_what_one_has_exported(
    journal: Journal, shared: SharedFolder, tmp_path: Path
) -> None:
    with Exporter(journal, shared, 3, "a", lambda: True):
        buy(journal, 1, 2)
        journal.store_answers([Failure(request(9).request_id, 0, "refused", "no", 1, True)], "run")
    with Exporter(journal, shared, 3, "b", lambda: True):
        buy(journal, 3)
    exported = [pq.read_table(tmp_path / "shared" / name) for name in shared.names("shards")]
    completions = [table for table in exported if "text" in table.schema.names]
    assert sorted(table.num_rows for table in completions) == [1, 2]
    other = tmp_path / "other.sqlite"
    taken = import_parts(shared, shard_folder(3), other)
    assert len(taken) == 3
    assert rows(other) == rows(journal.path)
    with Journal(other) as second:
        assert second.failures([request(9).request_id])[request(9).request_id][0].permanent
    assert import_parts(shared, shard_folder(3), other, done=taken) == []


def test_a_failure_of_a_sample_that_came_later_is_not_taken_in(
    journal: Journal, shared: SharedFolder, tmp_path: Path
) -> None:
    with Exporter(journal, shared, 0, "a", lambda: True):
        journal.store_answers([Failure(request(1).request_id, 0, "late", "", 1, False)], "run")
    with Exporter(journal, shared, 0, "b", lambda: True):
        buy(journal, 1)
    other = tmp_path / "other.sqlite"
    import_parts(shared, shard_folder(0), other)
    with Journal(other) as second:
        assert second.counts().failures == 0
        assert second.counts().completions == 1


def test_only_requests_of_the_shard_are_taken_in(
    journal: Journal, shared: SharedFolder, tmp_path: Path
) -> None:
    with Exporter(journal, shared, 0, "a", lambda: True):
        buy(journal, 1, 2, 3)
    other = tmp_path / "other.sqlite"
    import_parts(shared, shard_folder(0), other, only={request(2).request_id})
    assert [row["request_id"] for row in rows(other)] == [request(2).request_id]


def test_exports_come_while_the_journal_grows_and_reports_after_them(
    journal: Journal, shared: SharedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "EXPORT_SECONDS", 0.1)
    monkeypatch.setattr(parts, "_REPORT", 0.1)
    reported = threading.Event()
    with Exporter(journal, shared, 0, "a", lambda: reported.set() or True):
        buy(journal, 1)
        for _ in range(500):
            if shared.names("shards"):
                break
            time.sleep(0.02)
        assert len(shared.names("shards")) == 1
        assert reported.wait(10)


def test_sending_waits_for_the_exports_and_goes_on_after_them(
    journal: Journal, shared: SharedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "MOST_BEHIND", 2)
    monkeypatch.setattr(parts, "EXPORT_SECONDS", 0.5)
    with Exporter(journal, shared, 0, "a", lambda: True) as exporter:
        buy(journal, 1, 2, 3)
        assert exporter.may_send()
        assert len(shared.names("shards")) == 1


def test_a_shared_folder_that_fails_ends_the_sending(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "EXPORT_SECONDS", 0.0)
    (tmp_path / "shared").write_text("a file")
    broken = SharedFolder(str(tmp_path / "shared"))
    exporter = Exporter(journal, broken, 0, "a", lambda: True)
    exporter.__enter__()
    buy(journal, 1)
    exporter._thread.join(10)
    with pytest.raises(StorageError, match="the shared folder cannot be read or written"):
        exporter.may_send()
    with pytest.raises(StorageError):
        exporter.__exit__()


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_any_text_survives_an_export(
    texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    with Journal(folder / "one.sqlite") as journal:
        for number, text in enumerate(texts):
            buy(journal, number, text=text)
        last, count = export_completions(journal, 0, folder / "part.parquet", 100)
        assert (last, count) == (journal.last_number(), len(texts))
        assert export_completions(journal, last, folder / "next.parquet", 100) == (last, 0)
        shared = SharedFolder(str(folder / "shared"))
        shared.put(folder / "part.parquet", "x/completions-a.parquet")
        import_parts(shared, "x", folder / "two.sqlite")
        assert rows(folder / "two.sqlite") == list(journal.rows("completions"))
