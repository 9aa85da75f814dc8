"""Spending of runs, caps, and reservations of several processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from synthkd.journal import Journal
from synthkd.journal.batches import BatchRow, BatchStore
from synthkd.journal.ledger import Caps, Spending
from synthkd.journal.writes import Reservation, ReservationWrite, UnknownCostWrite
from synthkd.requests import Completion, Failure, Request, Sampling


def request(number: int, samples: int = 1) -> Request:
    message = {"role": "user", "content": f"hello {number}"}
    return Request("who", (message,), Sampling(n=samples), tuple(range(samples)), "i")


def paid(of: Request, price: float, written: int = 1, index: int = 0) -> Completion:
    return Completion(of.request_id, index, "hi", "stop", 3, written, price=price)


def shared(journal: Journal, requests: list[Request], run: str = "run") -> Reservation:
    with journal.transaction():
        result = journal.write(ReservationWrite.of(requests, run), run, shared=True)
        return Reservation.of(requests, *result)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def test_a_reservation_is_replaced_by_the_real_cost(path: Path) -> None:
    with Journal(path) as journal:
        journal.reserve([request(1, samples=2)], "run", [(0.25, 100)])
        assert journal.spending("run") == Spending(in_flight_dollars=0.5, in_flight_tokens=200)
        journal.store_answers([paid(request(1, samples=2), 0.01, 7)], "run")
        assert journal.spending("run") == Spending(
            0.01, 10, in_flight_dollars=0.25, in_flight_tokens=100
        )
        second = Completion(
            request(1, samples=2).request_id, 1, "x", "stop", 3, 5, price=0.02, counts_prompt=False
        )
        journal.store_answers([second], "run")
        # The prompt was read once.
        assert journal.spending("run") == Spending(pytest.approx(0.03), 15)


def test_only_the_first_requests_with_room_under_the_caps_are_granted(path: Path) -> None:
    requests = [request(i) for i in range(5)]
    with Journal(path) as journal:
        reservation = journal.reserve(requests, "run", [(1.0, 10)] * 5, Caps(dollars=3.0))
        assert reservation == Reservation(requests[:3], requests[3:], [])
        assert journal.counts().in_flight == 3
        assert (
            journal.reserve(requests[3:], "run", [(1.0, 10)] * 2, Caps(dollars=3.0)).granted == []
        )
        journal.store_answers([paid(requests[0], 0.1)], "run")
        # $2 in flight and $0.10 paid leave no room for $1; with $0.20 paid and $1 in flight there
        # is.
        assert (
            journal.reserve(requests[3:], "run", [(1.0, 10)] * 2, Caps(dollars=3.0)).granted == []
        )
        journal.store_answers([paid(requests[1], 0.1)], "run")
        assert (
            journal.reserve(requests[3:], "run", [(1.0, 10)] * 2, Caps(dollars=3.0)).granted
            == requests[3:4]
        )


def test_a_cap_on_tokens_holds_like_one_on_dollars(path: Path) -> None:
    requests = [request(i) for i in range(4)]
    with Journal(path) as journal:
        assert (
            journal.reserve(requests, "run", [(0.0, 10)] * 4, Caps(tokens=25)).granted
            == requests[:2]
        )
        journal.store_answers(
            [paid(requests[0], 0.0, written=4), paid(requests[1], 0.0, written=4)], "run"
        )
        assert (
            journal.reserve(requests[2:], "run", [(0.0, 10)] * 2, Caps(tokens=25)).granted
            == requests[2:3]
        )
        assert journal.spending("run").tokens == 14


def test_the_tighter_of_two_caps_decides(path: Path) -> None:
    requests = [request(i) for i in range(4)]
    with Journal(path) as journal:
        assert len(journal.reserve(requests, "a", [(1.0, 10)] * 4, Caps(3.0, 20)).granted) == 2
        assert len(journal.reserve(requests, "b", [(1.0, 10)] * 4, Caps(1.0, 99)).granted) == 1


def test_a_cap_may_be_used_up_to_its_last_cent(path: Path) -> None:
    requests = [request(i) for i in range(11)]
    with Journal(path) as journal:
        assert (
            len(journal.reserve(requests, "run", [(0.1, 1)] * 11, Caps(dollars=1.0)).granted) == 10
        )


def test_without_caps_all_requests_are_granted(path: Path) -> None:
    requests = [request(i) for i in range(5)]
    with Journal(path) as journal:
        assert journal.reserve(requests, "run", [(9.0, 9)] * 5).granted == requests


def test_an_answer_without_token_counts_is_charged_its_reservation(path: Path) -> None:
    with Journal(path) as journal:
        journal.reserve([request(1)], "run", [(0.25, 100)])
        journal.store_answers([Completion(request(1).request_id, 0, "x", "stop")], "run")
        assert journal.spending("run") == Spending(0.0, 0, 0.25, 100)


def test_a_failure_that_was_billed_counts(path: Path) -> None:
    with Journal(path) as journal:
        journal.reserve([request(1)], "run", [(0.25, 100)])
        failure = Failure(request(1).request_id, 0, "content_filter", "", tokens=30, price=0.1)
        journal.store_answers([failure], "run")
        assert journal.spending("run") == Spending(0.1, 30)


def test_a_failure_of_unknown_cost_is_charged_its_reservation(path: Path) -> None:
    with Journal(path) as journal:
        journal.reserve([request(1)], "run", [(0.25, 100)])
        journal.store_answers(
            [Failure(request(1).request_id, 0, "timeout", "", tokens=None)], "run"
        )
        assert journal.spending("run") == Spending(0.0, 0, 0.25, 100)


def test_a_failure_without_a_bill_releases_its_reservation(path: Path) -> None:
    with Journal(path) as journal:
        journal.reserve([request(1)], "run", [(0.25, 100)])
        journal.store_answers([Failure(request(1).request_id, 0, "http_400", "no")], "run")
        assert journal.spending("run") == Spending()


def test_an_attempt_of_unknown_cost_is_charged_in_full_and_its_reservation_stays_for_the_retry(
    path: Path,
) -> None:
    caps = Caps(dollars=1.0)
    with Journal(path) as journal:
        journal.reserve([request(1, samples=2)], "run", [(0.2, 10)], caps)
        with journal.transaction():
            assert journal.write(
                UnknownCostWrite(request(1, samples=2).request_id, (0, 1)), "run", caps
            )
        assert journal.spending("run") == Spending(0.0, 0, 0.4, 20, 0.4, 20)
        with journal.transaction():
            # $0.80 lost and $0.40 for the next try pass the cap.
            assert not journal.write(
                UnknownCostWrite(request(1, samples=2).request_id, (0, 1)), "run", caps
            )


def test_only_samples_that_are_sent_again_are_charged(path: Path) -> None:
    with Journal(path) as journal:
        journal.reserve([request(1, samples=3)], "run", [(0.2, 10)])
        with journal.transaction():
            journal.write(UnknownCostWrite(request(1, samples=3).request_id, (2,)), "run")
        assert journal.spending("run").unknown_dollars == 0.2


#: Departs with a reservation, says so, and waits to be killed.
FLIES = """
import sys, time
from synthkd.journal import Journal
from synthkd.requests import Request, Sampling
with Journal(sys.argv[1]) as journal:
    request = Request("who", ({"role": "user", "content": "hello 1"},), Sampling(n=2), (0, 1), "i")
    journal.reserve([request], "run", [(0.25, 100)])
    print("flies", flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
def test_reservations_of_a_killed_process_stay_charged(path: Path) -> None:
    for kills in (1, 2, 3):
        process = subprocess.Popen(
            [sys.executable, "-c", FLIES, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "flies\n"
        process.send_signal(signal.SIGKILL)
        process.communicate()
        with Journal(path) as journal:
            assert journal.spending("run").in_flight_dollars == 0.5
            assert journal.settle_in_flight("run") == 2
            assert journal.spending("run") == Spending(
                unknown_dollars=0.5 * kills, unknown_tokens=200 * kills
            )
            assert journal.counts().in_flight == 0
    with Journal(path) as journal:
        assert journal.reserve([request(1)], "run", [(0.25, 100)], Caps(dollars=1.7)).granted == []


def test_reservations_of_another_run_are_not_settled(path: Path) -> None:
    with Journal(path) as journal:
        journal.reserve([request(1)], "other", [(0.25, 100)])
        assert journal.settle_in_flight("run") == 0
        assert journal.spending("other").in_flight_dollars == 0.25


def test_reservations_of_a_submitted_batch_are_not_settled(path: Path) -> None:
    with Journal(path) as journal:
        journal.reserve([request(1), request(2)], "run", [(0.25, 100)] * 2)
        BatchStore(journal).record_intent("run", [BatchRow.of(request(1), 0)])
        assert journal.settle_in_flight("run") == 1
        assert journal.spending("run") == Spending(0.0, 0, 0.25, 100, 0.25, 100)


def test_spending_is_summed_over_resumed_runs_and_kept_apart_by_name(path: Path) -> None:
    for number in range(5):
        with Journal(path) as journal:
            for run in ("a", "b"):
                one = request(number if run == "a" else 100 + number)
                journal.reserve([one], run, [(1.0, 10)])
                journal.store_answers([paid(one, 0.1 if run == "a" else 0.2)], run)
    with Journal(path) as journal:
        assert journal.spending("a") == Spending(pytest.approx(0.5), 20)
        assert journal.spending("b").dollars == pytest.approx(1.0)
        assert journal.spending("c") == Spending()


#: Departs one request after another under a cap, some of them answered below what was reserved.
SPENDS = """
import sys
from synthkd.journal import Journal
from synthkd.journal.ledger import Caps
from synthkd.requests import Completion, Request, Sampling
path, who, caps = sys.argv[1], sys.argv[2], Caps(20.0, 300)
gone = 0
with Journal(path) as journal:
    sys.stdin.readline()
    for number in range(60):
        message = {"role": "user", "content": f"{who} {number}"}
        request = Request("who", (message,), Sampling(), (0,), "i")
        go = journal.reserve([request], "run", [(1.0, 10)], caps).granted
        found = journal.spending("run")
        assert found.dollars + found.in_flight_dollars <= 20 + 1e-9, found
        if go and number % 2:
            answer = Completion(request.request_id, 0, "x", "stop", 3, 3, price=0.5)
            journal.store_answers([answer], "run")
        gone += len(go)
print(gone)
"""


@pytest.mark.slow
def test_processes_that_share_caps_never_pass_them_together(path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SPENDS, str(path), str(who)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for who in range(3)
    ]  # fmt: skip
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], ended
    with Journal(path) as journal:
        found = journal.spending("run")
        counts = journal.counts()
    assert counts.in_flight + counts.completions == sum(int(out) for out, _ in ended)
    assert found.dollars == pytest.approx(0.5 * counts.completions)
    assert found.in_flight_dollars == pytest.approx(1.0 * counts.in_flight)
    # Used up to less than one more reservation.
    assert 19 < found.dollars + found.in_flight_dollars <= 20 + 1e-9
    assert found.tokens + found.in_flight_tokens <= 300


def test_a_request_in_flight_of_another_process_is_not_granted(path: Path) -> None:
    with Journal(path) as one, Journal(path) as two:
        assert shared(one, [request(1), request(2)]).granted == [request(1), request(2)]
        assert shared(two, [request(2), request(3)]) == Reservation([request(3)], [], [request(2)])


def test_a_request_that_another_process_has_bought_is_not_granted(path: Path) -> None:
    with Journal(path) as one, Journal(path) as two:
        shared(one, [request(1)])
        one.store_answers([paid(request(1), 0.1)], "run")
        assert shared(two, [request(1)]).taken == [request(1)]
        # Further samples of it were not bought.
        more = request(1, samples=3).with_samples((1, 2))
        assert more.request_id == request(1).request_id
        assert shared(two, [more]).granted == [more]


def test_a_reservation_of_a_dead_run_blocks_no_other_run(path: Path) -> None:
    with Journal(path) as journal:
        journal.reserve([request(1)], "killed long ago")
        assert shared(journal, [request(1)], "run").granted == [request(1)]


def test_a_run_without_other_processes_reserves_its_requests_in_flight_again(path: Path) -> None:
    with Journal(path) as journal:
        journal.reserve([request(1)], "run")
        assert journal.reserve([request(1)], "run").granted == [request(1)]
        assert journal.counts().in_flight == 1
