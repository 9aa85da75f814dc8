"""Which task a loop has, by the kind of its recipe."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from synthkd.errors import RecipeError, nearest
from synthkd.loops.task import LoopTask
from synthkd.recipe import Recipe

#: Kind -> module and class of its task.
TASKS = {
    "labelled_text": ("synthkd.loops.labelled.task", "LabelledTextTask"),
    "triple": ("synthkd.loops.triples.task", "TripleTask"),
}


def task_of(recipe: Recipe) -> LoopTask[Any]:
    """The recipe's task, with its rows read and checked. Raises `RecipeError` for a kind without one."""
    if recipe.kind.name not in TASKS:
        raise RecipeError(
            f"loop: none for the kind {recipe.kind.name!r}{nearest(recipe.kind.name, list(TASKS))}"
        )
    module, name = TASKS[recipe.kind.name]
    task: LoopTask[Any] = getattr(import_module(module), name)(recipe)
    return task
