"""Loop tasks of users: named by a recipe, with options that are checked before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import Field
from support.loops import loop_recipe

import synthkd
from synthkd import plugins
from synthkd.errors import RecipeError
from synthkd.loops import LoopTask, ValidationResult
from synthkd.loops.engine import Loop
from synthkd.options import BaseOptions


class OwnTask(LoopTask[str]):
    name = "own"
    metrics = ("accuracy",)

    class Options(BaseOptions):
        prompts: int = Field(2, ge=1, description="Prompts of a round.")

    def __init__(self, recipe: synthkd.Recipe) -> None:
        super().__init__(recipe)
        self.start = [{"text": "a", "label": "b"}]

    def row_facts(self) -> dict[str, Any]:
        return {"start": self.facts_of(self.start)}

    def initial_rows(self) -> list[dict[str, Any]]:
        return self.start

    def train(self, rows: Any, folder: Path) -> str:
        return "student"

    def load(self, folder: Path) -> str:
        return "student"

    def validate(self, student: str) -> ValidationResult:
        return ValidationResult(1.0, {"accuracy": 1.0})

    def next_inputs(self, *given: Any, **named: Any) -> list[dict[str, Any]]:
        return []


@pytest.fixture(autouse=True)
def _own_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_registered", {})
    synthkd.loop_task(OwnTask)


def test_a_recipe_names_the_task_and_its_options(tmp_path: Path) -> None:
    loop = Loop(loop_recipe(tmp_path, loop={"task": "own", "options": {"prompts": 5}}))
    assert isinstance(loop.task, OwnTask)
    assert loop.task.options.prompts == 5  # type: ignore[attr-defined]


def test_a_wrong_option_is_refused_with_its_bounds(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="loop task 'own': prompts: a whole number from 1 on"):
        Loop(loop_recipe(tmp_path, loop={"task": "own", "options": {"prompts": 0}}))


def test_a_task_of_the_package_takes_no_options(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="loop task 'labelled_text': no option 'prompts'"):
        Loop(loop_recipe(tmp_path, loop={"options": {"prompts": 2}}))


def test_an_unknown_task_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"unknown loop task 'owm' \(did you mean 'own'\?\)"):
        Loop(loop_recipe(tmp_path, loop={"task": "owm"}))


def test_the_rows_of_a_task_are_not_changed_by_the_loop(tmp_path: Path) -> None:
    loop = Loop(loop_recipe(tmp_path, loop={"task": "own"}))
    loop.rows += [{"text": "c", "label": "d"}]
    assert loop.task.row_facts()["start"]["rows"] == 1


def test_task_and_options_are_part_of_the_key_only_if_they_are_set(tmp_path: Path) -> None:
    facts = Loop(loop_recipe(tmp_path)).facts()["loop"]
    assert not {"task", "options"} & set(facts)
    assert Loop(loop_recipe(tmp_path, loop={"task": "own"})).facts()["loop"]["task"] == "own"
