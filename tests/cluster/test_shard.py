"""Tests of shards in one process: what was exported is not bought again."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from support.recipes import write_triples_recipe
from support.shards import coordinated, generate_all, job_of

from synthkd import Journal, Recipe, run
from synthkd.cluster.parts import import_parts
from synthkd.cluster.shard import error_of, generate_shard
from synthkd.cluster.shared_folder import SharedFolder
from synthkd.errors import AuthenticationError, SynthKDError
from synthkd.testing import FakeServer

HEADS = 60
PRICE = {"input": 1.0, "output": 1.0}


@pytest.fixture(autouse=True)
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder of the node."""
    (tmp_path / "node").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "node"))
    return tmp_path / "node"


def recipe_of(folder: Path, url: str, **parts: object) -> Recipe:
    teacher = {"concurrency": 8, "sampling": {"n": 2}, "price": PRICE, "identity": "fake"}
    return Recipe.load(write_triples_recipe(folder, url, HEADS, teacher=teacher, **parts))


def test_shards_ask_for_each_sample_once_and_a_second_run_for_none(tmp_path: Path) -> None:
    with FakeServer() as server:
        recipe = recipe_of(tmp_path / "run", server.url)
        job = job_of(recipe, tmp_path / "shared", 3)
        with coordinated(recipe) as coordinator:
            outcomes = generate_all(job, coordinator)
        assert [error_of(one) for one in outcomes] == [None] * 3
        assert sum(one["report"]["completed"] for one in outcomes) == 2 * HEADS
        assert set(server.sent.values()) == {1}
        assert server.requests == HEADS
        with coordinated(recipe) as coordinator:
            again = generate_all(job_of(recipe, tmp_path / "shared", 3, "again"), coordinator)
        assert server.requests == HEADS
        assert sum(one["report"]["cached"] for one in again) == 2 * HEADS


def test_the_spending_of_all_shards_is_in_the_journal_of_the_run(tmp_path: Path) -> None:
    with FakeServer() as server:
        recipe = recipe_of(tmp_path / "run", server.url)
        alone = recipe_of(tmp_path / "alone", server.url)
        run(alone, quiet=True)
        with coordinated(recipe) as coordinator:
            generate_all(job_of(recipe, tmp_path / "shared", 2), coordinator)
    with Journal(recipe.journal_path) as one, Journal(alone.journal_path) as other:
        assert one.spending(recipe.name).tokens == other.spending(alone.name).tokens
        assert one.spending(recipe.name).dollars == pytest.approx(
            other.spending(alone.name).dollars
        )
        assert one.spending(recipe.name).in_flight_tokens == 0


def test_shards_together_keep_a_cap_and_say_that_it_is_reached(tmp_path: Path) -> None:
    with FakeServer(latency=0.005) as server:
        recipe = recipe_of(tmp_path / "run", server.url, limits={"tokens": 480})
        with coordinated(recipe) as coordinator:
            outcomes = generate_all(job_of(recipe, tmp_path / "shared", 3), coordinator)
        billed = sum(tokens for _, tokens in server.times)
    # A request may cost 150 tokens at most, so the last of them are left.
    assert 480 - 3 * 150 < billed <= 480
    assert any("the cap is reached" in one["report"]["stopped"] for one in outcomes)
    with Journal(recipe.journal_path) as journal:
        assert journal.spending(recipe.name).tokens == billed


def test_a_cap_is_kept_over_runs(tmp_path: Path) -> None:
    with FakeServer() as server:
        recipe = recipe_of(tmp_path / "run", server.url, limits={"tokens": 480})
        for token in ("first", "second"):
            with coordinated(recipe) as coordinator:
                generate_all(job_of(recipe, tmp_path / "shared", 2, token), coordinator)
        assert sum(tokens for _, tokens in server.times) <= 480


def test_what_the_journal_had_before_is_not_bought_again(tmp_path: Path) -> None:
    from synthkd.journal.parts import export_completions

    with FakeServer() as server:
        recipe = recipe_of(tmp_path / "run", server.url)
        run(recipe, quiet=True)
        with Journal(recipe.journal_path) as journal:
            export_completions(journal, 0, tmp_path / "before.parquet", 10_000)
        shared = SharedFolder(str(tmp_path / "shared"))
        shared.put(tmp_path / "before.parquet", "before/completions-x.parquet")
        sent = server.requests
        with coordinated(recipe) as coordinator:
            outcomes = generate_all(job_of(recipe, tmp_path / "shared", 2), coordinator)
        assert server.requests == sent
        assert sum(one["report"]["cached"] for one in outcomes) == 2 * HEADS


def test_a_mistake_is_an_error_of_the_task_and_no_reason_to_try_again(tmp_path: Path) -> None:
    with FakeServer(key="right") as server:
        recipe = recipe_of(tmp_path / "run", server.url)
        with coordinated(recipe) as coordinator:
            outcome = generate_shard(job_of(recipe, tmp_path / "shared", 1), 0, coordinator)
    error = error_of(outcome)
    assert isinstance(error, SynthKDError)
    assert "401" in str(error) or isinstance(error, AuthenticationError)


def test_exports_hold_all_that_was_bought(tmp_path: Path) -> None:
    with FakeServer() as server:
        recipe = recipe_of(tmp_path / "run", server.url)
        with coordinated(recipe) as coordinator:
            generate_all(job_of(recipe, tmp_path / "shared", 2), coordinator)
    import_parts(SharedFolder(str(tmp_path / "shared")), "shards", tmp_path / "all.sqlite")
    with Journal(tmp_path / "all.sqlite") as journal:
        assert journal.counts().completions == 2 * HEADS
