"""The loop that a student steers (PGKD, Di Palo et al. 2024, arXiv 2411.05045).

Each round requests what the last student lacks, adds the accepted rows, and trains a new student:

    round 0: rows to begin with ─► train, validate
    round n: errors of the student ─► inputs ─► [a run] ─► add accepted rows ─► train, validate

A loop that was killed at any point continues with the same command, buys nothing twice and produces
the same files.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthkd import plugins
from synthkd.corpora.read import load_corpus
from synthkd.errors import (
    Interrupted,
    RecipeError,
    StorageError,
    StudentError,
    SynthKDError,
    TeacherError,
    TrainingError,
    nearest,
)
from synthkd.keys import content_hash
from synthkd.loops.named_files import named_files
from synthkd.loops.outputs import check_output_files, write_results
from synthkd.loops.result import DistillResult, loop_result
from synthkd.loops.round_counts import total_counts
from synthkd.loops.round_folders import begin_round, check_round_folders, round_folder_kind
from synthkd.loops.round_run import (
    RoundRun,
    read_inputs,
    round_recipe,
    run_round,
    write_inputs,
)
from synthkd.loops.round_steps import asked_recipes, task_recipe, with_task_parts
from synthkd.loops.rounds import (
    RECORD,
    SECONDS,
    STUDENT,
    Round,
    best_round,
    failed_rounds,
    folder_hash,
    read_round,
    reopen,
    round_folder,
    round_key,
    rounds_since_best,
    write_record,
)
from synthkd.loops.summary import round_line
from synthkd.loops.task import LoopTask, Row, ValidationResult
from synthkd.recipe import Recipe
from synthkd.reporting.safe_text import clean
from synthkd.stages.given import AnyRecipe, rows_written
from synthkd.stages.lock import run_lock
from synthkd.stages.places import check_places
from synthkd.storage import clear_leftovers, read_json, remove_folder, write_json

#: Runs of round 0, until every class has enough rows to train on.
ATTEMPTS = 3
#: Consecutive rounds whose requests all failed, after which the loop ends.
_FAILED_ROUNDS = 2


def distill(recipe: AnyRecipe, quiet: bool = False) -> DistillResult:
    """Run the loop of a recipe, or continue it.

    The best student is copied to `Recipe.student_path`, the corpus of all rows to `corpus.path`,
    and the report to the working folder. A limit that is reached ends the loop without an error.

    Args:
        recipe: A recipe with a `loop`, its keys as a mapping, or the path of its file.
        quiet: Print no progress.

    Raises:
        TrainingError, StudentError, TeacherError: If the loop ended early. If there is a good
            round, its
            student is kept, and the message names it.

    Example:
        >>> import synthkd
        >>> path = synthkd.write_starter("loop", "pgkd")
        >>> recipe = synthkd.Recipe.load(path, ["loop.rounds=1", "loop.rows=24"])
        >>> print(synthkd.distill(recipe, quiet=True))
        round ...
    """
    with rows_written(Recipe.of(recipe)) as whole:
        loop = Loop(whole, quiet)
        with run_lock(whole.work_dir):
            return loop.run()


def loop_task(recipe: Recipe) -> LoopTask[Any]:
    """Return the task that the recipe names, or its kind's, with its rows read and checked.

    Raises:
        RecipeError: If there is no such task, or none for the kind.
    """
    name = recipe.loop.task if recipe.loop else None
    if name is None:
        name = plugins.find("kinds", recipe.kind.name, recipe.folder).name
        if name not in (names := plugins.names("loop_tasks")):
            raise RecipeError(
                f"loop: no task for the kind {name!r}{nearest(name, names)}; `loop.task` names one"
                " of your own"
            )
    task: LoopTask[Any] = plugins.find("loop_tasks", name, recipe.folder)(recipe)
    return task


class Loop:
    """One loop. The constructor reads and checks everything; it sends nothing."""

    def __init__(self, recipe: Recipe, quiet: bool = False) -> None:
        if recipe.loop is None:
            raise RecipeError(
                f"recipe {recipe.name!r} has no `loop`; docs/guides/pgkd.md begins with one"
            )
        if recipe.target is not None:
            raise RecipeError(
                "target: a loop itself decides how many rows each round asks for; leave `target`"
                " out, or use `synthkd run`"
            )
        self.recipe, self.part, self.quiet = recipe, recipe.loop, quiet
        check_places(recipe, student=True)
        check_output_files(recipe.work_dir)
        self.task = loop_task(task_recipe(recipe))
        self.folder_kind = round_folder_kind(self.task.round_files)
        check_round_folders(recipe, self.folder_kind)
        self.settings = content_hash(self.facts())
        self.rows: list[Row] = list(self.task.initial_rows())
        self.inputs: list[Row] = []
        self.rounds: list[Round] = []
        #: Folder, student and figures of the last student that this process trained or loaded.
        self._student: tuple[Path, Any, ValidationResult] | None = None

    def facts(self) -> dict[str, Any]:
        """Return everything that determines the rounds; not their number, nor when to stop."""
        loop = self.part.model_dump(mode="json", exclude={"rounds", "patience"})
        # Absent from the key unless they are set.
        loop = {k: v for k, v in loop.items() if v or k not in ("task", "options")}
        student = (
            self.recipe.student.model_dump(mode="json", exclude={"path"})
            if self.recipe.student
            else {}
        )
        return {
            "recipe": self.recipe.record(),
            "student": self.recipe.published(student),
            "loop": self.recipe.published(loop),
            "rows": self.task.row_facts(),
            "teacher": self._teachers(),
            "named": named_files(self.recipe),
        }

    def _teachers(self) -> str | list[str]:
        """Return the identity of the teacher; of each step's, if there are steps."""
        identities = []
        for own in asked_recipes(self.recipe):
            backend = plugins.find("backends", own.teacher.backend, own.folder)
            identities.append(own.published_identity(backend.from_recipe(own).identity))
        return identities[0] if self.recipe.steps is None else identities

    def sizes(self) -> str:
        """Return the sizes of the loop's sets of rows, in words."""
        return ", ".join(
            f"{name} {facts['rows']:,} rows"
            for name, facts in self.task.row_facts().items()
            if isinstance(facts, dict) and "rows" in facts
        )

    def run(self) -> DistillResult:
        """Do all rounds that are not done yet, and write the results."""
        for line in (self.sizes(), *self.task.notices):
            self.say(line)
        ended, problem = "", None
        try:
            ended = self._rounds()
        except Interrupted:
            raise
        except SynthKDError as error:
            if not self.rounds:
                raise
            ended, problem = str(error), error
        result = self._finish(ended)
        if problem is not None:
            problem.args = (
                f"{ended}; round {result.best} is the best so far; its student is kept in"
                f" {self.recipe.student_path}",
            )
            raise problem
        return result

    def _rounds(self) -> str:
        """Do the rounds. Returns why they ended."""
        for number in range(self.part.rounds + 1):
            one = self._round(number)
            if one is None:
                return "there was nothing more to ask for"
            self.rounds.append(one)
            self.rows += one.rows
            self.inputs += one.inputs
            if one.record["stopped"]:
                return str(one.record["stopped"])
            if failed_rounds(self.rounds) >= _FAILED_ROUNDS:
                reasons = ", ".join(
                    f"{name} {count:,}" for name, count in one.record["counts"]["failures"].items()
                )
                # The cause may be removed: the next run repeats these rounds.
                for place in range(-1, -1 - _FAILED_ROUNDS, -1):
                    self.rounds[place] = reopen(self.rounds[place])
                raise TeacherError(
                    f"all requests of {_FAILED_ROUNDS} rounds in a row failed ({reasons}); `synthkd"
                    " journal list JOURNAL --table failures` shows what was said"
                )
            if number and rounds_since_best(self.rounds) >= self.part.patience:
                return f"{self.part.patience} rounds without a better one"
        return f"all {self.part.rounds} rounds are done"

    def _round(self, number: int) -> Round | None:
        """Read a round if it is done, else do it. Returns None if there is nothing to ask for."""
        folder = round_folder(self.recipe, number)
        key = round_key(self.settings, number, self.rounds[-1].hash if self.rounds else "")
        if (record := read_round(folder, key)) is not None:
            runs = [
                RoundRun(folder, {}, corpus=load_corpus(folder / name))
                for name in record["corpora"]
            ]
            inputs = [row for name in record["runs"] for row in read_inputs(folder / name)]
            one = Round(folder, record, self._accepted(runs), inputs)
        else:
            # Its completions, if any, are in the journal.
            begin_round(folder, self.folder_kind)
            start = time.monotonic()
            begun = self._request(folder, number)
            if begun is None:
                remove_folder(folder, self.folder_kind)
                return None
            one = self._learn(folder, {"round": number, "key": key}, *begun, start)
        self.say(round_line(one, self.rounds))
        return one

    def _request(self, folder: Path, number: int) -> tuple[list[Row], list[RoundRun]] | None:
        """Return the inputs and runs of a round; None if there is nothing to ask for."""
        if number == 0:
            return self._request_initial(folder)
        student, result = self._last_student()
        records = [one.record for one in self.rounds]
        inputs = self.task.next_inputs(number, student, result, self.rows, self.inputs, records)
        return (inputs, [self._run(number, folder, inputs, self.rows)]) if inputs else None

    def _request_initial(self, folder: Path) -> tuple[list[Row], list[RoundRun]]:
        """Do the runs of round 0, until a student can be trained."""
        inputs: list[Row] = []
        runs: list[RoundRun] = []
        for attempt in range(ATTEMPTS):
            rows = self.rows + self._accepted(runs)
            if not (more := self.task.initial_inputs(rows, attempt, inputs)):
                break
            inputs += more
            place = folder / f"again-{attempt}" if attempt else folder
            runs.append(self._run(0, place, more, rows, attempt))
            if runs[-1].stopped:
                break
        if problem := self.task.training_problem(self.rows + self._accepted(runs)):
            stopped = f"; {runs[-1].stopped}" if runs and runs[-1].stopped else ""
            raise StudentError(f"no student can be trained: {problem}{stopped}")
        return inputs, runs

    def _run(
        self,
        number: int,
        folder: Path,
        inputs: list[Row],
        rows: Sequence[Row],
        attempt: int = 0,
    ) -> RoundRun:
        self.task.check_inputs(inputs)
        write_inputs(folder, inputs)
        recipe = round_recipe(self.recipe, number, folder, self.task.resamples, attempt)
        prepared = self.task.prepare_recipe(task_recipe(recipe), folder, rows)
        recipe = with_task_parts(recipe, prepared)
        return run_round(recipe, folder, self.quiet or not sys.stderr.isatty())

    def _accepted(self, runs: Sequence[RoundRun]) -> list[Row]:
        return [
            row for run in runs if run.corpus is not None for row in self.task.read_rows(run.corpus)
        ]

    def _last_student(self) -> tuple[Any, ValidationResult]:
        """Return the last round's student and its figures."""
        folder = self.rounds[-1].student
        if self._student is None or self._student[0] != folder:
            student = self.task.load(folder)
            self._student = folder, student, self.task.validate(student)
        return self._student[1:]

    def _learn(
        self,
        folder: Path,
        head: dict[str, Any],
        inputs: list[Row],
        runs: list[RoundRun],
        start: float,
    ) -> Round:
        """Train on all rows, validate, and write the record.

        A round without new rows keeps the student of the round before it.
        """
        rows = self._accepted(runs)
        if rows or not self.rounds:
            place = folder / STUDENT
            student = self.task.train([*self.rows, *rows], place)
            self._student = place, student, self.task.validate(student)
        _, result = self._student[1:] if self._student else self._last_student()
        if not math.isfinite(result.score):
            raise TrainingError(
                f"round {head['round']}: the student's figure on validation is no number"
            )
        place = self._student[0] if self._student else self.rounds[-1].student
        stopped = next((run.stopped for run in runs if run.stopped), "")
        write_json(folder / SECONDS, round(time.monotonic() - start, 3))
        # The record is the last file of a round.
        record = write_record(
            folder,
            {
                **head,
                "wanted": self.task.requested_rows(inputs),
                "runs": [run.folder.relative_to(folder).as_posix() for run in runs],
                "inputs": content_hash(inputs),
                "counts": total_counts([run.counts for run in runs]),
                "refused": bool(runs) and all(run.failed for run in runs),
                "stopped": stopped,
                "complete": not stopped,
                "corpora": {
                    run.folder.relative_to(folder).joinpath("corpus").as_posix(): run.corpus.hash
                    for run in runs
                    if run.corpus is not None
                },
                "added": len(rows),
                "rows": len(self.rows) + len(rows),
                "set_aside": len(self.task.excluded_ids(place)),
                "student": place.relative_to(folder.parent).as_posix(),
                "student_hash": folder_hash(place),
                "figures": {
                    "score": result.score,
                    "shown": dict(result.metrics),
                    "details": dict(result.details),
                },
                "facts": self.task.round_facts(inputs, rows),
            },
        )
        return Round(folder, record, rows, inputs)

    def _finish(self, ended: str) -> DistillResult:
        self._remove_foreign_rounds()
        clear_leftovers(self.recipe.work_dir)
        best = best_round(self.rounds)
        write_results(self.recipe, self.task, self.facts(), self.rounds, best, ended)
        return loop_result(self.recipe, self.task, self.rounds, best, ended)

    def _remove_foreign_rounds(self) -> None:
        """Remove rounds after the last one that belong to another recipe."""
        previous = self.rounds[-1].hash
        number = self.rounds[-1].number + 1
        same = True
        while (folder := round_folder(self.recipe, number)).is_dir():
            key = round_key(self.settings, number, previous)
            try:
                record = read_json(folder / RECORD)
                same, previous = same and record["key"] == key, record["hash"]
            except (StorageError, KeyError, TypeError):
                same = False
            if not same:
                remove_folder(folder, self.folder_kind)
                self.say(
                    f"{folder}: a round of an earlier recipe, removed; its answers are in the"
                    " journal"
                )
            number += 1

    def say(self, line: str) -> None:
        """Print a line of progress."""
        if line and not self.quiet:
            print(clean(line), file=sys.stderr, flush=True)
