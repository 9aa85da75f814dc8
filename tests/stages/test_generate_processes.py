"""Tests of several processes at one run: each row once, the same corpus, and a clean end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from support.files import write_csv
from support.recipes import write_triples_recipe
from support.spending_runs import PRICE
from support.spending_runs import write_recipe as write_priced_recipe

from synthkd import Journal, Recipe, run
from synthkd.testing import FakeServer

pytestmark = pytest.mark.slow

HEADS = 150


def write_recipe(folder: Path, url: str) -> Path:
    teacher = {"concurrency": 8, "sampling": {"n": 2}}
    return write_triples_recipe(folder, url, HEADS, teacher=teacher, name="team")


def start(recipe: Path, workers: int = 2) -> subprocess.Popen[str]:
    """Start a run in a process group of its own, so that a group signal reaches nobody else."""
    command = [
        sys.executable,
        "-m",
        "synthkd",
        "run",
        str(recipe),
        "--quiet",
        "--workers",
        str(workers),
    ]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Process ids of a run's workers."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in listed]


def until_asked(server: FakeServer, process: subprocess.Popen[str], requests: int) -> None:
    while server.requests < requests:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def gone(pid: int) -> bool:
    """Return True if a process has ended, or is a zombie that nobody waits for."""
    for _ in range(2000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_two_workers_ask_for_each_row_once_and_write_the_corpus_that_one_writes(
    tmp_path: Path,
) -> None:
    with FakeServer(latency=0.01) as server:
        one = Recipe.load(write_recipe(tmp_path / "one", server.url))
        two = Recipe.load(write_recipe(tmp_path / "two", server.url))
        alone = run(one, quiet=True)
        server.sent.clear()
        together = run(two, quiet=True, workers=2)
        assert set(server.sent.values()) == {1}
        assert len(server.sent) == HEADS
    assert (together.generated.asked, together.generated.completed) == (2 * HEADS, 2 * HEADS)
    assert together.generated.inputs == alone.generated.inputs == HEADS
    assert files(two.corpus_path) == files(one.corpus_path)


def test_both_of_two_workers_work(tmp_path: Path) -> None:
    with FakeServer(latency=0.2) as server:
        process = start(write_recipe(tmp_path, server.url))
        until_asked(server, process, 8)
        assert len(workers_of(process)) == 2
        # Each has half of the recipe's 8 in flight, so 8 at once are of both.
        while server.most_in_flight < 8:
            assert process.poll() is None, process.communicate()
            time.sleep(0.005)
        assert server.most_in_flight == 8
        server.latency = 0
        assert process.wait(60) == 0, process.communicate()
        process.communicate()


def test_equal_prompts_of_two_workers_are_bought_once(tmp_path: Path) -> None:
    with FakeServer(latency=0.05) as server:
        path = write_recipe(tmp_path, server.url)
        raw = yaml.safe_load(path.read_text())
        raw["inputs"]["id"] = "name"
        rows = [
            {"name": f"{i}", "head": f"thing {i % 5}", "relation": "UsedFor"} for i in range(40)
        ]
        write_csv(tmp_path / "inputs.csv", rows)
        path.write_text(yaml.safe_dump(raw))
        result = run(Recipe.load(path), quiet=True, workers=2)
        assert server.requests == 5
    assert result.counts["candidates"] == 80


def test_ctrl_c_ends_all_workers_cleanly_and_the_next_run_goes_on(tmp_path: Path) -> None:
    with FakeServer(latency=0.2) as server:
        path = write_recipe(tmp_path, server.url)
        process = start(path)
        until_asked(server, process, 10)
        workers = workers_of(process)
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 130, error
        assert error.count("synthkd: stopped") == 1
        assert "goes on from there" in error
        assert "Traceback" not in error
        assert all(gone(pid) for pid in workers)
        with Journal(Recipe.load(path).journal_path) as journal:
            counts = journal.counts()
        # All that was asked for was waited for.
        assert counts.completions == 2 * server.requests
        assert server.requests < HEADS
        server.latency = 0
        again = start(path)
        _, error = again.communicate(timeout=120)
        assert again.returncode == 0, error
        assert server.requests == HEADS


def test_a_killed_worker_is_reported_and_nothing_is_lost(tmp_path: Path) -> None:
    with FakeServer(latency=0.1) as server:
        path = write_recipe(tmp_path, server.url)
        process = start(path)
        until_asked(server, process, 20)
        workers = workers_of(process)
        os.kill(workers[0], signal.SIGKILL)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 3, error
        assert "ended without a word" in error
        assert "what it had committed is kept" in error
        assert "the same command goes on" in error
        assert "Traceback" not in error
        assert all(gone(pid) for pid in workers)
        with Journal(Recipe.load(path).journal_path) as journal:
            before = {
                (row["request_id"], row["sample_index"]): row["text"] for row in journal.rows()
            }
        assert before
        lost = server.requests - len(before) // 2
        # Only the killed one's requests in flight, at most half of the recipe's 8 and what it held
        # ready.
        assert lost <= 8
        server.latency = 0
        again = start(path)
        _, error = again.communicate(timeout=120)
        assert again.returncode == 0, error
        assert server.requests == HEADS + lost
        with Journal(Recipe.load(path).journal_path) as journal:
            after = {
                (row["request_id"], row["sample_index"]): row["text"] for row in journal.rows()
            }
        assert before.items() <= after.items()
        assert len(after) == 2 * HEADS


def test_workers_end_when_their_parent_is_killed_and_the_next_run_goes_on(tmp_path: Path) -> None:
    with FakeServer(latency=0.1) as server:
        path = write_recipe(tmp_path, server.url)
        process = start(path)
        until_asked(server, process, 10)
        workers = workers_of(process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert all(gone(pid) for pid in workers)
        server.latency = 0
        again = start(path)
        _, error = again.communicate(timeout=120)
        assert again.returncode == 0, error
    with Journal(Recipe.load(path).journal_path) as journal:
        counts = journal.counts()
    assert (counts.completions, counts.in_flight) == (2 * HEADS, 0)


@pytest.mark.parametrize("killed", ["parent", "workers"])
def test_after_a_kill_what_the_workers_had_on_the_wire_is_charged_and_nothing_else(
    tmp_path: Path, killed: str
) -> None:
    with FakeServer(latency=30) as server:
        recipe = write_priced_recipe(tmp_path, server.url, heads=200)
        process = start(recipe)
        until_asked(server, process, 8)
        workers = workers_of(process)
        with Journal(tmp_path / "journal.sqlite", read_only=True) as journal:
            reserved = journal.counts().in_flight
            each = journal.spending("money").in_flight_tokens / reserved
        for pid in [process.pid] if killed == "parent" else workers:
            os.kill(pid, signal.SIGKILL)
        process.communicate(timeout=60)
        assert all(gone(pid) for pid in workers)
        assert server.requests == 8
    assert reserved > 8
    with Journal(tmp_path / "journal.sqlite") as journal, journal.claim("money"):
        lost = journal.spending("money")
    assert lost.in_flight_tokens == 0
    assert lost.unknown_tokens == pytest.approx(8 * each, rel=0.02)


def test_a_killed_run_of_workers_under_a_budget_goes_on_and_never_passes_it(tmp_path: Path) -> None:
    rng = random.Random(5)
    with FakeServer(latency=0.05) as server:
        recipe = write_priced_recipe(tmp_path, server.url, limits={"dollars": 3.0})
        for _ in range(4):
            sent, process = server.requests, start(recipe)
            while server.requests == sent and process.poll() is None:
                time.sleep(0.002)
            time.sleep(rng.random() * 0.1)
            workers = workers_of(process) if process.poll() is None else []
            process.send_signal(signal.SIGKILL)
            process.communicate()
            assert all(gone(pid) for pid in workers)
        process = start(recipe)
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error
        billed = sum(tokens for _, tokens in server.times)
        with Journal(tmp_path / "journal.sqlite") as journal:
            spent = journal.spending("money")
    assert 0 < billed * PRICE["input"] / 1e6 <= 3.0
    assert spent.dollars + spent.unknown_dollars <= 3.0 + 1e-9
    # What was killed in flight is counted at least as high as it was billed.
    assert spent.tokens + spent.unknown_tokens >= billed


def test_a_second_process_at_the_same_run_is_refused_and_sends_nothing(tmp_path: Path) -> None:
    with FakeServer(latency=3) as server:
        path = write_recipe(tmp_path, server.url)
        process = start(path)
        until_asked(server, process, 1)
        for workers in (1, 2):
            second = start(path, workers)
            _, error = second.communicate(timeout=60)
            assert second.returncode == 4, error
            assert error.strip().count("\n") == 0
            assert (
                "another process is at this run; wait for it, or give the recipe another name"
                in error
            )
        server.latency = 0
        assert process.wait(60) == 0
        process.communicate()
        assert server.requests == HEADS


def test_ctrl_c_while_the_workers_start_ends_without_a_traceback(tmp_path: Path) -> None:
    with FakeServer() as server:
        process = start(write_recipe(tmp_path, server.url))
        while process.poll() is None and len(workers_of(process)) < 2:
            time.sleep(0.001)
        workers = workers_of(process)
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 130, error
        assert "Traceback" not in error
        assert all(gone(pid) for pid in workers)


def test_an_error_of_a_worker_is_the_run_s_error(tmp_path: Path) -> None:
    with FakeServer(key="right") as server:
        process = start(write_recipe(tmp_path, server.url))
        _, error = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "refuses the key in OPENAI_API_KEY (401)" in error
    assert error.strip().count("\n") == 0
