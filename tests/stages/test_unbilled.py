"""Tests that what no provider bills costs nothing, at the end of the run and after a kill."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from support.spending_runs import spent, start, synthkd, until, write_recipe

from synthkd import Journal
from synthkd.journal.ledger import Spending
from synthkd.testing import FakeServer

QUICK = {"max_attempts": 1, "timeout": 5.0}


@contextmanager
def listener(answer: bytes = b"") -> Iterator[int]:
    """Open a port that takes connections, says ``answer`` without reading, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(answer)

        Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.slow
def test_a_server_that_is_down_costs_nothing_of_the_budget(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, f"http://127.0.0.1:{free_port()}/v1", teacher=QUICK)
    ended = synthkd(recipe, "--budget", "50")
    assert ended.returncode == 3, ended.stderr
    assert spent(tmp_path) == Spending()


@pytest.mark.slow
def test_a_name_that_does_not_resolve_costs_nothing(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, "http://nobody.invalid/v1", teacher=QUICK)
    assert synthkd(recipe, "--budget", "50").returncode == 3
    assert spent(tmp_path) == Spending()


@pytest.mark.slow
def test_a_tls_handshake_that_fails_costs_nothing(tmp_path: Path) -> None:
    with listener(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        recipe = write_recipe(tmp_path, f"https://127.0.0.1:{port}/v1", teacher=QUICK)
        assert synthkd(recipe, "--budget", "50").returncode == 3
    assert spent(tmp_path) == Spending()
    assert ssl.HAS_TLSv1_2


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["401", "404", "429", "500", "400-context", "429-quota"])
def test_a_refusal_costs_nothing(tmp_path: Path, fault: str) -> None:
    with FakeServer(script=[fault] * 400) as server:
        ended = synthkd(write_recipe(tmp_path, server.url, teacher=QUICK), "--budget", "50")
        assert ended.returncode == 3, (ended.stdout, ended.stderr)
        assert server.requests > 0
    assert spent(tmp_path) == Spending()


@pytest.mark.slow
def test_a_wrong_key_costs_nothing_and_all_in_flight_are_waited_for(tmp_path: Path) -> None:
    with FakeServer(key="right", latency=0.2) as server:
        ended = synthkd(write_recipe(tmp_path, server.url), "--budget", "50")
        assert ended.returncode == 3
        assert "401" in ended.stderr
    assert spent(tmp_path) == Spending()


@pytest.mark.slow
def test_no_credit_ends_the_run_and_records_no_failure(tmp_path: Path) -> None:
    with FakeServer(script=["", "", "", "429-quota"] + ["429-quota"] * 400) as server:
        ended = synthkd(write_recipe(tmp_path, server.url, teacher={"concurrency": 1}))
        assert ended.returncode == 3
        assert "exceeded your current quota" in ended.stderr
        assert server.requests == 4
    with Journal(tmp_path / "journal.sqlite") as journal:
        counts = journal.counts()
    assert (counts.completions, counts.failures, counts.in_flight) == (3, 0, 0)


#: Waits for retries for ever: every attempt is refused, and the process is killed while none is on
#: the wire.
@pytest.mark.slow
@pytest.mark.parametrize("fault", ["429-seconds", "500"])
def test_killed_between_refused_attempts_a_run_is_charged_nothing(
    tmp_path: Path, fault: str
) -> None:
    teacher = {"max_attempts": 50, "concurrency": 1, "adaptive": False}
    with FakeServer(script=[fault] * 400) as server:
        process = start(
            write_recipe(tmp_path, server.url, heads=1, teacher=teacher), "--budget", "50"
        )
        until(lambda: server.requests >= 3, process)
        # The answer has gone out; give the client a moment to read it.
        until(lambda: server.in_flight == 0, process)
        for _ in range(50):
            subprocess.run([sys.executable, "-c", ""], check=True)
            if server.in_flight == 0:
                break
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with Journal(tmp_path / "journal.sqlite") as journal, journal.claim("money"):
        lost = journal.spending("money")
    # At most the one attempt that may have been sent in the very moment.
    assert lost.unknown_tokens <= 120, lost


@pytest.mark.slow
def test_killed_with_reservations_ahead_only_what_was_on_the_wire_is_charged(
    tmp_path: Path,
) -> None:
    with FakeServer(latency=30) as server:
        process = start(write_recipe(tmp_path, server.url, heads=200))
        until(lambda: server.in_flight == 8, process)
        with Journal(tmp_path / "journal.sqlite", read_only=True) as journal:
            reserved = journal.counts().in_flight
            each = journal.spending("money").in_flight_tokens / reserved
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert reserved > 8
    with Journal(tmp_path / "journal.sqlite") as journal, journal.claim("money"):
        lost = journal.spending("money")
    assert lost.in_flight_tokens == 0
    assert lost.unknown_tokens == pytest.approx(8 * each, rel=0.02)


@pytest.mark.slow
def test_an_attempt_that_timed_out_is_charged(tmp_path: Path) -> None:
    with FakeServer(latency=30) as server:
        teacher = {"timeout": 0.5, "max_attempts": 1, "concurrency": 1}
        recipe = write_recipe(tmp_path, server.url, heads=1, teacher=teacher)
        synthkd(recipe, "--budget", "50")
    assert spent(tmp_path).unknown_tokens > 0


# An answer of unknown cost


def test_an_answer_whose_price_is_unknown_is_charged_its_reservation(tmp_path: Path) -> None:
    from synthkd.requests import Completion, Request, Sampling

    request = Request("who", ({"role": "user", "content": "x"},), Sampling(), (0,), "i")
    unknown = {
        "no usage": Completion(request.request_id, 0, "x", "stop"),
        "no prompt tokens": Completion(request.request_id, 0, "x", "stop", None, 5, price=None),
        "no price": Completion(request.request_id, 0, "x", "stop", 5, 5, price=None),
        "a negative price": Completion(request.request_id, 0, "x", "stop", 5, 5, price=-3.0),
        "negative tokens": Completion(request.request_id, 0, "x", "stop", 5, -5, price=0.1),
        "huge tokens": Completion(request.request_id, 0, "x", "stop", 2**63, 5, price=0.1),
        "an infinite price": Completion(
            request.request_id, 0, "x", "stop", 5, 5, price=float("inf")
        ),
        "no number": Completion(request.request_id, 0, "x", "stop", 5, 5, price=float("nan")),
        "a text": Completion(request.request_id, 0, "x", "stop", "5", 5, price=0.1),
        # type: ignore[arg-type]
        "no text": Completion(request.request_id, 0, None, "stop", 5, 5, price=0.1),
        # type: ignore[arg-type]
    }
    for number, (what, answer) in enumerate(unknown.items()):
        with Journal(tmp_path / f"{number}.sqlite") as journal:
            journal.reserve([request], "run", [(0.25, 100)])
            journal.store_answers(
                [answer, Completion("other", 0, "y", "stop", 1, 1, price=0.01)], "run"
            )
            assert journal.spending("run") == Spending(0.01, 2, 0.25, 100), what
            # The others of its group are kept.
            assert "other" in journal.cached_indexes(["other"]), what
