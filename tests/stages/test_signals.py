"""Tests of SIGTERM and SIGHUP: a run waits for requests in flight, as after the first Ctrl-C."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from support.spending_runs import spent, start, synthkd, until, write_recipe

from synthkd import Journal
from synthkd.testing import FakeServer

pytestmark = pytest.mark.slow

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_is_in_flight_is_waited_for_and_kept(
    tmp_path: Path, number: int, workers: str
) -> None:
    with FakeServer(latency=1.0) as server:
        recipe = write_recipe(tmp_path, server.url)
        process = start(recipe, "--workers", workers, start_new_session=True)
        until(lambda: server.in_flight >= 6, process)
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 128 + number, error
        assert "the same command goes on from there" in error
        assert "Traceback" not in error
        sent = server.requests
        with Journal(tmp_path / "journal.sqlite") as journal:
            counts = journal.counts()
        assert (counts.completions, counts.in_flight) == (sent, 0)
        server.latency = 0.0
        assert synthkd(recipe).returncode == 0
        assert server.requests == 40
    assert spent(tmp_path).unknown_tokens == 0


@pytest.mark.parametrize("number", SIGNALS)
def test_what_does_not_come_within_the_grace_period_is_given_up_and_charged(
    tmp_path: Path, number: int
) -> None:
    with FakeServer(latency=60) as server:
        process = start(write_recipe(tmp_path, server.url), "--grace", "0.3", "--budget", "90")
        until(lambda: server.in_flight == 8, process)
        process.send_signal(number)
        begin = time.monotonic()
        _, error = process.communicate(timeout=30)
        assert process.returncode == 128 + number
        assert "8 samples in flight were given up, and count as paid" in error
        assert time.monotonic() - begin < 20
    found = spent(tmp_path)
    assert found.in_flight_tokens == 0
    assert found.unknown_tokens > 0


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    with FakeServer(latency=60) as server:
        process = start(write_recipe(tmp_path, server.url))
        until(lambda: server.in_flight == 8, process)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
        assert process.returncode == 128 + signal.SIGTERM


def test_a_hangup_that_is_ignored_does_not_end_a_run(tmp_path: Path) -> None:
    with FakeServer(latency=0.3) as server:
        process = start(
            write_recipe(tmp_path, server.url),
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
        )
        until(lambda: server.in_flight >= 1, process)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=60)
        assert process.returncode == 0
        assert server.requests == 40


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_temporary_file_and_no_lock_is_left(tmp_path: Path, number: int) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with FakeServer(latency=0.5) as server:
        recipe = write_recipe(tmp_path / "run", server.url)
        process = start(recipe, verb="run", env=environment)
        until(lambda: server.in_flight >= 6, process)
        process.send_signal(number)
        process.communicate(timeout=60)
        server.latency = 0
        again = start(recipe, verb="run", env=environment)
        _, error = again.communicate(timeout=60)
        assert again.returncode == 0, error
    assert list(temporary.iterdir()) == []
    assert not [file.name for file in (tmp_path / "run").rglob("*-run-*")]
