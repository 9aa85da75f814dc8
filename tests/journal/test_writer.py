"""The writer commits in groups; a caller goes on once its part is on disk."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from support.recipes import Make

from synthkd import generate
from synthkd.errors import DiskFullError, JournalError
from synthkd.journal import Journal, JournalWriter
from synthkd.journal.ledger import Caps
from synthkd.requests import Completion, Failure, Request, Sampling
from synthkd.testing import FakeServer

T = TypeVar("T")


def request(number: int, samples: int = 1) -> Request:
    message = {"role": "user", "content": f"hello {number}"}
    return Request("who", (message,), Sampling(n=samples), tuple(range(samples)), "i")


def answer(number: int, text: str = "hi") -> Completion:
    return Completion(request(number).request_id, 0, text, "stop", 3, 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def run(path: Path, work: Callable[[Journal, JournalWriter], Awaitable[T]]) -> T:
    """Do some work with a writer, to its end."""

    async def go() -> T:
        with Journal(path) as journal:
            async with JournalWriter(journal, "run") as writer:
                return await work(journal, writer)

    return asyncio.run(go())


async def while_a_commit_is_under_way(journal: Journal, many: list[Awaitable[None]]) -> None:
    """Ask for many writes while the connection is taken, as by a commit on a slow disk."""
    with journal._lock:
        asked = [asyncio.ensure_future(one) for one in many]
        await asyncio.sleep(0.05)
    await asyncio.gather(*asked)


def test_many_answers_share_a_few_transactions(path: Path) -> None:
    async def work(journal: Journal, writer: JournalWriter) -> int:
        commits: list[str] = []
        journal._db.set_trace_callback(lambda statement: commits.append(statement))
        await while_a_commit_is_under_way(
            journal, [writer.store_answers([answer(i)]) for i in range(100)]
        )
        journal._db.set_trace_callback(None)
        return commits.count("COMMIT")

    # The first ones may have been taken alone; all others came while it waited.
    assert run(path, work) <= 2
    with Journal(path) as journal:
        assert journal.counts().completions == 100


@pytest.mark.slow
def test_another_connection_sees_an_answer_once_store_answers_returns(path: Path) -> None:
    async def work(journal: Journal, writer: JournalWriter) -> None:
        with Journal(path) as other:
            for i in range(20):
                await writer.store_answers([answer(i)])
                assert other.cached_indexes([answer(i).request_id]) == {answer(i).request_id: {0}}

    run(path, work)


def test_a_reservation_is_on_disk_when_reserve_returns(path: Path) -> None:
    async def work(journal: Journal, writer: JournalWriter) -> None:
        reservation = await writer.reserve([request(1, samples=3)], [(0.5, 7)])
        assert reservation.granted == [request(1, samples=3)]
        with Journal(path) as other:
            assert other.counts().in_flight == 3
            assert other.spending("run").in_flight_dollars == 1.5

    run(path, work)


def test_writes_are_committed_in_the_order_of_their_calls(path: Path) -> None:
    async def work(journal: Journal, writer: JournalWriter) -> None:
        many: list[Awaitable[object]] = []
        for i in range(50):
            many += [
                writer.reserve([request(i)]),
                writer.store_answers([answer(i, "first")]),
                writer.store_answers([answer(i, "second")]),
            ]
        await while_a_commit_is_under_way(journal, many)  # type: ignore[arg-type]

    run(path, work)
    with Journal(path) as journal:
        assert {row["text"] for row in journal.rows()} == {"first"}
        # A departure after its arrival would stay in flight for ever.
        assert journal.counts().in_flight == 0


def test_all_pending_writes_are_on_disk_when_the_writer_is_closed(path: Path) -> None:
    async def work(journal: Journal, writer: JournalWriter) -> None:
        for i in range(30):
            asyncio.ensure_future(writer.store_answers([answer(i)]))  # noqa: RUF006
        await asyncio.sleep(0)

    run(path, work)
    with Journal(path) as journal:
        assert journal.counts().completions == 30


def test_an_answer_is_committed_although_its_caller_was_cancelled(path: Path) -> None:
    async def work(journal: Journal, writer: JournalWriter) -> None:
        with journal._lock:
            arriving = asyncio.ensure_future(writer.store_answers([answer(1)]))
            await asyncio.sleep(0.01)
            arriving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await arriving
        await writer.store_answers([answer(2)])

    run(path, work)
    with Journal(path) as journal:
        assert journal.counts().completions == 2


def test_a_full_disk_raises_in_every_caller_and_commits_nothing_of_the_group(path: Path) -> None:
    async def work(journal: Journal, writer: JournalWriter) -> None:
        await writer.store_answers([answer(0)])
        (pages,) = journal._db.execute("PRAGMA page_count").fetchone()
        journal._db.execute(f"PRAGMA max_page_count={pages}")
        with journal._lock:
            asked = [
                asyncio.ensure_future(writer.store_answers([answer(i, "long " * 20_000)]))
                for i in range(1, 4)
            ]
            await asyncio.sleep(0.05)
        errors = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(error) for error in errors] == [DiskFullError] * 3
        assert "make room and run again" in str(errors[0])
        assert journal.counts().completions == 1
        # With room again, the same writer goes on.
        journal._db.execute("PRAGMA max_page_count=1000000")
        await writer.store_answers([answer(i, "long " * 20_000) for i in range(1, 4)])

    run(path, work)
    with Journal(path) as journal:
        assert journal.counts().completions == 4


def test_a_closed_database_raises_in_the_caller(path: Path) -> None:
    async def work(journal: Journal, writer: JournalWriter) -> None:
        journal.close()
        with pytest.raises(JournalError, match="closed"):
            await writer.store_answers([answer(1)])

    run(path, work)


def test_a_closed_writer_refuses_writes(path: Path) -> None:
    async def go() -> None:
        with Journal(path) as journal:
            async with JournalWriter(journal) as writer:
                await writer.store_answers([answer(1)])
            with pytest.raises(JournalError, match="closed"):
                await writer.store_answers([answer(2)])
            assert journal.counts().completions == 1

    asyncio.run(go())


def test_caps_hold_over_reservations_of_one_group(path: Path) -> None:
    async def go() -> int:
        with Journal(path) as journal:
            async with JournalWriter(journal, "run", Caps(dollars=5.0)) as writer:
                many = [writer.reserve([request(i)], [(1.0, 1)]) for i in range(20)]
                return sum(len(reservation.granted) for reservation in await asyncio.gather(*many))

    assert asyncio.run(go()) == 5


def test_an_attempt_of_unknown_cost_is_charged_and_the_writer_returns_whether_a_retry_has_room(
    path: Path,
) -> None:
    async def go() -> list[bool]:
        with Journal(path) as journal:
            async with JournalWriter(journal, "run", Caps(dollars=3.0)) as writer:
                await writer.reserve([request(1)], [(1.0, 1)])
                return [await writer.unknown(request(1)) for _ in range(3)]

    # The try that flies is reserved for, so two may be lost beside it.
    assert asyncio.run(go()) == [True, True, False]


def test_a_failure_ends_the_flight_of_its_request(path: Path) -> None:
    async def work(journal: Journal, writer: JournalWriter) -> None:
        await writer.reserve([request(1)], [(1.0, 1)])
        await writer.store_answers([Failure(request(1).request_id, 0, "http_400", "no")])
        assert journal.spending("run").in_flight_dollars == 0
        assert journal.counts().in_flight == 0

    run(path, work)


@pytest.mark.slow
def test_a_stalled_disk_stops_the_sending(make_recipe: Make) -> None:
    with FakeServer(latency=0.01) as server:
        recipe = make_recipe(server.url, heads=300)
        Journal(recipe.journal_path).close()
        running = threading.Thread(target=generate, args=(recipe, True))
        running.start()
        while server.requests < 8:
            time.sleep(0.002)
        # Another process has the disk: no commit gets through until it lets go.
        other = sqlite3.connect(recipe.journal_path, isolation_level=None, timeout=30)
        other.execute("BEGIN IMMEDIATE")
        before = server.requests
        time.sleep(1.0)
        during = server.requests - before
        other.execute("COMMIT")
        other.close()
        running.join(60)
        assert not running.is_alive()
        assert server.requests == 300
    # Twice the concurrency (4) is pulled at most until an answer is on disk.
    assert during <= 16
