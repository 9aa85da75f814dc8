"""Tests of the option --engine: what cannot be done is one line, before anything is bought."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.command_line import synthkd
from support.recipes import write_triples_recipe

from synthkd import Recipe
from synthkd.cluster.supported import check_supported
from synthkd.errors import RecipeError
from synthkd.testing import FakeServer


def refused(*options: str, folder: Path, **parts: object) -> str:
    with FakeServer() as server:
        path = write_triples_recipe(folder, server.url, 5, **parts)
        done = synthkd("run", path, *options)
        assert server.requests == 0
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.parametrize("option", [["--address", "x:1"], ["--nodes", "2"], ["--shared", "x"]])
def test_options_of_a_cluster_need_the_engine(tmp_path: Path, option: list[str]) -> None:
    assert f"{option[0]} is for a cluster: add --engine ray" in refused(*option, folder=tmp_path)


def test_an_unknown_engine_is_refused(tmp_path: Path) -> None:
    assert "--engine spark: unknown" in refused("--engine", "spark", folder=tmp_path)


def test_workers_are_for_one_machine(tmp_path: Path) -> None:
    message = refused("--engine", "ray", "--workers", "2", folder=tmp_path)
    assert "with --engine ray give --nodes" in message


def test_a_target_is_refused_with_what_to_do_instead(tmp_path: Path) -> None:
    message = refused("--engine", "ray", folder=tmp_path, target={"accepted": 5})
    assert "`target` asks in rounds that one machine decides; leave --engine out" in message


def test_a_batch_backend_is_refused(tmp_path: Path) -> None:
    path = write_triples_recipe(tmp_path, "http://127.0.0.1:1/v1", 5)
    recipe = Recipe.load(path, ["teacher.backend=openai-batch"])
    with pytest.raises(RecipeError, match="hands all work to the provider"):
        check_supported(recipe)


def test_without_ray_the_message_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    message = refused("--engine", "ray", folder=tmp_path)
    assert "pip install 'synthkd[ray]'" in message
