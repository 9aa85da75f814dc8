"""Claims: one process at a run, and the requests that a killed one had on the wire."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from synthkd.errors import DiskFullError, JournalError, StorageError
from synthkd.journal import Journal, JournalWriter, claim
from synthkd.journal.ledger import Caps, Spending
from synthkd.requests import Completion, Request, Sampling

RUN = "run"


def request(number: int, samples: int = 1) -> Request:
    message = {"role": "user", "content": f"hello {number}"}
    return Request("who", (message,), Sampling(n=samples), tuple(range(samples)), "i")


#: Claims a run, reserves five requests, marks two as sent, one of them as refused without a bill,
#: and waits.
DIES = """
import sys
from synthkd.journal import Journal
from synthkd.requests import Request, Sampling
messages = [({"role": "user", "content": f"hello {i}"},) for i in range(5)]
requests = [Request("who", one, Sampling(), (0,), "i") for one in messages]
journal = Journal(sys.argv[1])
with journal.claim("run") as claimed:
    journal.reserve(requests, "run", [(0.25, 100)] * 5)
    claimed.mark_sent([requests[0].request_id])
    claimed.mark_sent([requests[1].request_id])
    claimed.clear_marks([requests[1].request_id])
    print("ready", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def other(path: Path) -> Callable[[], subprocess.Popen[str]]:
    """Return a starter of processes that hold the run."""

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", DIES, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    return start


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def left(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


@pytest.mark.slow
def test_after_a_kill_only_what_was_on_the_wire_is_charged(
    path: Path, other: Callable[[], subprocess.Popen[str]]
) -> None:
    kill(other())
    with Journal(path) as journal:
        assert journal.spending(RUN).in_flight_dollars == 1.25
        with journal.claim(RUN):
            assert journal.spending(RUN) == Spending(unknown_dollars=0.25, unknown_tokens=100)
            assert journal.counts().in_flight == 0


@pytest.mark.slow
def test_after_a_crash_of_the_machine_every_reservation_is_charged(
    path: Path, other: Callable[[], subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    kill(other())
    monkeypatch.setattr(claim, "boot_id", lambda: "another boot")
    with Journal(path) as journal, journal.claim(RUN):
        assert journal.spending(RUN) == Spending(unknown_dollars=1.25, unknown_tokens=500)


@pytest.mark.slow
def test_without_its_marks_every_reservation_of_a_killed_run_is_charged(
    path: Path, other: Callable[[], subprocess.Popen[str]]
) -> None:
    kill(other())
    claim.claim_path(path, RUN).unlink()
    with Journal(path) as journal, journal.claim(RUN):
        assert journal.spending(RUN).unknown_dollars == 1.25


def test_a_run_that_ended_leaves_no_file_and_no_lock(path: Path) -> None:
    with Journal(path) as journal, journal.claim(RUN):
        assert claim.is_run_alive(path, RUN)
    assert left(path) == ["journal.sqlite"]
    assert not claim.is_run_alive(path, RUN)


@pytest.mark.slow
def test_a_killed_run_is_not_alive_and_the_next_removes_its_file(
    path: Path, other: Callable[[], subprocess.Popen[str]]
) -> None:
    process = other()
    assert claim.is_run_alive(path, RUN)
    kill(process)
    assert not claim.is_run_alive(path, RUN)
    assert claim.claim_path(path, RUN).exists()
    with Journal(path) as journal, journal.claim(RUN):
        pass
    assert left(path) == ["journal.sqlite"]


@pytest.mark.slow
def test_a_claim_waits_until_the_process_at_the_run_has_ended(
    path: Path, other: Callable[[], subprocess.Popen[str]]
) -> None:
    process = other()
    said: list[str] = []
    threading.Timer(0.5, kill, [process]).start()
    with Journal(path) as journal, journal.claim(RUN, said.append):
        assert journal.counts().in_flight == 0
    assert len(said) == 1
    assert "another process is at the run 'run'" in said[0]


def test_two_runs_of_different_names_do_not_wait_for_each_other(path: Path) -> None:
    with Journal(path) as journal, journal.claim("a"), journal.claim("b"):
        assert claim.is_run_alive(path, "a")
        assert claim.is_run_alive(path, "b")


@pytest.mark.parametrize(
    "name", ["ordinary", "with spaces/and..slashes", "naïve \ud800", "x" * 400]
)
def test_any_name_of_a_run_has_a_file_beside_the_journal(path: Path, name: str) -> None:
    place = claim.claim_path(path, name)
    assert place.parent == path.parent
    with Journal(path) as journal, journal.claim("x" if "\ud800" in name else name):
        pass


@pytest.mark.parametrize("content", [b"my notes", b"\x00\x01", b"synthkd ruin"])
def test_a_foreign_file_at_the_place_of_a_claim_is_refused_and_stays(
    path: Path, content: bytes
) -> None:
    claim.claim_path(path, RUN).write_bytes(content)
    with Journal(path) as journal, pytest.raises(JournalError, match="not a file of synthkd"):
        journal.claim(RUN).__enter__()
    assert claim.claim_path(path, RUN).read_bytes() == content


def test_a_link_at_the_place_of_a_claim_is_not_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("")
    claim.claim_path(path, RUN).symlink_to(tmp_path / "victim")
    with Journal(path) as journal, pytest.raises(Exception, match="run-"):
        journal.claim(RUN).__enter__()
    assert (tmp_path / "victim").read_text() == ""


@pytest.mark.slow
def test_requests_in_flight_of_a_living_run_are_not_granted_to_another(
    path: Path, other: Callable[[], subprocess.Popen[str]]
) -> None:
    process = other()
    with Journal(path) as journal:
        reservation = journal.reserve([request(0), request(9)], "mine", [(1.0, 10)] * 2)
        assert (reservation.granted, reservation.taken) == ([request(9)], [request(0)])
    kill(process)


@pytest.mark.slow
def test_requests_of_a_dead_run_are_granted_to_another_and_stay_charged_to_the_dead_one(
    path: Path, other: Callable[[], subprocess.Popen[str]]
) -> None:
    kill(other())
    with Journal(path) as journal:
        # The first was on the wire, the third was not.
        reservation = journal.reserve([request(0), request(2)], "mine", [(1.0, 10)] * 2)
        assert reservation.granted == [request(0), request(2)]
        assert journal.spending(RUN) == Spending(0, 0, 0.25, 100, 0.75, 300)
        assert journal.spending("mine").in_flight_dollars == 2.0


def test_a_request_bought_since_the_caller_looked_is_not_granted(path: Path) -> None:
    with Journal(path) as one, Journal(path) as two:
        assert two.cached_indexes([request(1).request_id]) == {}
        one.store_answers([Completion(request(1).request_id, 0, "x", "stop", 3, 1)], "other")
        assert two.reserve([request(1)], "mine").taken == [request(1)]
        # Nobody has written since: nothing is looked up, and a retry of one's own goes.
        assert two.reserve([request(2)], "mine").granted == [request(2)]
        assert two.reserve([request(2)], "mine").granted == [request(2)]


@pytest.mark.slow
def test_kills_under_a_cap_cost_at_most_what_was_on_the_wire(
    path: Path, other: Callable[[], subprocess.Popen[str]]
) -> None:
    kills = 4
    for _ in range(kills):
        kill(other())
    with Journal(path) as journal, journal.claim(RUN):
        assert journal.spending(RUN).unknown_dollars == pytest.approx(0.25 * kills)
        room = Caps(dollars=0.25 * kills + 1.0)
        assert (
            len(journal.reserve([request(i) for i in range(9)], RUN, [(0.5, 1)] * 9, room).granted)
            == 2
        )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_on_a_full_disk_no_request_goes_unmarked_and_a_mark_may_stay(path: Path) -> None:
    claimed = claim.Claim(path, RUN, os.open("/dev/full", os.O_WRONLY), owner=False)
    with pytest.raises(DiskFullError, match="the disk is full"):
        claimed.mark_sent(["a"])
    with pytest.raises(StorageError):
        claimed.reset()
    # More is charged after a kill than has to be; the run goes on.
    claimed.clear_marks(["a"])
    claimed.release(remove=False)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_a_writer_of_a_worker_closes_the_claim_that_it_joined(path: Path) -> None:
    async def write(journal: Journal) -> None:
        async with JournalWriter(journal, RUN):
            pass

    parent = claim.take_claim(path, RUN)
    try:
        with Journal(path) as journal:
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(3):
                asyncio.run(write(journal))
            assert len(os.listdir("/proc/self/fd")) == before
        assert claim.is_run_alive(path, RUN)
    finally:
        parent.release(remove=True)
