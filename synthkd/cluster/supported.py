"""Refuse recipes that a cluster cannot run, before anything is bought."""

from __future__ import annotations

from synthkd import plugins
from synthkd.errors import RecipeError
from synthkd.recipe import Recipe
from synthkd.stages.filter_processes import why_one_process
from synthkd.stages.plan import RunPlan


def check_supported(recipe: Recipe) -> None:
    """Refuse a recipe that cannot run on a cluster.

    Raises:
        RecipeError: What cannot be done, and what to do instead.
    """
    if recipe.target is not None:
        raise RecipeError(
            "--engine ray: `target` asks in rounds that one machine decides; leave --engine out, or"
            " set teacher.sampling.n and leave `target` out"
        )
    backend = plugins.find("backends", recipe.teacher.backend, recipe.folder)
    if backend.keeps_batches:
        raise RecipeError(
            f"--engine ray: backend {recipe.teacher.backend!r} hands all work to the provider, so"
            " several machines gain nothing; leave --engine out"
        )


def check_plan(plan: RunPlan) -> None:
    """Refuse a plan whose rows cannot be filtered in parts.

    Raises:
        RecipeError: A rule of one process alone, and what to do instead.
    """
    if why := why_one_process(plan):
        raise RecipeError(
            f"--engine ray: {why}; leave --engine out, or leave the rule out and apply it to the"
            " corpus afterwards"
        )
