"""Recipes: what is refused, and how it is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from support.files import ROOT

from synthkd.errors import RecipeError
from synthkd.recipe import Recipe

GOOD: dict[str, Any] = {
    "name": "x",
    "inputs": {"path": "in.csv"},
    "teacher": {"backend": "recorded", "path": "r.jsonl"},
    "corpus": {"path": "c"},
}


def refused(change: dict[str, Any]) -> str:
    with pytest.raises(RecipeError) as caught:
        Recipe.from_dict(GOOD | change)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_unknown_key_is_refused_with_the_nearest_known_name() -> None:
    assert "did you mean 'inputs'" in refused({"inptus": {}})


def test_an_unknown_key_deep_inside_is_named_with_its_place() -> None:
    said = refused({"teacher": {"backend": "openai", "sampling": {"temprature": 1}}})
    assert "teacher.sampling.temprature" in said
    assert "'temperature'" in said


def test_a_value_of_the_wrong_type_names_its_place() -> None:
    assert "teacher.sampling.n" in refused({"teacher": {"sampling": {"n": "many"}}})


def test_a_critic_is_either_trained_or_loaded() -> None:
    assert "labels" in refused({"critic": {"precision": 0.9}})


def test_rules_may_be_names_or_names_with_options() -> None:
    recipe = Recipe.from_dict(GOOD | {"rules": ["empty", {"too_long": {"max_words": 3}}]})
    assert [(r.name, r.options) for r in recipe.rules or []] == [
        ("empty", {}),
        ("too_long", {"max_words": 3}),
    ]


def test_set_changes_a_value_deep_inside(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump(GOOD))
    assert Recipe.load(path, ["teacher.sampling.n=7"]).teacher.sampling.n == 7


@pytest.mark.parametrize("override", ["novalue", "teacher.model.x=1", "=1"])
def test_a_set_that_makes_no_sense_is_refused(tmp_path: Path, override: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump(GOOD | {"teacher": {"model": "m"}}))
    with pytest.raises(RecipeError):
        Recipe.load(path, [override])


def test_a_path_may_name_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE", "/somewhere")
    assert Recipe.from_dict(GOOD).resolve("$PLACE/file") == Path("/somewhere/file")


def test_an_environment_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(RecipeError, match="NOT_SET"):
        Recipe.from_dict(GOOD).resolve("$NOT_SET/file")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"name: [", "line 1"),
        (b"\xff\xfe", "not UTF-8"),
        (b"- a\n- b\n", "mapping"),
        (b"!!python/object:os.x {}", "YAML"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused_in_one_line(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=said) as caught:
        Recipe.load(path)
    assert "\n" not in str(caught.value)


EXAMPLES = sorted([*(ROOT / "examples").glob("*.yaml"), *(ROOT / "examples/real").glob("*.yaml")])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_every_example_is_a_recipe(path: Path) -> None:
    Recipe.load(path)
