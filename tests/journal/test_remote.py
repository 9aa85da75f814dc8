"""One process writes for the workers of a run; a worker goes on once its part is on disk."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from synthkd.errors import DiskFullError, JournalError
from synthkd.journal import Journal, JournalWriter
from synthkd.journal.claim import claim_path, requests_on_wire
from synthkd.journal.ledger import Caps, Spending
from synthkd.journal.remote import RemoteCommits, WriterService
from synthkd.journal.writes import AnswersWrite, write_to_json
from synthkd.requests import Completion, Request, Sampling

RUN = "run"


def request(number: int) -> Request:
    return Request("who", ({"role": "user", "content": f"hello {number}"},), Sampling(), (0,), "i")


def answer(number: int, text: str = "hi") -> Completion:
    return Completion(request(number).request_id, 0, text, "stop", 3, 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@contextmanager
def service(path: Path, caps: Caps | None = None) -> Iterator[tuple[Journal, WriterService]]:
    with Journal(path) as journal, journal.claim(RUN), WriterService(journal, RUN, caps) as writing:
        yield journal, writing


Work = Callable[[JournalWriter], Awaitable[object]]


def workers(path: Path, writing: WriterService, *works: Work) -> list[object]:
    """Do works as workers do, each with a connection and a reader of the journal of its own."""

    async def one(work: Work) -> object:
        with Journal(path) as journal:
            commits = RemoteCommits(writing.connect())
            async with JournalWriter(journal, RUN, commits=commits) as writer:
                return await work(writer)

    async def all_together() -> list[object]:
        return await asyncio.gather(*map(one, works))

    return asyncio.run(all_together())


def test_writes_of_all_workers_share_a_few_transactions(path: Path) -> None:
    async def write(writer: JournalWriter, first: int) -> None:
        await asyncio.gather(*(writer.store_answers([answer(first + i)]) for i in range(50)))

    with service(path) as (journal, writing):
        statements: list[str] = []
        journal._db.set_trace_callback(statements.append)
        workers(path, writing, lambda one: write(one, 0), lambda two: write(two, 50))
        journal._db.set_trace_callback(None)
        assert statements.count("COMMIT") <= 2
        assert journal.counts().completions == 100


def test_what_a_worker_was_told_is_on_disk_can_be_read_by_the_other(path: Path) -> None:
    async def work(writer: JournalWriter) -> None:
        for i in range(5):
            await writer.store_answers([answer(i)])
            with Journal(path) as other:
                assert other.cached_indexes([answer(i).request_id]) == {answer(i).request_id: {0}}

    with service(path) as (_, writing):
        workers(path, writing, work)


def test_a_request_that_two_workers_want_is_granted_to_one(path: Path) -> None:
    async def buy(writer: JournalWriter) -> int:
        reservation = await writer.reserve([request(i) for i in range(10)])
        await writer.store_answers(
            [answer(int(r.messages[0]["content"][6:])) for r in reservation.granted]
        )
        # What the other has bought since is not granted either.
        assert (await writer.reserve([request(i) for i in range(10)])).granted == []
        return len(reservation.granted)

    with service(path) as (journal, writing):
        granted = workers(path, writing, buy, buy)
        assert sorted(granted) == [0, 10]
        assert journal.counts().in_flight == 0


def test_caps_hold_over_the_reservations_of_all_workers(path: Path) -> None:
    both = asyncio.Barrier(2)

    async def buy(writer: JournalWriter, first: int) -> int:
        granted = 0
        for i in range(first, first + 10):
            granted += len((await writer.reserve([request(i)], [(1.0, 1)])).granted)
        # At its end a worker would release what it has not sent.
        await both.wait()
        return granted

    with service(path, Caps(dollars=5.0)) as (_, writing):
        granted = workers(path, writing, lambda one: buy(one, 0), lambda two: buy(two, 10))
    assert sum(granted) == 5  # type: ignore[arg-type]


def test_an_attempt_of_unknown_cost_is_charged_under_the_caps_of_the_parent(path: Path) -> None:
    async def work(writer: JournalWriter) -> list[bool]:
        await writer.reserve([request(1)], [(1.0, 1)])
        return [await writer.unknown(request(1)) for _ in range(3)]

    with service(path, Caps(dollars=3.0)) as (_, writing):
        assert workers(path, writing, work) == [[True, True, False]]


def test_a_worker_marks_what_it_sends_itself_until_the_answer_is_on_disk(path: Path) -> None:
    async def work(writer: JournalWriter) -> None:
        await writer.reserve([request(1), request(2)], [(1.0, 1)] * 2)
        writer.sent([request(1), request(2)])
        assert requests_on_wire(path, RUN) == {request(1).request_id, request(2).request_id}
        await writer.store_answers([answer(1)])
        assert requests_on_wire(path, RUN) == {request(2).request_id}

    with service(path) as (_, writing):
        workers(path, writing, work)


def test_at_its_end_a_worker_is_charged_what_is_on_the_wire_and_nothing_else(path: Path) -> None:
    async def work(writer: JournalWriter) -> None:
        await writer.reserve([request(i) for i in range(3)], [(0.25, 10)] * 3)
        writer.sent([request(0)])

    with service(path) as (journal, writing):
        workers(path, writing, work)
        assert journal.spending(RUN) == Spending(unknown_dollars=0.25, unknown_tokens=10)
    assert not claim_path(path, RUN).exists()


def test_a_full_disk_raises_in_every_worker_what_it_raises_in_one_process(path: Path) -> None:
    async def write(writer: JournalWriter, first: int) -> None:
        with pytest.raises(DiskFullError, match="the disk is full; make room and run again"):
            await writer.store_answers([answer(first, "long " * 50_000)])

    with service(path) as (journal, writing):
        (pages,) = journal._db.execute("PRAGMA page_count").fetchone()
        journal._db.execute(f"PRAGMA max_page_count={pages}")
        workers(path, writing, lambda one: write(one, 0), lambda two: write(two, 1))
        assert journal.counts().completions == 0


def line(*answers: Completion) -> bytes:
    writes = [(number, write_to_json(AnswersWrite.of([a]))) for number, a in enumerate(answers)]
    return json.dumps(writes).encode() + b"\n"


def test_of_a_killed_worker_what_came_whole_is_committed_and_a_cut_line_is_not(path: Path) -> None:
    with service(path) as (_, writing), closing(writing.connect()) as connection:
        connection.sendall(line(answer(0), answer(1)) + line(answer(2))[:-20])
    with Journal(path) as journal:
        found = journal.completions([answer(i).request_id for i in range(3)])
    assert set(found) == {answer(0).request_id, answer(1).request_id}


def test_a_worker_that_is_gone_does_not_keep_the_others_from_their_results(path: Path) -> None:
    async def work(writer: JournalWriter) -> None:
        for i in range(10, 15):
            await writer.store_answers([answer(i)])

    with service(path) as (journal, writing):
        with closing(writing.connect()) as connection:
            connection.sendall(line(*(answer(i) for i in range(5))))
        workers(path, writing, work)
    with Journal(path) as journal:
        assert journal.counts().completions == 10


def test_a_worker_whose_parent_is_gone_gets_an_error_for_all_that_it_wants_written(
    path: Path,
) -> None:
    async def go() -> None:
        parent, own = socket.socketpair()
        with Journal(path) as journal:
            async with JournalWriter(journal, RUN, commits=RemoteCommits(own)) as writer:
                waiting = asyncio.ensure_future(writer.store_answers([answer(0)]))
                await asyncio.sleep(0.05)
                parent.close()
                for asked in (waiting, writer.store_answers([answer(1)])):
                    with pytest.raises(JournalError, match="process that writes the journal"):
                        await asked
            assert journal.counts().completions == 0

    asyncio.run(go())


def test_an_answer_is_committed_although_its_caller_in_a_worker_was_cancelled(path: Path) -> None:
    async def work(writer: JournalWriter) -> None:
        asked = asyncio.ensure_future(writer.store_answers([answer(1)]))
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    with service(path) as (journal, writing):
        workers(path, writing, work)
        assert journal.counts().completions == 1


def test_programs_that_a_worker_starts_do_not_hold_its_connection(path: Path) -> None:
    with service(path) as (_, writing):
        connection = writing.connect()
        connection.set_inheritable(True)
        RemoteCommits(connection)
        assert not connection.get_inheritable()
        connection.close()
