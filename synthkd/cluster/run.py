"""Generate and filter a recipe on a cluster, into the folders that one machine would write."""

from __future__ import annotations

from functools import partial

from synthkd.cluster.engine import RayEngine
from synthkd.cluster.filtering import filter_by_tasks
from synthkd.errors import NothingBoughtError
from synthkd.journal import Journal
from synthkd.progress import Progress
from synthkd.stages.critic import Decision
from synthkd.stages.filtered_run import add_to_report, filter_run
from synthkd.stages.generate import GenerateReport
from synthkd.stages.lock import run_lock
from synthkd.stages.places import GENERATED
from synthkd.stages.plan import RunPlan
from synthkd.storage import write_json


def generate_and_filter(
    engine: RayEngine, plan: RunPlan, decision: Decision, quiet: bool, measure: bool
) -> GenerateReport:
    """Generate and filter what a plan has.

    Args:
        engine: The cluster.
        plan: The plan of the recipe.
        decision: The critic and its threshold.
        quiet: Show no progress.
        measure: Count the diversity of the rows that each stage leaves.

    Raises:
        NothingBoughtError: A cap left room for nothing.
    """
    recipe = plan.recipe
    with run_lock(recipe.work_dir), engine.session(recipe) as session:
        with (
            Journal(recipe.journal_path) as journal,
            Progress("generate", quiet) as progress,
        ):
            preview = plan.preview()
            for line in preview.warnings:
                progress.say(line)
            if not quiet and (recipe.votes is None or recipe.votes.adaptive is None):
                inputs = plan.inputs.count() if preview.inputs is None else preview.inputs
                progress.expect(inputs * plan.components.sampling.n)
            with journal.claim(recipe.name, progress.say):
                generated = session.generate(plan, journal, progress)
        write_json(recipe.work_dir / GENERATED, generated.as_dict())
        if generated.stopped and not (generated.cached or generated.completed):
            raise NothingBoughtError(f"{recipe.name}: nothing was bought: {generated.stopped}")
        with Progress("filter", quiet) as progress:
            filter_run(plan, decision, progress, elsewhere=partial(filter_by_tasks, session))
            if measure:
                add_to_report(plan, measure)
    decision.refuse()
    return generated
