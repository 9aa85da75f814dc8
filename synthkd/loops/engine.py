"""The loop: each round asks for what the last student lacks, adds what is accepted, and trains again (PGKD, Di Palo et al.
2024, arXiv 2411.05045).

    round 0: what is missing to begin ─► train, validate
    round n: the student's errors ─► inputs ─► [an ordinary run] ─► accepted rows are added ─► train, validate

Kill it anywhere: the same command goes on, buys nothing twice and comes to the same files.
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
)  # fmt: skip
from synthkd.keys import content_hash
from synthkd.loops import rounds as store
from synthkd.loops.final import check_output_files, write_results
from synthkd.loops.named_files import named_files
from synthkd.loops.result import DistillResult, loop_result
from synthkd.loops.rounds import Round, RoundRun, best_round, failed_rounds, rounds_since_best
from synthkd.loops.summary import round_line
from synthkd.loops.task import LoopTask, Row, ValidationResult
from synthkd.loops.tasks import task_of
from synthkd.recipe import Recipe
from synthkd.reporting.safe_text import clean
from synthkd.stages.lock import run_lock
from synthkd.stages.places import check_places
from synthkd.storage import clear_leftovers, read_json, remove_folder, write_json

#: Askings of round 0, until every class has enough rows to begin with.
ATTEMPTS = 3
#: Rounds in a row of which no request was answered, after which the loop ends.
_REFUSED = 2
#: Seconds that rounds took: beside the records, which hold no times.
SECONDS = store.SECONDS


def distill(recipe: Recipe | str | Path, quiet: bool = False) -> DistillResult:
    """Run the loop of a recipe, or go on with it. The best student lies in `Recipe.student_path`, the corpus of all rounds in
    `corpus.path`, the report beside the rounds.

    A cap that is reached ends it without an error. Raises `TrainingError`, `StudentError` or `TeacherError` for what ended it
    early; where a round was good before, its student is kept, and the message names it.
    """
    recipe = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
    loop = Loop(recipe, quiet)
    with run_lock(recipe.work_dir):
        return loop.run()


class Loop:
    """One loop. Making it reads and checks everything that can be wrong; nothing is sent."""

    def __init__(self, recipe: Recipe, quiet: bool = False) -> None:
        if recipe.loop is None:
            raise RecipeError(f"recipe {recipe.name!r} has no `loop`; docs/guides/pgkd.md begins with one")
        self.recipe, self.part, self.quiet = recipe, recipe.loop, quiet
        check_places(recipe, student=True)
        check_output_files(recipe.work_dir)
        self.task: LoopTask[Any] = task_of(recipe)
        self.kind = store.round_folder_kind(self.task.files)
        store.check_round_folders(recipe, self.kind)
        self.settings = content_hash(self.facts())
        self.rows: list[Row] = self.task.start()
        self.asked: list[Row] = []
        self.rounds: list[Round] = []
        #: The last student, where this process trained or loaded it.
        self._student: tuple[Path, Any, ValidationResult] | None = None

    def facts(self) -> dict[str, Any]:
        """All that the rounds follow from. How many there are at most, and when to stop, only say how far."""
        part = self.part.model_dump(mode="json", exclude={"rounds", "patience"})
        student = self.recipe.student.model_dump(mode="json", exclude={"path"}) if self.recipe.student else {}
        identity = (
            plugins.find("backends", self.recipe.teacher.backend, self.recipe.folder)
            .from_recipe(self.recipe)
            .identity
        )
        return {
            "recipe": self.recipe.record(),
            "student": self.recipe.published(student),
            "loop": self.recipe.published(part),
            "rows": self.task.facts(),
            "teacher": self.recipe.published_identity(identity),
            "named": named_files(self.recipe),
        }

    def sizes(self) -> str:
        """How many rows there are of each kind, in words."""
        lots = [
            (n, lot["rows"])
            for n, lot in self.task.facts().items()
            if isinstance(lot, dict) and "rows" in lot
        ]
        return ", ".join(f"{name} {rows:,} rows" for name, rows in lots)

    def run(self) -> DistillResult:
        """All rounds that are not done yet, and what is written at the end."""
        for line in (self.sizes(), *self.task.said):
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
            kept = (
                f"round {result.best} is the best so far; its student is kept in {self.recipe.student_path}"
            )
            problem.args = (f"{ended}; {kept}",)
            raise problem
        return result

    def _rounds(self) -> str:
        """Go through the rounds; returns why they ended."""
        for number in range(self.part.rounds + 1):
            done = self._round(number)
            if done is None:
                return "there was nothing more to ask for"
            self.rounds.append(done)
            self.rows += done.rows
            self.asked += done.asked
            if done.record["stopped"]:
                return str(done.record["stopped"])
            if failed_rounds(self.rounds) >= _REFUSED:
                reasons = ", ".join(
                    f"{name} {count:,}" for name, count in done.record["counts"]["failures"].items()
                )
                # What is wrong may be mended: the same command asks again.
                for place in range(-1, -1 - _REFUSED, -1):
                    self.rounds[place] = store.reopen(self.rounds[place])
                raise TeacherError(
                    f"all requests of {_REFUSED} rounds in a row failed ({reasons}); `synthkd journal list"
                    " JOURNAL --table failures` shows what was said"
                )
            if number and rounds_since_best(self.rounds) >= self.part.patience:
                return f"{self.part.patience} rounds without a better one"
        return f"all {self.part.rounds} rounds are done"

    def _round(self, number: int) -> Round | None:
        """One round, from its folder where it is done."""
        folder = store.round_folder(self.recipe, number)
        key = store.round_key(self.settings, number, self.rounds[-1].hash if self.rounds else "")
        if (record := store.read_round(folder, key)) is not None:
            came = [RoundRun(folder, {}, corpus=load_corpus(folder / name)) for name in record["corpora"]]
            asked = [row for place in record["asked"] for row in store.read_inputs(folder / place)]
            done = Round(folder, record, self._read(came), asked)
        else:
            # What a killed process or another recipe left there; what was bought is in the journal.
            store.begin_round(folder, self.kind)
            started = time.monotonic()
            begun = self._begin(folder, number)
            if begun is None:
                remove_folder(folder, self.kind)
                return None
            done = self._learn(folder, {"round": number, "key": key}, *begun, started)
        self.say(round_line(done, self.rounds))
        return done

    def _begin(self, folder: Path, number: int) -> tuple[list[Row], list[RoundRun]] | None:
        """Inputs and what came of them; None where there is nothing to ask for."""
        if number == 0:
            return self._first(folder)
        student, figures = self._last()
        before = [one.record for one in self.rounds]
        inputs = self.task.ask(number, student, figures, self.rows, self.asked, before)
        return (inputs, [self._send(number, folder, inputs, self.rows)]) if inputs else None

    def _first(self, folder: Path) -> tuple[list[Row], list[RoundRun]]:
        """Round 0: nothing, or as many askings as it takes until a student can be trained."""
        inputs: list[Row] = []
        came: list[RoundRun] = []
        for attempt in range(ATTEMPTS):
            rows = self.rows + self._read(came)
            if not (more := self.task.first(rows, attempt, inputs)):
                break
            inputs += more
            place = folder / f"again-{attempt}" if attempt else folder
            came.append(self._send(0, place, more, rows, attempt))
            if came[-1].stopped:
                break
        if lacking := self.task.lacking(self.rows + self._read(came)):
            stopped = f"; {came[-1].stopped}" if came and came[-1].stopped else ""
            raise StudentError(f"no student can be trained: {lacking}{stopped}")
        return inputs, came

    def _send(
        self, number: int, folder: Path, inputs: list[Row], rows: Sequence[Row], attempt: int = 0
    ) -> RoundRun:
        self.task.check(inputs)
        store.write_inputs(folder, inputs)
        own = store.round_recipe(self.recipe, number, folder, self.task.anew, attempt)
        recipe = self.task.prepare(own, folder, rows)
        # Where somebody watches, a slow teacher's progress is shown, too.
        return store.run_round(recipe, folder, self.quiet or not sys.stderr.isatty())

    def _read(self, came: Sequence[RoundRun]) -> list[Row]:
        return [row for one in came if one.corpus is not None for row in self.task.read(one.corpus)]

    def _last(self) -> tuple[Any, ValidationResult]:
        """The last round's student, and what it came to."""
        folder = self.rounds[-1].student
        if self._student is None or self._student[0] != folder:
            student = self.task.load(folder)
            self._student = folder, student, self.task.validate(student)
        return self._student[1:]

    def _learn(
        self, folder: Path, head: dict[str, Any], inputs: list[Row], came: list[RoundRun], started: float
    ) -> Round:
        """Train on all rows, validate, and write the record. A round that added nothing keeps the student before it."""
        rows = self._read(came)
        if rows or not self.rounds:
            place = folder / store.STUDENT
            student = self.task.train([*self.rows, *rows], place)
            self._student = place, student, self.task.validate(student)
        _, figures = self._student[1:] if self._student else self._last()
        if not math.isfinite(figures.score):
            raise TrainingError(f"round {head['round']}: the student's figure on validation is no number")
        place = self._student[0] if self._student else self.rounds[-1].student
        stopped = next((one.stopped for one in came if one.stopped), "")
        # Before the record, which is the last file of a round.
        write_json(folder / SECONDS, round(time.monotonic() - started, 3))
        record = store.write_record(folder, {
            **head,
            "wanted": self.task.wanted(inputs),
            "asked": [one.folder.relative_to(folder).as_posix() for one in came],
            "inputs": content_hash(inputs),
            "counts": store.total_counts([one.counts for one in came]),
            "refused": bool(came) and all(one.refused for one in came),
            "stopped": stopped,
            "complete": not stopped,
            "corpora": {one.folder.relative_to(folder).joinpath("corpus").as_posix(): one.corpus.hash for one in came if one.corpus is not None},
            "added": len(rows),
            "rows": len(self.rows) + len(rows),
            "set_aside": len(self.task.aside(place)),
            "student": place.relative_to(folder.parent).as_posix(),
            "student_hash": store.folder_hash(place),
            "figures": {"score": figures.score, "shown": dict(figures.shown), "details": dict(figures.details)},
            "told": self.task.told(inputs, rows),
        })  # fmt: skip
        return Round(folder, record, rows, inputs)

    def _finish(self, ended: str) -> DistillResult:
        remove_foreign_rounds(self)
        clear_leftovers(self.recipe.work_dir)
        best = best_round(self.rounds)
        write_results(self.recipe, self.task, self.facts(), self.rounds, best, ended)
        return loop_result(self.recipe, self.rounds, best, ended, self.task.columns, self.task.falling)

    def say(self, line: str) -> None:
        """A line for the person who watches."""
        if line and not self.quiet:
            print(clean(line), file=sys.stderr, flush=True)


def remove_foreign_rounds(loop: Loop) -> None:
    """Remove folders of rounds after the last one that belong to another recipe; what was bought is in the journal."""
    before = loop.rounds[-1].hash
    number = loop.rounds[-1].number + 1
    same = True
    while (folder := store.round_folder(loop.recipe, number)).is_dir():
        key = store.round_key(loop.settings, number, before)
        try:
            record = read_json(folder / store.RECORD)
            same, before = same and record["key"] == key, record["hash"]
        except (StorageError, KeyError, TypeError):
            same = False
        if not same:
            remove_folder(folder, loop.kind)
            loop.say(f"{folder}: a round of an earlier recipe, removed; its answers are in the journal")
        number += 1
