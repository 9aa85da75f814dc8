"""Tests of leases of money: the sum of all shards keeps the caps, also when nodes are lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthkd.cluster.coordinator import Coordinator, ShardProgress
from synthkd.journal import Journal
from synthkd.journal.ledger import Spending

RUN = "run"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal.sqlite"
    with Journal(path):
        return path


def coordinator_of(path: Path, tokens: int | None = 100) -> Coordinator:
    coordinator = Coordinator(str(path), RUN, tokens=tokens)
    for shard in (0, 1):
        coordinator.begin(shard, "first")
    return coordinator


def spending(path: Path) -> Spending:
    with Journal(path) as journal:
        return journal.spending(RUN)


def test_no_more_is_lent_than_the_caps_leave(path: Path) -> None:
    coordinator = coordinator_of(path)
    assert coordinator.borrow(0, "first", (0.0, 10), (0.0, 60)) == (0.0, 60)
    assert coordinator.borrow(1, "first", (0.0, 10), (0.0, 60)) == (0.0, 10)
    assert coordinator.borrow(1, "first", (0.0, 30), (0.0, 30)) == (0.0, 40)
    assert coordinator.borrow(1, "first", (0.0, 1), (0.0, 1)) is None
    assert spending(path).in_flight_tokens == 100


def test_what_was_lent_and_not_spent_is_free_again_when_a_shard_ends(path: Path) -> None:
    coordinator = coordinator_of(path)
    coordinator.borrow(0, "first", (0.0, 100), (0.0, 100))
    coordinator.report(0, "first", Spending(tokens=30), ShardProgress())
    assert coordinator.borrow(1, "first", (0.0, 1), (0.0, 1)) is None
    coordinator.end(0, "first")
    assert coordinator.borrow(1, "first", (0.0, 70), (0.0, 70)) == (0.0, 70)
    assert spending(path) == Spending(tokens=30, in_flight_tokens=70)


def test_what_a_lost_shard_did_not_report_counts_as_spent(path: Path) -> None:
    coordinator = coordinator_of(path)
    coordinator.borrow(0, "first", (0.0, 50), (0.0, 50))
    coordinator.report(0, "first", Spending(tokens=20), ShardProgress(more=6, skipped=3, done=4))
    coordinator.begin(0, "second")
    assert spending(path) == Spending(tokens=20, unknown_tokens=30)
    assert coordinator.borrow(0, "second", (0.0, 51), (0.0, 51)) is None
    assert coordinator.borrow(0, "second", (0.0, 50), (0.0, 50)) == (0.0, 50)
    # The next attempt finds what the lost one had done, and counts it as skipped: once in all.
    coordinator.report(0, "second", Spending(), ShardProgress(more=2, skipped=7, done=1))
    total = coordinator.progress()[0]
    assert (total.skipped, total.done, total.more) == (3, 5, 6)


def test_an_attempt_that_was_given_up_gets_nothing_and_is_told_to_stop(path: Path) -> None:
    coordinator = coordinator_of(path)
    coordinator.begin(0, "second")
    assert coordinator.borrow(0, "first", (0.0, 1), (0.0, 1)) is None
    assert not coordinator.report(0, "first", Spending(tokens=5), ShardProgress())
    assert coordinator.report(0, "second", Spending(), ShardProgress())
    assert spending(path).tokens == 0


def test_a_starved_shard_gives_back_and_waits_only_while_another_works(path: Path) -> None:
    coordinator = coordinator_of(path)
    coordinator.borrow(0, "first", (0.0, 50), (0.0, 50))
    coordinator.borrow(1, "first", (0.0, 50), (0.0, 50))
    others, lent, _ = coordinator.starve(0, "first", Spending(tokens=45))
    assert others
    assert lent == (0.0, 45)
    assert coordinator.borrow(1, "first", (0.0, 5), (0.0, 5)) == (0.0, 55)
    others, _, words = coordinator.starve(1, "first", Spending(tokens=52))
    assert not others
    assert "the cap is reached: 97 of 100 tokens" in words


def test_a_driver_that_is_killed_leaves_leases_that_the_next_one_counts_as_spent(
    path: Path,
) -> None:
    with Journal(path) as journal, journal.claim(RUN):
        coordinator = coordinator_of(path)
        coordinator.borrow(0, "first", (0.0, 40), (0.0, 40))
        # Killed: neither settled nor released, with its marks in the file of the claim.
        claim = next(path.parent.glob("*-run-*"))
        marks = claim.read_bytes()
    claim.write_bytes(marks)
    with Journal(path) as journal:
        journal.reserve([], RUN)
        with journal.transaction():
            journal.writing.execute(
                "INSERT OR REPLACE INTO flights (request_id,sample_index,sent,run,dollars,tokens)"
                " VALUES ('lease of shard 0, attempt first',0,0,?,0,40)",
                (RUN,),
            )
        with journal.claim(RUN):
            assert journal.spending(RUN) == Spending(unknown_tokens=40)


def test_without_caps_what_a_lost_shard_had_in_flight_is_charged(path: Path) -> None:
    coordinator = coordinator_of(path, tokens=None)
    spent = Spending(tokens=7, in_flight_tokens=12)
    assert coordinator.report(0, "first", spent, ShardProgress())
    coordinator.begin(0, "second")
    assert spending(path) == Spending(tokens=7, unknown_tokens=12)
