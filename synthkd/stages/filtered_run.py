"""Filter a run into its folder, and write the report that `publish` reads."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from synthkd.corpora.diversity import stage_diversity
from synthkd.journal import Journal
from synthkd.keys import file_hash
from synthkd.progress import Progress
from synthkd.recipe import Recipe
from synthkd.rows import text_files
from synthkd.stages.critic import Decision
from synthkd.stages.filter import filter_candidates
from synthkd.stages.filter_report import FilterReport
from synthkd.stages.places import FILTERED_ROWS, REPORT, ReportShape, claim_work
from synthkd.stages.plan import RunPlan
from synthkd.storage import read_json, write_json

#: Filters like `filter_candidates`, elsewhere: plan, journal, decision, folder and progress.
FilterRows = Callable[[RunPlan, Journal, Decision, Path, Progress], FilterReport]


def filter_run(
    plan: RunPlan,
    decision: Decision,
    progress: Progress,
    workers: int = 1,
    journal: Journal | None = None,
    elsewhere: FilterRows | None = None,
) -> dict[str, Any]:
    """Filter what the plan selects.

    Args:
        plan: What is filtered.
        decision: The critic and its threshold.
        progress: What is shown.
        workers: Number of processes.
        journal: The recipe's journal, if it is open: the checks of a second opening would release
            the locks of the first.
        elsewhere: Filters in place of this machine's processes.

    Returns:
        The report, without the diversity.

    Raises:
        InputError: No completion of the recipe is in the journal.
        TeacherError: All requests of the recipe failed.
    """
    recipe = plan.recipe
    claim_work(recipe.work_dir)
    folder = recipe.work_dir / FILTERED_ROWS
    opened = nullcontext(journal) if journal else Journal(recipe.journal_path, must_exist=True)
    with opened as journal:
        if elsewhere is None:
            counts = filter_candidates(plan, journal, decision, folder, progress, workers)
        else:
            counts = elsewhere(plan, journal, decision, folder, progress)
    decision.look_for_shift(plan.kind)
    report = {
        "counts": counts.as_dict(),
        "diversity": {},
        "critic": decision.record,
        "recipe_hash": recipe.fingerprint(),
        "inputs": input_hashes(recipe),
    }
    write_json(recipe.work_dir / REPORT, report)
    return report


def add_to_report(plan: RunPlan, measure: bool, **parts: Any) -> dict[str, Any]:
    """Add the diversity of the filtered rows, if asked for, and further parts to the report."""
    work = plan.recipe.work_dir
    report: dict[str, Any] = read_json(work / REPORT, ReportShape) | parts
    if measure:
        report["diversity"] = stage_diversity(work / FILTERED_ROWS, plan.kind)
    if parts or measure:
        write_json(work / REPORT, report)
    return report


def input_hashes(recipe: Recipe) -> dict[str, Any]:
    """Return the hashes of the input files."""
    if recipe.inputs.path is None:
        return {"count": recipe.inputs.count}
    path = recipe.resolve(recipe.inputs.path)
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        return {
            "files": {
                file.relative_to(path).as_posix(): file_hash(file) for file in text_files(path)
            }
        }
    return {"files": {file.name: file_hash(file) for file in files}}
