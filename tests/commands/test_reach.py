"""Tests of the files and programs that a dry run lists before it shows prompts."""

from __future__ import annotations

import os
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from support.files import write_csv

from synthkd.commands.dry_run import dry_run
from synthkd.commands.reach import reach_of
from synthkd.errors import RecipeError
from synthkd.recipe import Recipe


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.lower().endswith("_proxy") or name.startswith(("OPENAI_", "HF_")):
            monkeypatch.delenv(name)


def recipe(folder: Path, teacher: dict[str, Any], **parts: Any) -> Recipe:
    (folder / "mine").mkdir(exist_ok=True)
    write_csv(folder / "mine" / "heads.csv", [{"head": "a pan", "relation": "UsedFor"}])
    raw = {
        "name": "r", "inputs": {"path": "heads.csv"},
        "prompt": {"template": "triple/everyday-plain"},
        "teacher": {"model": "m", **teacher}, "corpus": {"path": "corpus"},
    }  # fmt: skip
    return Recipe.from_dict(raw | parts, folder / "mine")


def test_a_recipe_of_the_embedded_teacher_reaches_nothing(tmp_path: Path) -> None:
    made = reach_of(recipe(tmp_path, {"model": "synthkd/everyday"}))
    assert [line.split()[-1] for line in made.lines()] == ["none"] * 6


def test_hosts_and_variables_are_listed_with_who_gets_them_and_no_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MY_KEY", "GATE", "PASS", "PROXY_PASS"):
        monkeypatch.setenv(name, f"{name}-value")
    teacher = {
        "backend": "openai", "base_url": "https://u$PASS@api.example.org/v1".replace("u$", "$"),
        "api_key_env": "MY_KEY",
        "headers": {"X-Gate": "token $GATE"}, "proxy": "http://$PROXY_PASS@proxy.example.org:3128",
    }  # fmt: skip
    made = reach_of(recipe(tmp_path, teacher))
    assert made.hosts == ["https://api.example.org/v1", "http://proxy.example.org:3128 (proxy)"]
    assert made.variables == [
        "MY_KEY sent to api.example.org as the key", "GATE sent to api.example.org in a header",
        "PASS sent to api.example.org in the address", "PROXY_PASS sent to the proxy"
            " proxy.example.org",
    ]  # fmt: skip
    assert "-value" not in str(made)


def test_an_address_and_a_proxy_of_the_environment_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://me:secret-of-env@h.example.org/v1")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret-of-env@p.example.org")
    made = reach_of(recipe(tmp_path, {"backend": "openai"}))
    assert made.hosts == ["https://h.example.org/v1"]
    assert made.variables[0] == "OPENAI_BASE_URL read for the address"
    assert "HTTPS_PROXY read for a proxy" in made.variables
    assert "secret-of-env" not in str(made)


def test_programs_that_would_be_started_are_listed(tmp_path: Path) -> None:
    teacher = {
        "backend": "vllm",
        "model": "synthkd/everyday",
        "options": {"serve": True, "python": "/opt/other/bin/python"},
    }
    made = reach_of(recipe(tmp_path, teacher))
    assert made.programs == [
        "/opt/other/bin/python -m vllm.entrypoints.openai.api_server (gets the whole environment)"
    ]
    assert made.hosts == []


def test_models_of_a_hub_are_listed(tmp_path: Path) -> None:
    made = reach_of(recipe(tmp_path, {"backend": "transformers", "model": "someone/model"}))
    assert made.hosts == ["huggingface.co (models someone/model, unless they are in the cache)"]


def test_judges_within_the_critic_are_asked_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET", "x")
    judge = {
        "backend": "openai",
        "model": "j",
        "base_url": "https://evil.example.org/v1",
        "api_key_env": "AWS_SECRET",
    }
    critic = {
        "labels": "l.csv",
        "name": "stack",
        "options": {"members": [{"name": "judge", "teacher": judge}]},
    }
    made = reach_of(recipe(tmp_path, {"model": "synthkd/everyday"}, critic=critic))
    assert made.hosts == ["https://evil.example.org/v1 (judge)"]
    assert made.variables == ["AWS_SECRET sent to evil.example.org as the key"]


def test_code_of_other_packages_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", "other_package.rules:Mine", "synthkd.rules")
    monkeypatch.setattr(
        "synthkd.plugins.installed", lambda group: {"mine": point} if group == "rules" else {}
    )
    made = reach_of(recipe(tmp_path, {"model": "synthkd/everyday"}, rules=["mine"]))
    assert made.code == ["rule mine (other_package.rules:Mine of an unknown package)"]


def test_paths_outside_the_folder_are_listed_and_those_within_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA", str(tmp_path))
    monkeypatch.setenv("HOME", "/nowhere")
    (tmp_path / "l.csv").write_text("x\n1\n")
    made = reach_of(
        recipe(
            tmp_path, {"model": "synthkd/everyday"}, critic={"labels": "$DATA/l.csv"},
            journal="../j.sqlite",
            kind={"name": "triple", "relations": "everyday", "options": {"note": "and/or"}},
            corpus={"path": str(tmp_path / "mine" / "corpus")},
        )
    )  # fmt: skip
    assert made.read == [f"{tmp_path}/l.csv (critic.labels)"]
    assert made.written == [f"{tmp_path}/j.sqlite (journal)"]
    assert made.variables == ["DATA read for critic.labels"]


def test_a_corpus_that_goes_to_a_store_is_listed_with_its_address(tmp_path: Path) -> None:
    made = reach_of(
        recipe(tmp_path, {"model": "synthkd/everyday"}, corpus={"path": "s3://bucket/mine"})
    )

    assert made.written == ["s3://bucket/mine (corpus.path)"]
    assert made.hosts == ["the store of s3://, which gets the corpus"]


def test_the_list_comes_before_the_prompts(tmp_path: Path) -> None:
    text = str(dry_run(recipe(tmp_path, {"model": "synthkd/everyday"})))
    assert text.startswith(
        "what this recipe would use beyond its folder:\n  hosts           none\n"
    )
    assert text.index("writes outside") < text.index("--- prompt 1 ---")


def test_a_variable_that_is_not_set_ends_the_dry_run(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="NOT_SET_HERE"):
        dry_run(recipe(tmp_path, {"model": "synthkd/everyday"}, critic={"path": "$NOT_SET_HERE/c"}))


def test_nothing_is_loaded_or_started_for_the_list(tmp_path: Path) -> None:
    before = set(sys.modules)
    reach_of(
        recipe(tmp_path, {"backend": "vllm", "model": "someone/model", "options": {"serve": True}})
    )
    assert not {
        name
        for name in set(sys.modules) - before
        if name.split(".")[0] in ("torch", "vllm", "transformers")
    }
