"""Recipes as Python gives them: a mapping or a path, with rows, rules and critics in memory.

`given_recipe` makes of them a recipe that the stages, and worker processes, can read: rows and
critics are written into the folder of the run, functions get names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd.errors import RecipeError, SynthKDError
from synthkd.recipe import Recipe, RuleChoice
from synthkd.recipe.recipe import GIVEN_INPUTS
from synthkd.rows import RowSource, rows_in_file, source_rows, write_given_rows
from synthkd.stages.places import claim_work
from synthkd.storage import replaced_file

if TYPE_CHECKING:
    from synthkd.critics.of_rows import Critic

#: A recipe as Python gives it.
AnyRecipe = Recipe | Mapping[str, Any] | str | Path
#: Folder of a critic that was given in memory, within the folder of the run.
_CRITIC = "critic"


def given_recipe(
    recipe: AnyRecipe,
    *,
    inputs: RowSource | None = None,
    teacher: str | Mapping[str, Any] | None = None,
    rules: Sequence[RuleChoice] | None = None,
    critic: Critic | str | Path | Mapping[str, Any] | None = None,
    precision: float | None = None,
    budget: float | None = None,
    limit: int | None = None,
    target: int | Mapping[str, Any] | None = None,
) -> Recipe:
    """Return a recipe with what was given beside it; writes no file but that of a critic.

    Args:
        recipe: A recipe, its keys as a mapping, or the path of its file.
        inputs: Rows in place of the recipe's.
        teacher: Another model for the teacher, or keys of `teacher` that differ from the recipe's.
        rules: Rules in place of the recipe's.
        critic: A critic in place of the recipe's.
        precision: Target precision of the critic.
        budget: Dollars that the run may cost, over all its resumptions.
        limit: Inputs that are read: a sample by hash.
        target: Accepted rows that are wanted, or the keys of `target` in a recipe.

    Raises:
        RecipeError: A key or value is wrong.
    """
    if isinstance(inputs, Mapping):
        next(source_rows(inputs, "inputs"))  # Refused: one row, or columns.
    if isinstance(recipe, Mapping) and inputs is not None:
        own = recipe.get("inputs")
        if own is None:
            recipe, inputs = {**recipe, "inputs": inputs}, None
    recipe = Recipe.of(recipe)
    if inputs is not None:
        recipe = recipe.with_inputs(inputs)
    if teacher is not None:
        values = {"model": teacher} if isinstance(teacher, str) else teacher
        recipe = recipe.with_values("teacher", **values)
    if rules is not None:
        _refuse_for_steps(recipe, "rules")
        recipe = recipe.with_rules(rules)
    if critic is not None:
        _refuse_for_steps(recipe, "critic")
        recipe = _with_critic(recipe, critic)
    if precision is not None:
        if recipe.critic is None:
            raise RecipeError(
                "precision: a target precision is kept by a critic, and the recipe has none; give"
                " critic=… (a trained one, its folder, or {'labels': path})"
            )
        recipe = recipe.with_values("critic", precision=precision)
    if budget is not None:
        recipe = recipe.with_values("limits", dollars=budget)
    if limit is not None:
        recipe = recipe.with_values("inputs", limit=limit)
    if target is not None:
        wanted = target if isinstance(target, Mapping) else {"accepted": target}
        recipe = recipe.with_values("target", **wanted)
    return recipe


def _refuse_for_steps(recipe: Recipe, part: str) -> None:
    if recipe.steps is not None:
        raise RecipeError(f"{part}: a recipe with `steps` has {part} in its steps alone")


def _with_critic(recipe: Recipe, critic: Any) -> Recipe:
    """Return the recipe with a critic; one in memory is saved in the folder of the run."""
    precision = {} if recipe.critic is None else {"precision": recipe.critic.precision}
    if isinstance(critic, Mapping):
        return recipe.with_parts(critic=None).with_values("critic", **{**precision, **critic})
    if isinstance(critic, str | os.PathLike):
        path = os.fspath(critic)
    elif hasattr(critic, "save") and hasattr(critic, "threshold"):
        claim_work(recipe.work_dir)
        path = str(critic.save(recipe.work_dir / _CRITIC))
    else:
        raise RecipeError(
            f"critic: a value of the type {type(critic).__name__} is none; give a synthkd.Critic,"
            " the folder of one, or {'labels': path}"
        )
    return recipe.with_parts(critic=None).with_values("critic", **precision, path=path)


@contextmanager
def rows_written(recipe: Recipe, keep: bool = True) -> Iterator[Recipe]:
    """Yield a recipe whose inputs are a file: rows in memory are written to one.

    Errors about that file call it `inputs`.

    Args:
        recipe: The recipe.
        keep: Write into the folder of the run; else into a temporary folder, for a look ahead.
    """
    rows = recipe.given_rows
    if rows is None:
        yield recipe
        return
    if not keep:
        with rows_in_file(rows, "inputs") as path:
            yield recipe.with_inputs(path)
        return
    claim_work(recipe.work_dir)
    path = recipe.work_dir / GIVEN_INPUTS
    with replaced_file(path) as temporary:
        write_given_rows(rows, temporary, "inputs")
    shown = recipe.path_text(path)
    try:
        yield recipe.with_inputs(shown)
    except SynthKDError as error:
        error.args = tuple(
            one.replace(str(path), "inputs").replace(shown, "inputs")
            if isinstance(one, str)
            else one
            for one in error.args
        )
        raise
