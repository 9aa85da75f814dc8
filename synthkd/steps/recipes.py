"""The recipe of a step: an ordinary recipe with inputs and folders of its own."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from synthkd.errors import RecipeError, nearest
from synthkd.recipe import InputsPart, Recipe, TeacherPart
from synthkd.recipe.steps import INPUTS, StepInputsPart, StepPart
from synthkd.recipe.validation_errors import explain
from synthkd.stages.places import STEP_CORPUS, STEP_INPUTS, STEPS


def step_names(recipe: Recipe) -> list[str]:
    """List the steps in order."""
    return list(recipe.steps or {})


def step_of(recipe: Recipe, name: str) -> StepPart:
    """Return a step.

    Raises:
        RecipeError: The recipe has no such step.
    """
    if name not in (recipe.steps or {}):
        raise RecipeError(
            f"recipe {recipe.name!r} has no step {name!r}{nearest(name, step_names(recipe))}"
        )
    return (recipe.steps or {})[name]


def step_folder(recipe: Recipe, name: str) -> Path:
    """Return the folder of a step: its inputs and its run."""
    return recipe.work_dir / STEPS / name


def step_inputs(recipe: Recipe, name: str) -> StepInputsPart | None:
    """Return where a step's rows come from; None for the recipe's own inputs as they are."""
    step = step_of(recipe, name)
    if step.inputs is not None:
        plain = step.inputs.source == [INPUTS] and not step.inputs.apply
        return None if plain else step.inputs
    place = step_names(recipe).index(name)
    return StepInputsPart(source=[step_names(recipe)[place - 1]]) if place else None


def step_sources(recipe: Recipe, name: str) -> list[str]:
    """Return the steps whose rows a step reads, joined ones included; `inputs` among them."""
    part = step_inputs(recipe, name)
    return [INPUTS] if part is None else part.sources


def step_recipe(recipe: Recipe, name: str) -> Recipe:
    """Return the recipe of a step.

    Name, journal and limits stay the recipe's, so that a budget counts over all steps. The last
    step writes the recipe's corpus.

    Raises:
        RecipeError: The recipe has no such step, or the step's teacher does not fit.
    """
    step = step_of(recipe, name)
    folder = step_folder(recipe, name)
    inputs = recipe.inputs
    if step_inputs(recipe, name) is not None:
        inputs = InputsPart(path=recipe.path_text(folder / STEP_INPUTS), count=None, limit=None)
    corpus = recipe.corpus
    if name != step_names(recipe)[-1]:
        # What its rows show of the inputs, the last step alone may have.
        own_path = recipe.path_text(folder / STEP_CORPUS)
        corpus = corpus.model_copy(
            update={"path": own_path, "input_columns": [], "normal_forms": False}
        )
    return recipe.with_parts(
        steps=None,
        target=None,
        inputs=inputs,
        kind=step.kind,
        prompt=step.prompt,
        teacher=step_teacher(recipe, name),
        rules=step.rules,
        votes=step.votes,
        critic=step.critic,
        corpus=corpus,
        work=recipe.path_text(folder),
    )


def step_teacher(recipe: Recipe, name: str) -> TeacherPart:
    """Return the recipe's teacher with the keys of a step.

    Raises:
        RecipeError: The step's keys do not fit.
    """
    own = step_of(recipe, name).teacher
    if own is None:
        return recipe.teacher
    merged = dict(own)
    if "backend" not in own:
        shared = recipe.teacher.model_dump(
            mode="json", exclude_unset=True, context={"reveal": True}
        )
        merged = {**shared, **own}
        for key in ("sampling", "options"):
            if isinstance(shared.get(key), dict) and isinstance(own.get(key), dict):
                merged[key] = {**shared[key], **own[key]}
    try:
        return TeacherPart.model_validate(merged)
    except ValidationError as error:
        raise RecipeError(explain(error, TeacherPart, f"steps.{name}.teacher")) from None
