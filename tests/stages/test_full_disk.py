"""Tests of a full disk during a run: a clear line, no committed row lost, and a resumable run."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.recipes import write_triples_recipe

from synthkd import Journal, Recipe
from synthkd.testing import FakeServer

pytestmark = pytest.mark.slow

HEADS = 200
#: SQLite has an error of its own for "no space left" only; limits and quotas are one with broken
#: disks.
SAID = "full, over a quota, or broken; repair that and run again: what was committed is kept"
MANY_WORDS = "word " * 400


def write_recipe(folder: Path, url: str) -> Path:
    teacher = {"concurrency": 4, "sampling": {"n": 2}}
    return write_triples_recipe(folder, url, HEADS, teacher=teacher, name="full")


def synthkd(recipe: Path, bytes_: int | None, *options: str) -> subprocess.CompletedProcess[str]:
    """Generate, where no file may grow beyond so many bytes."""

    def full() -> None:
        if bytes_ is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))

    command = [sys.executable, "-m", "synthkd", "generate", str(recipe), "--quiet", *options]
    return subprocess.run(command, capture_output=True, text=True, preexec_fn=full, timeout=120)


def committed(recipe: Path) -> dict[tuple[str, int], str]:
    with Journal(Recipe.load(recipe).journal_path) as journal:
        return {(row["request_id"], row["sample_index"]): row["text"] for row in journal.rows()}


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["alone", "workers"])
def test_a_full_disk_ends_the_run_with_one_line_and_the_next_run_goes_on(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    with FakeServer(answer=lambda p, i, s: f"{MANY_WORDS}{p}") as server:
        path = write_recipe(tmp_path, server.url)
        full = synthkd(path, 400_000, *options)
        assert full.returncode == 4, full.stderr
        assert full.stderr.strip().count("\n") == 0, full.stderr
        assert "journal.sqlite" in full.stderr
        assert SAID in full.stderr
        assert server.requests < HEADS
        before = committed(path)
        assert before
        sent = server.requests
        # Still no room: nothing more can be kept, so nothing more is bought than fits into what is
        # in flight.
        again = synthkd(path, 400_000, *options)
        assert again.returncode == 4, again.stderr
        assert before.items() <= committed(path).items()
        before, bought = committed(path), server.requests - sent
        assert bought < HEADS - sent
        room = synthkd(path, None, *options)
        assert room.returncode == 0, room.stderr
        after = committed(path)
    assert before.items() <= after.items()
    assert len(after) == 2 * HEADS


def test_a_disk_that_was_full_from_the_start_sends_nothing(tmp_path: Path) -> None:
    with FakeServer() as server:
        path = write_recipe(tmp_path, server.url)
        full = synthkd(path, 8_000)
        assert full.returncode == 4, full.stderr
        assert SAID in full.stderr
        assert server.requests == 0
        assert synthkd(path, None).returncode == 0
        assert server.requests == HEADS
