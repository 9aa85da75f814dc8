"""Tests of SIGKILL at random moments: no commit is lost, only requests in flight repeat."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.recipes import Make, write_triples_recipe

from synthkd import Journal, Recipe, run
from synthkd.testing import FakeServer

pytestmark = pytest.mark.slow

KILLS = 8
CONCURRENCY = 8
HEADS = 300


def write_recipe(folder: Path, url: str, backend: str = "openai", heads: int = HEADS) -> Path:
    teacher = {
        "backend": backend, "concurrency": CONCURRENCY, "identity": "fake", "sampling": {"n": 2},
    }  # fmt: skip
    return write_triples_recipe(folder, url, heads, teacher=teacher, name="kill")


def start(recipe: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "synthkd", "run", str(recipe), "--quiet"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def committed(folder: Path) -> dict[tuple[str, int], str]:
    if not (folder / "journal.sqlite").exists():
        return {}
    with Journal(folder / "journal.sqlite") as journal:
        return {(row["request_id"], row["sample_index"]): row["text"] for row in journal.rows()}


@pytest.mark.parametrize(
    ("protocol", "samples", "heads"),
    [("openai", 2, 300), ("gemini", 2, 300), ("anthropic", 1, 150)],
)
def test_kills_lose_nothing_and_buy_nothing_twice_but_what_was_in_flight(
    tmp_path: Path, protocol: str, samples: int, heads: int
) -> None:
    """The Messages API gives one text for a request: ``samples`` of each request."""
    requests = 2 * heads // samples
    rng = random.Random(1)
    before: dict[tuple[str, int], str] = {}
    kills = lost_in_flight = 0
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with FakeServer(latency=0.25, protocol=protocol) as server:
        recipe = write_recipe(tmp_path / "a", server.url, protocol, heads)
        while kills < KILLS:
            sent, have = server.requests, len(before) // samples
            process = start(recipe)
            # Wait until it asks, so that kills fall into the work and not into the start of Python.
            deadline = time.monotonic() + 30
            while (
                server.requests == sent and process.poll() is None and time.monotonic() < deadline
            ):
                time.sleep(0.005)
            time.sleep(rng.random() * 0.35)
            assert process.poll() is None, process.communicate()
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
            now = committed(tmp_path / "a")
            assert before.items() <= now.items(), "a committed completion was lost or altered"
            in_flight = (server.requests - sent) - (len(now) // samples - have)
            # Sent and not committed: in flight, or answered and not yet taken; both are bounded
            # together.
            assert 0 <= in_flight <= 2 * CONCURRENCY
            lost_in_flight += in_flight
            before = now
        process = start(recipe)
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error.decode()
        assert server.requests <= requests + lost_in_flight
        undisturbed = run(
            Recipe.load(write_recipe(tmp_path / "b", server.url, protocol, heads)), quiet=True
        )
    disturbed = Recipe.load(recipe)
    from synthkd import load_corpus

    corpus = load_corpus(disturbed.corpus_path)
    ids = corpus.accepted.column("id").to_pylist()
    assert len(ids) == len(set(ids))
    # The recipes differ in nothing that a manifest holds but the server's address, which is the
    # same.
    assert corpus.hash == undisturbed.corpus.hash


def test_ctrl_c_waits_for_what_is_in_flight_and_the_next_run_goes_on(tmp_path: Path) -> None:
    with FakeServer(latency=0.3) as server:
        recipe = write_recipe(tmp_path, server.url)
        process = start(recipe)
        while server.requests < 12:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=20)
        assert process.returncode == 130, error.decode()
        assert "goes on from there" in error.decode()
        assert len(committed(tmp_path)) == 2 * server.requests
        sent = server.requests
        server.latency = 0
        again = start(recipe)
        assert again.wait(60) == 0, again.communicate()
        assert server.requests == HEADS
        assert sent < HEADS


def test_ctrl_c_twice_ends_at_once(tmp_path: Path) -> None:
    with FakeServer(latency=30) as server:
        process = start(write_recipe(tmp_path, server.url))
        while server.requests < CONCURRENCY:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        begin = time.monotonic()
        assert process.wait(10) == 130
        assert time.monotonic() - begin < 5
    assert os.path.exists(tmp_path / "journal.sqlite")


def test_a_dead_endpoint_in_the_middle_keeps_what_came(make_recipe: Make) -> None:
    with FakeServer() as server:
        recipe = make_recipe(server.url)
        run(recipe, quiet=True)
    more = make_recipe(server.url, heads=10)
    process = subprocess.run(
        [sys.executable, "-c", "import sys; from synthkd import run, Recipe; import json;"
         "run(Recipe.from_dict(json.loads(sys.argv[1]), sys.argv[2]), quiet=True)",
         more.model_dump_json(), str(more.folder)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert "UnreachableError" in process.stderr
    with Journal(recipe.journal_path) as journal:
        assert journal.counts().completions == 15
