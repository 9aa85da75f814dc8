"""`synthkd journal spending`, `settle` and `copy`."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from support import command_line as program

from synthkd.errors import InputError, JournalError
from synthkd.journal import Journal, claim
from synthkd.journal.ledger import Spending
from synthkd.requests import Completion, Failure, Request, Sampling


def request(number: int) -> Request:
    return Request("who", ({"role": "user", "content": f"{number}"},), Sampling(), (0,), "i")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return an ended run that has paid $0.5, lost $0.25 and reserved $0.25."""
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        journal.reserve([request(i) for i in range(3)], "first", [(0.25, 100)] * 3)
        journal.store_answers(
            [Completion(request(0).request_id, 0, "x", "stop", 30, 4, price=0.5)], "first"
        )
        journal.store_answers(
            [Failure(request(1).request_id, 0, "timeout", "", tokens=None)], "first"
        )
    return path


def synthkd(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return program.synthkd("journal", *arguments)


@pytest.mark.slow
def test_spending_shows_what_each_run_spent_reserved_and_was_charged(path: Path) -> None:
    ended = synthkd("spending", path)
    assert ended.returncode == 0, ended.stderr
    assert "$0.5000, 34 tok" in ended.stdout
    assert ended.stdout.count("$0.2500, 100 tok") == 2
    assert "journal settle JOURNAL RUN" in ended.stdout
    found = json.loads(synthkd("spending", path, "--json").stdout)
    assert found["first"]["dollars"] == 0.5


def test_settle_replaces_what_attempts_of_unknown_cost_were_charged(path: Path) -> None:
    ended = synthkd("settle", path, "first", "--dollars", "0.1", "--tokens", "7")
    assert ended.returncode == 0, ended.stderr
    # What was reserved by a process that is gone is charged first, then all of it is replaced.
    assert "$0.5000 and 200 tokens of unknown cost are now $0.1000 and 7 tokens" in ended.stdout
    with Journal(path) as journal:
        assert journal.spending("first") == Spending(0.5, 34, 0.1, 7)


def test_settle_without_sums_sets_the_unknown_cost_to_zero(path: Path) -> None:
    assert synthkd("settle", path, "first").returncode == 0
    with Journal(path) as journal:
        assert journal.spending("first") == Spending(0.5, 34)


def test_settle_of_an_unknown_run_names_the_nearest(path: Path) -> None:
    ended = synthkd("settle", path, "frist")
    assert ended.returncode == 4
    assert "did you mean 'first'" in ended.stderr


def test_settle_waits_for_no_living_run(path: Path) -> None:
    with (
        Journal(path) as journal,
        journal.claim("first"),
        Journal(path) as other,
        pytest.raises(JournalError, match="a process is at the run"),
    ):
        other.settle("first", 0.0, 0)


@pytest.mark.slow
def test_copy_writes_a_journal_and_refuses_a_second_time(path: Path) -> None:
    out = path.parent / "copy.sqlite"
    assert "1 completions copied" in synthkd("copy", path, out).stdout
    again = synthkd("copy", path, out)
    assert again.returncode == 4
    assert "a file already" in again.stderr


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["info", "list", "spending"])
def test_commands_that_only_read_neither_create_nor_alter(path: Path, verb: str) -> None:
    before = path.read_bytes()
    assert synthkd(verb, path).returncode == 0
    assert path.read_bytes() == before
    assert synthkd(verb, path.parent / "none.sqlite").returncode == 4
    assert not (path.parent / "none.sqlite").exists()


@pytest.mark.parametrize("dollars", [float("nan"), float("inf"), -1.0])
def test_settle_refuses_a_sum_that_no_bill_comes_to(path: Path, dollars: float) -> None:
    with Journal(path) as journal, pytest.raises(InputError, match="no bill"):
        journal.settle("first", dollars, 0)


def test_settle_holds_for_a_run_that_has_only_reserved(path: Path) -> None:
    with Journal(path) as journal:
        journal.reserve([request(9)], "other", [(0.25, 100)])
        # As a process leaves it that was killed before it had sent anything.
        claimed = claim.take_claim(path, "other")
        claimed.reset()
        claimed.release(remove=False)
        journal.settle("other", 0.1, 7)
        assert journal.spending("other") == Spending(0.0, 0, 0.1, 7)


def test_damaged_pages_are_reported_as_a_damaged_journal(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        (size,) = db.execute("PRAGMA page_size").fetchone()
        roots = db.execute(
            "SELECT rootpage FROM sqlite_master WHERE name IN ('completions', 'spending')"
        )
        pages = [page for (page,) in roots]
    data = bytearray(path.read_bytes())
    for page in pages:
        data[(page - 1) * size : page * size] = b"\x5a" * size
    path.write_bytes(data)
    with Journal(path, read_only=True) as journal:
        for read in (lambda: list(journal.rows()), lambda: journal.spending("first")):
            with pytest.raises(JournalError, match="damaged"):
                read()
