"""A loop over a recipe with steps: each round runs all of them, and the last one's rows are its.

The task of the loop sees the recipe of the last step, whose prompt and rules it may change; the
inputs of a round are those of the first step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthkd.corpora.write import PICTURE
from synthkd.keys import file_hash
from synthkd.loops.round_counts import total_counts
from synthkd.recipe import Recipe
from synthkd.recipe.steps import INPUTS, StepPart
from synthkd.reporting.diagram import Box, counts_in_words, steps_picture
from synthkd.steps import step_names, step_recipe
from synthkd.steps.lineage import LINEAGE, join_lineages
from synthkd.steps.recipes import step_of, step_sources, step_teacher
from synthkd.storage import write_text

#: Parts that the recipe of a step has of the step.
_OF_STEP = ("kind", "prompt", "rules", "votes", "critic")
#: Counts of a round that are those of its last step alone; the others are sums over all steps.
_OF_LAST = frozenset({"candidates", "accepted", "rejected"})


def task_recipe(recipe: Recipe) -> Recipe:
    """Return the recipe as a task sees it: of a recipe with steps, with the last step's parts."""
    if recipe.steps is None:
        return recipe
    name = step_names(recipe)[-1]
    step = step_of(recipe, name)
    own = {part: getattr(step, part) for part in _OF_STEP}
    return recipe.with_parts(
        steps=None, teacher=step_teacher(recipe, name), follows_steps=True, **own
    )


def with_task_parts(recipe: Recipe, prepared: Recipe) -> Recipe:
    """Return the recipe of a round with what its task prepared.

    Args:
        recipe: The recipe of the round.
        prepared: Its `task_recipe` as the task changed it.
    """
    if recipe.steps is None:
        return prepared
    name = step_names(recipe)[-1]
    parts: dict[str, Any] = {part: getattr(prepared, part) for part in _OF_STEP}
    parts["teacher"] = prepared.teacher.model_dump(
        mode="json", exclude_unset=True, context={"reveal": True}
    )
    last = step_of(recipe, name).model_copy(update=parts)
    whole = {part: getattr(recipe, part) for part in _OF_STEP}
    return prepared.with_parts(
        steps={**recipe.steps, name: last}, teacher=recipe.teacher, follows_steps=False, **whole
    )


def moved_seeds(recipe: Recipe, by: int) -> Recipe:
    """Return a recipe whose sampling seeds, those of steps included, are moved on."""
    sampling = recipe.teacher.sampling
    if sampling.seed is not None:
        sampling = sampling.model_copy(update={"seed": sampling.seed + by})
    teacher = recipe.teacher.model_copy(update={"sampling": sampling})
    if recipe.steps is None:
        return recipe.with_parts(teacher=teacher)
    steps = {name: _moved_seed(step, by) for name, step in recipe.steps.items()}
    return recipe.with_parts(teacher=teacher, steps=steps)


def _moved_seed(step: StepPart, by: int) -> StepPart:
    sampling = (step.teacher or {}).get("sampling")
    if not isinstance(sampling, dict) or not isinstance(sampling.get("seed"), int):
        return step
    moved = {**sampling, "seed": sampling["seed"] + by}
    return step.model_copy(update={"teacher": {**(step.teacher or {}), "sampling": moved}})


def asked_recipes(recipe: Recipe) -> list[Recipe]:
    """Return the recipe of each step; the recipe itself if it has none."""
    if recipe.steps is None:
        return [recipe]
    return [step_recipe(recipe, name) for name in step_names(recipe)]


def counts_of_steps(counts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the counts of a round from those of its steps, the last one's last."""
    earlier = [
        {name: value for name, value in one.items() if name not in _OF_LAST} for one in counts[:-1]
    ]
    return total_counts([*earlier, *counts[-1:]])


def joined_steps(
    recipe: Recipe, manifests: Sequence[Mapping[str, Any]], folders: Sequence[Path]
) -> tuple[list[dict[str, Any]], Callable[[Path], dict[str, str]]]:
    """Return the facts of the earlier steps over all rounds, and what writes their files.

    Args:
        recipe: The loop's recipe, with steps.
        manifests: Manifests of the corpora of rounds.
        folders: Folders of these corpora.
    """
    facts = []
    for number, last in enumerate(manifests[-1]["steps"]):
        counts = total_counts([one["steps"][number]["counts"] for one in manifests])
        facts.append({**last, "counts": counts})
    counts = total_counts([one["counts"] for one in manifests])

    def write(folder: Path) -> dict[str, str]:
        join_lineages([one / LINEAGE for one in folders], folder / LINEAGE)
        boxes = [Box(INPUTS, f"inputs of {len(folders):,} runs of rounds", ())]
        for name, one in zip(step_names(recipe), [*facts, {"counts": counts}], strict=True):
            step = step_of(recipe, name)
            about = f"{step.kind.name}: {counts_in_words(one['counts'])}"
            boxes.append(Box(name, about, tuple(step_sources(recipe, name))))
        write_text(folder / PICTURE, steps_picture(boxes))
        return {name: file_hash(folder / name) for name in (LINEAGE, PICTURE)}

    return facts, write
