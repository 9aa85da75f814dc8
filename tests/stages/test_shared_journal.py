"""Two runs on one journal never buy one request twice, whatever their names and folders."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from threading import Thread

import pytest
from support.spending_runs import spent, start, synthkd, until, write_recipe

from synthkd import Journal, Recipe, generate
from synthkd.testing import FakeServer

pytestmark = pytest.mark.slow

HEADS = 40


def held(folder: Path) -> int:
    with Journal(folder / "journal.sqlite", read_only=True) as journal:
        return journal.counts().completions


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ([], ["--set", "name=other"]),
        (["--set", "work=wa"], ["--set", "work=wb"]),
        (["--set", "work=wa"], ["--set", "work=wb", "--workers", "2"]),
        (["--set", "name=other", "--workers", "2"], []),
    ],
)
def test_both_end_well_and_each_request_is_bought_once(
    tmp_path: Path, one: list[str], two: list[str]
) -> None:
    with FakeServer(latency=0.3) as server:
        recipe = write_recipe(tmp_path, server.url)
        first = start(recipe, *one)
        second = start(recipe, *two)
        outs = [process.communicate(timeout=120) for process in (first, second)]
        assert (first.returncode, second.returncode) == (0, 0), outs
        assert server.requests == HEADS
        assert set(server.sent.values()) == {1}
    assert held(tmp_path) == HEADS


def test_recipes_in_two_folders_that_name_one_journal_buy_once(tmp_path: Path) -> None:
    with FakeServer(latency=0.3) as server:
        shared = str(tmp_path / "journal.sqlite")
        recipes = [write_recipe(tmp_path / name, server.url, journal=shared) for name in ("a", "b")]
        processes = [start(recipe) for recipe in recipes]
        for process in processes:
            process.communicate(timeout=120)
            assert process.returncode == 0
        assert server.requests == HEADS


def test_two_runs_in_one_process_buy_once(tmp_path: Path) -> None:
    with FakeServer(latency=0.2) as server:
        paths = [write_recipe(tmp_path, server.url, name=name) for name in ("a", "b")]
        threads = [Thread(target=generate, args=(Recipe.load(path), True)) for path in paths]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert server.requests == HEADS
    assert held(tmp_path) == HEADS


def test_what_a_run_has_in_flight_when_it_is_killed_is_bought_by_the_one_that_waits(
    tmp_path: Path,
) -> None:
    with FakeServer(latency=30) as server:
        first = start(write_recipe(tmp_path, server.url, heads=8, name="a"))
        until(lambda: server.in_flight == 8, first)
        second = start(write_recipe(tmp_path, server.url, heads=8, name="b"))
        server.latency = 0.0
        # It leaves all to the first, and waits.
        with pytest.raises(Exception, match="timed out"):
            second.communicate(timeout=3)
        assert server.requests == 8
        first.send_signal(signal.SIGKILL)
        first.communicate()
        _, error = second.communicate(timeout=60)
        assert second.returncode == 0, error
        assert server.requests == 16
    assert held(tmp_path) == 8
    # What may have been billed stays with the run that sent it.
    assert spent(tmp_path, "a").unknown_tokens > 0
    assert spent(tmp_path, "b").unknown_tokens == 0


def test_a_run_that_waits_for_another_ends_at_a_signal(tmp_path: Path) -> None:
    with FakeServer(latency=30) as server:
        first = start(write_recipe(tmp_path, server.url, heads=4, name="a"), "--grace", "0")
        until(lambda: server.in_flight == 4, first)
        second = start(write_recipe(tmp_path, server.url, heads=4, name="b"))
        with pytest.raises(Exception, match="timed out"):
            second.communicate(timeout=3)
        second.send_signal(signal.SIGTERM)
        second.communicate(timeout=20)
        assert second.returncode == 128 + signal.SIGTERM
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=20)


def test_what_fails_for_another_run_is_asked_again_by_the_one_that_waits(tmp_path: Path) -> None:
    with FakeServer(latency=1.0, script=["500"] * 4) as server:
        first = start(
            write_recipe(tmp_path, server.url, heads=4, name="a", teacher={"max_attempts": 1})
        )
        until(lambda: server.in_flight == 4, first)
        second = start(write_recipe(tmp_path, server.url, heads=4, name="b"))
        for process in (first, second):
            process.communicate(timeout=60)
        assert second.returncode == 0
    assert held(tmp_path) == 4


def test_a_journal_that_is_removed_ends_the_run_with_the_place_of_what_was_kept(
    tmp_path: Path,
) -> None:
    with FakeServer(latency=0.2) as server:
        process = start(write_recipe(tmp_path, server.url, heads=200))
        until(lambda: server.requests >= 40, process)
        for file in tmp_path.glob("journal.sqlite*"):
            file.unlink()
        _, error = process.communicate(timeout=60)
        assert process.returncode == 4, error
        assert "was removed or moved while the run was on" in error
        assert len(error.strip().splitlines()) == 1
        (kept,) = tmp_path.glob("journal.rescued-*.sqlite")
        assert str(kept) in error
        sent = server.requests
        assert sent < 200
        shutil.move(kept, tmp_path / "journal.sqlite")
        before = held(tmp_path)
        assert before >= 20
        server.latency = 0.0
        assert synthkd(tmp_path / "money.yaml").returncode == 0
        # What was in flight when it went away is bought again, and nothing else.
        assert server.requests <= 200 + 16
        assert server.requests == sent + 200 - before
