"""Tests of runs on one machine after one on a cluster: nothing is bought again."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from support.recipes import write_triples_recipe
from support.shards import coordinated, generate_all, job_of

from synthkd import Journal, Recipe, run
from synthkd.cluster.shared_folder import SharedFolder
from synthkd.cluster.takeover import (
    ClusterRecord,
    put_shards,
    read_cluster_record,
    shards_of,
    write_cluster_record,
)
from synthkd.errors import StorageError
from synthkd.stages.places import claim_work
from synthkd.testing import FakeServer

HEADS = 40


@pytest.fixture(autouse=True)
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "node").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "node"))


def on_cluster(recipe: Recipe, shared: Path) -> None:
    """Generate with shards, and leave what the driver of a cluster leaves."""
    with coordinated(recipe) as coordinator:
        generate_all(job_of(recipe, shared, 2), coordinator)
    claim_work(recipe.work_dir)
    write_cluster_record(recipe.work_dir, ClusterRecord(shared=str(shared)))


def test_a_run_on_one_machine_takes_what_the_cluster_bought_and_sends_nothing(
    tmp_path: Path,
) -> None:
    with FakeServer() as server:
        recipe = Recipe.load(write_triples_recipe(tmp_path / "run", server.url, HEADS))
        on_cluster(recipe, tmp_path / "shared")
        assert server.requests == HEADS
        result = run(recipe, quiet=True)
        assert server.requests == HEADS
    assert result.generated.cached == HEADS
    with Journal(recipe.journal_path) as journal:
        assert journal.counts().completions == HEADS
    record = read_cluster_record(recipe.work_dir)
    assert record is not None
    assert record.taken == SharedFolder(str(tmp_path / "shared")).names("shards")


def test_more_samples_on_one_machine_cost_the_further_ones_alone(tmp_path: Path) -> None:
    with FakeServer() as server:
        path = write_triples_recipe(
            tmp_path / "run", server.url, HEADS, teacher={"identity": "fake"}
        )
        on_cluster(Recipe.load(path), tmp_path / "shared")
        done = run(Recipe.load(path, ["teacher.sampling.n=2"]), quiet=True)
        assert (done.generated.cached, done.generated.completed) == (HEADS, HEADS)


def test_a_job_for_the_nodes_holds_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("PROJECT_TOKEN", "token-of-the-environment")
    teacher = {"headers": {"X-Project": "$PROJECT_TOKEN"}}
    path = write_triples_recipe(tmp_path, "http://127.0.0.1:1/v1", 2, teacher=teacher)
    text = json.dumps(job_of(Recipe.load(path), tmp_path / "shared", 2))
    assert "of-the-environment" not in text
    assert "$PROJECT_TOKEN" in text


def test_a_run_keeps_the_number_of_its_shards(tmp_path: Path) -> None:
    shared = SharedFolder(str(tmp_path / "shared"))

    def write(shards: int) -> None:
        put_shards(shared, shards, tmp_path / "shards.json")

    assert shards_of(shared, 3, write) == 3
    assert shards_of(shared, 8, write) == 3


@pytest.mark.parametrize("content", ["", "[]", '{"shards": "many"}', "\x00"])
def test_an_odd_file_in_the_shared_folder_is_an_error_that_names_it(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "shards.json").write_text(content)
    with pytest.raises(StorageError, match=r"shards\.json: not a file of synthkd"):
        shards_of(SharedFolder(str(tmp_path)), 2, lambda shards: None)
