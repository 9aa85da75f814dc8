"""The runs of a round: their recipe, inputs and counts.

Each is an ordinary run in the round's folder.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthkd import pipeline
from synthkd.corpora.read import Corpus
from synthkd.errors import NoRowsError, NothingBoughtError, TeacherError
from synthkd.journal import Journal
from synthkd.keys import file_hash
from synthkd.loops.round_counts import empty_counts
from synthkd.loops.round_steps import asked_recipes, counts_of_steps, moved_seeds
from synthkd.loops.task import Row
from synthkd.recipe import InputsPart, Recipe
from synthkd.stages.places import REPORT, ReportShape
from synthkd.stages.plan import plan_run
from synthkd.storage import read_json, write_text

INPUTS = "inputs.jsonl"
#: A repeated request within a round moves the sampling seed on by this, beyond those of later
#: rounds.
_REPEAT_SEED = 1000


@dataclass(frozen=True)
class RoundRun:
    """The result of one run of a round.

    Attributes:
        counts: The counts of the run.
        stopped: The limit that ended the run early; "" if none did.
        corpus: The run's corpus; None if nothing was published.
    """

    folder: Path
    counts: Mapping[str, Any]
    stopped: str = ""
    corpus: Corpus | None = None

    @property
    def failed(self) -> bool:
        """True if every request failed."""
        return self.corpus is None and bool(self.counts.get("failed")) and not self.stopped


def round_recipe(
    recipe: Recipe, number: int, folder: Path, resample: bool = True, attempt: int = 0
) -> Recipe:
    """Return the recipe of a run of a round, with inputs and folders of its own.

    Name and journal stay the recipe's, so that limits count over all rounds.

    Args:
        recipe: The loop's recipe.
        number: Number of the round.
        folder: Folder of the run.
        resample: Move the sampling seed on, so that a prompt of an earlier round is answered anew.
        attempt: Number of the run within the round.
    """
    if resample:
        recipe = moved_seeds(recipe, number + _REPEAT_SEED * attempt)
    return recipe.with_parts(
        inputs=InputsPart(path=recipe.path_text(folder / INPUTS), count=None, id=None, limit=None),
        work=recipe.path_text(folder / "run"),
        corpus=recipe.corpus.model_copy(update={"path": recipe.path_text(folder / "corpus")}),
    )


def write_inputs(folder: Path, inputs: Sequence[Row]) -> str:
    """Write the inputs of a run. Returns the file's hash."""
    lines = [json.dumps(row, ensure_ascii=False) for row in inputs]
    write_text(folder / INPUTS, "\n".join(lines) + "\n")
    return file_hash(folder / INPUTS)


def read_inputs(folder: Path) -> list[Row]:
    """Read the inputs that `write_inputs` wrote."""
    lines = (folder / INPUTS).read_text("utf-8").split("\n")
    return [json.loads(line) for line in lines if line]


def run_round(recipe: Recipe, folder: Path, quiet: bool = True) -> RoundRun:
    """Run the recipe of a round.

    A run without any completion is no error: a limit was reached, or every request failed.

    Raises:
        TeacherError: If no request can ever be answered: the key is wrong, or no server answers.
    """
    try:
        result = pipeline.run(recipe, quiet, measure=False)
    except NoRowsError:
        # An earlier step accepted nothing.
        return RoundRun(folder, _counts(recipe))
    except NothingBoughtError:
        return RoundRun(folder, _counts(recipe), _stopped(recipe))
    except TeacherError as error:
        # Its subclasses mean that no request can ever be answered.
        if type(error) is not TeacherError:
            raise
        *earlier, failed = _begun(recipe)
        failures = _failures(failed)
        number = sum(failures.values())
        counts = {**empty_counts(), "asked": number, "failed": number, "failures": failures}
        if earlier:
            counts = counts_of_steps([*map(_report_counts, earlier), counts])
        return RoundRun(folder, counts, _stopped(recipe))
    if result.steps_left:
        return RoundRun(folder, _counts(recipe), _stopped(recipe))
    return RoundRun(folder, _counts(recipe), result.generated.stopped, result.corpus)


def _begun(recipe: Recipe) -> list[Recipe]:
    """Return the recipes of the steps that asked for anything, in order."""
    return [one for one in asked_recipes(recipe) if (one.work_dir / pipeline.GENERATED).is_file()]


def _stopped(recipe: Recipe) -> str:
    """Return the limit that ended the last step that asked for anything."""
    return str(read_json(_begun(recipe)[-1].work_dir / pipeline.GENERATED)["stopped"])


def _report_counts(recipe: Recipe) -> dict[str, Any]:
    counts: dict[str, Any] = read_json(recipe.work_dir / REPORT, ReportShape)["counts"]
    return counts


def _counts(recipe: Recipe) -> dict[str, Any]:
    """Return the counts of a run of all steps; of those that were filtered, if some were not."""
    recipes = asked_recipes(recipe)
    counts = [_report_counts(one) for one in recipes if (one.work_dir / REPORT).is_file()]
    if len(counts) < len(recipes):
        counts.append(empty_counts())
    return counts[0] if len(recipes) == 1 else counts_of_steps(counts)


def _failures(recipe: Recipe) -> dict[str, int]:
    """Count failures by reason from the journal, which has those of earlier processes too."""
    plan = plan_run(recipe)
    reasons: Counter[str] = Counter()
    with Journal(recipe.journal_path, must_exist=True) as journal:
        for batch in plan.batches():
            failures = journal.failures([one.request.request_id for one in batch])
            reasons.update(
                failure.reason for each in failures.values() for failure in each.values()
            )
    return dict(sorted(reasons.items()))
