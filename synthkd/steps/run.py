"""Run the steps of a recipe, one after the other, each on the rows that earlier ones accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from synthkd.corpora.write import PICTURE
from synthkd.errors import NothingBoughtError
from synthkd.keys import file_hash
from synthkd.recipe import Recipe
from synthkd.recipe.steps import INPUTS
from synthkd.reporting.diagram import Box, counts_in_words, steps_picture
from synthkd.stages.components import Components
from synthkd.stages.critic import Decision, decide
from synthkd.stages.generate import GenerateReport
from synthkd.stages.lock import run_lock
from synthkd.stages.places import REPORT, ReportShape, check_places
from synthkd.stages.plan import RunPlan, plan_run
from synthkd.steps.columns import resolve_steps, step_errors
from synthkd.steps.inputs import write_step_inputs
from synthkd.steps.lineage import LINEAGE, write_lineage
from synthkd.steps.outputs import check_finished
from synthkd.steps.recipes import step_names, step_of, step_recipe, step_sources
from synthkd.storage import read_json, write_text


class OverLimitError(Exception):
    """A step would ask for more completions than are left."""


class StepResult(Protocol):
    """The part of a run's result that steps read."""

    @property
    def generated(self) -> GenerateReport: ...


@dataclass(frozen=True)
class StepSummary:
    """The files and facts of all steps, which the last one's corpus gets.

    Attributes:
        steps: For each step its recipe's hash, kind, teacher, prompt, sources, counts and corpus.
        write: Writes the lineage and the picture into a folder, and returns their hashes.
    """

    steps: list[dict[str, Any]]
    write: Callable[[Path], dict[str, str]]


def run_steps(
    recipe: Recipe,
    run_one: Callable[[Recipe, Decision, StepSummary | None], StepResult],
    only: str | None = None,
    admit: Callable[[RunPlan], bool] | None = None,
) -> dict[str, Any]:
    """Run the steps of a recipe.

    Args:
        recipe: A recipe with steps.
        run_one: Runs the recipe of one step; with a summary if it is the last.
        only: Run this step alone, on what the earlier ones left.
        admit: Tells whether a step may ask for what its plan has.

    Returns:
        The result of each step by name; without those after a step that a cap ended.

    Raises:
        UserError: Anything in any step that cannot work; before the first request is sent.
        OverLimitError: ``admit`` refused a step.
    """
    names = step_names(recipe)
    chosen = names if only is None else [only]
    resolved = resolve_steps(recipe).components
    decisions = {name: _checked(name, resolved[name]) for name in chosen}
    results: dict[str, Any] = {}
    with run_lock(recipe.work_dir):
        if only is not None:
            for name in step_sources(recipe, only):
                if name != INPUTS:
                    check_finished(recipe, name)
        for name in chosen:
            write_step_inputs(recipe, name)
            summary = None
            if name == names[-1]:
                summary = summary_of(recipe)
            own = step_recipe(recipe, name)
            try:
                with step_errors(name):
                    if admit is not None and not admit(plan_run(own)):
                        raise OverLimitError
                    result = run_one(own, decisions[name], summary)
            except NothingBoughtError:
                if not results:
                    raise
                break
            results[name] = result
            if result.generated.stopped:
                # Later steps would be paid for rows that lack what this one did not get.
                break
    return results


def _checked(name: str, components: Components) -> Decision:
    """Check the places and the critic of a step."""
    with step_errors(name):
        check_places(components.recipe)
        decision = decide(components)
    decision.refuse()
    return decision


def summary_of(recipe: Recipe) -> StepSummary:
    """Return the summary of a recipe whose steps but the last are finished."""
    names = step_names(recipe)
    facts = [_facts(recipe, name) for name in names[:-1]]

    def write(folder: Path) -> dict[str, str]:
        write_lineage(recipe, folder / LINEAGE)
        write_text(folder / PICTURE, steps_svg(recipe))
        return {name: file_hash(folder / name) for name in (LINEAGE, PICTURE)}

    return StepSummary(facts, write)


def _facts(recipe: Recipe, name: str) -> dict[str, Any]:
    from synthkd.corpora.read import load_corpus

    manifest = load_corpus(step_recipe(recipe, name).corpus_path).manifest
    wanted = ("recipe_hash", "kind", "prompt", "teacher", "critic", "counts", "corpus_hash")
    facts = {key: manifest[key] for key in wanted}
    return {"step": name, "sources": step_sources(recipe, name), **facts}


def steps_svg(recipe: Recipe) -> str:
    """Draw the steps, which are filtered, with their counts, as SVG."""
    path = recipe.inputs.path
    named = f"{recipe.inputs.count:,} draws" if path is None else recipe.published(path, "path")
    boxes = [Box(INPUTS, named, ())]
    for name in step_names(recipe):
        report = read_json(step_recipe(recipe, name).work_dir / REPORT, ReportShape)
        about = f"{step_of(recipe, name).kind.name}: {counts_in_words(report['counts'])}"
        boxes.append(Box(name, about, tuple(step_sources(recipe, name))))
    return steps_picture(boxes)
