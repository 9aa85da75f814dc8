"""The contract of a loop task: what the loop needs to know of a kind of knowledge.

    initial_rows ─► initial_inputs ─► train ─► validate ─► next_inputs ─► check_inputs
                                        ▲                                      │
                                        └── read_rows ◄─ [a run] ◄─ prepare_recipe

The loop numbers, records, compares and resumes rounds, and stops; a task knows rows, students and
prompts. A recipe names one by `loop.task`; by default the one with the name of the kind is taken.
All that a task draws follows from the recipe's seed and the number of the round, so that a loop
that was killed repeats the same rows.

`docs/extending/loop-task.md` writes one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from synthkd.errors import RecipeError
from synthkd.keys import content_hash
from synthkd.plugins import Plugin
from synthkd.returned_values import Check, check_json, short_form

if TYPE_CHECKING:
    from synthkd.corpora.read import Corpus
    from synthkd.recipe import LoopPart, Recipe

#: A training row, or an input row: columns with values that JSON can hold.
Row = dict[str, Any]
S = TypeVar("S")


@dataclass(frozen=True)
class ValidationResult:
    """A student's figures on validation and test rows.

    Attributes:
        score: The finite number by which rounds are compared; higher is better.
        metrics: A value for each of the task's `metrics`, for tables and curves; None if undefined.
        details: JSON that is kept in `round.json`.
        evaluation: What `LoopTask.next_inputs` needs and no file holds.
    """

    score: float
    metrics: Mapping[str, float | None]
    details: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Any = None


def _check_rows(task: LoopTask[Any], value: Any, *arguments: Any, **named: Any) -> str:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        return f"returned {short_form(value)}; return a list of dicts"
    return check_json(task, value)


def _check_result(task: LoopTask[Any], value: Any, student: Any) -> str:
    if not isinstance(value, ValidationResult):
        return f"returned {short_form(value)}; return a ValidationResult"
    if missing := [name for name in task.metrics if name not in value.metrics]:
        return f"returned no metric {missing[0]!r}, which `metrics` names"
    if problem := check_json(task, value.score) or check_json(task, dict(value.metrics)):
        return problem
    return check_json(task, dict(value.details))


def _check_trained(task: LoopTask[Any], value: Any, rows: Sequence[Row], folder: Path) -> str:
    if folder.is_dir() and any(folder.iterdir()):
        return ""
    return "wrote no file into the folder that it was given; save the student there"


class LoopTask(Plugin, ABC, Generic[S]):
    """A kind of knowledge in a loop, with students of type S.

    A subclass that reads files in its constructor calls this one first.

    Attributes:
        name: What `loop.task` calls the task. A task with the name of a kind is the kind's own.
        recipe: The recipe of the loop.
        loop: Its part `loop`.
        options: The checked options of `loop.options`.
        metrics: Names of the figures in tables and curves, in order; first those on validation
            rows.
        lower_is_better: Metrics of which a lower value is better.
        round_files: Names of files that `prepare_recipe` writes into the folder of a round.
        resamples: Whether each round moves the sampling seed on, so that an equal prompt is
            answered anew.
    """

    returns: ClassVar[Mapping[str, Check]] = {
        "row_facts": check_json,
        "initial_rows": _check_rows,
        "initial_inputs": _check_rows,
        "train": _check_trained,
        "validate": _check_result,
        "next_inputs": _check_rows,
        "read_rows": _check_rows,
        "round_facts": check_json,
    }
    metrics: ClassVar[tuple[str, ...]]
    lower_is_better: ClassVar[frozenset[str]] = frozenset()
    round_files: ClassVar[frozenset[str]] = frozenset()
    resamples: ClassVar[bool] = True

    recipe: Recipe
    loop: LoopPart

    def __init__(self, recipe: Recipe) -> None:
        """Read and check the options and rows of the recipe's loop; nothing is sent.

        Raises:
            UserError: If a row or an option of the recipe cannot be used.
        """
        if recipe.loop is None:
            raise RecipeError("loop: a loop task needs the recipe's part `loop`")
        self.recipe, self.loop = recipe, recipe.loop
        self.options = self.checked(recipe.loop.options, f"loop task {self.name!r}")

    @property
    def notices(self) -> Sequence[str]:
        """Lines for the user, such as the rows that were left out."""
        return ()

    @abstractmethod
    def row_facts(self) -> dict[str, Any]:
        """Return numbers and hashes of the rows as JSON, for a round's key and the manifest."""

    @staticmethod
    def facts_of(rows: Sequence[Row]) -> dict[str, Any]:
        """Return the number and the hash of rows, as `row_facts` has them for each set."""
        return {"rows": len(rows), "hash": content_hash(list(rows))}

    @abstractmethod
    def initial_rows(self) -> list[Row]:
        """Return the training rows before anything is asked."""

    def initial_inputs(
        self, rows: Sequence[Row], attempt: int, earlier: Sequence[Row]
    ) -> list[Row]:
        """Return inputs of round 0, before there is a student; [] if none are needed.

        Called again, with the rows so far, while there is a `training_problem`.

        Args:
            rows: Training rows so far.
            attempt: Number of the call, from 0.
            earlier: Inputs of the earlier calls.
        """
        return []

    def training_problem(self, rows: Sequence[Row]) -> str:
        """Return why no student can be trained on these rows; "" if one can."""
        return ""

    @abstractmethod
    def train(self, rows: Sequence[Row], folder: Path) -> S:
        """Train a student from scratch and save it into ``folder``, whole or not at all.

        Raises:
            StudentError: If the rows cannot train a student.
            TrainingError: If the training fails.
        """

    @abstractmethod
    def load(self, folder: Path) -> S:
        """Load a student that `train` saved."""

    def excluded_ids(self, folder: Path) -> frozenset[str]:
        """Return ids of accepted rows that a saved student was not trained on."""
        return frozenset()

    @abstractmethod
    def validate(self, student: S) -> ValidationResult:
        """Evaluate the student on validation and test rows."""

    @abstractmethod
    def next_inputs(
        self,
        number: int,
        student: S,
        result: ValidationResult,
        rows: Sequence[Row],
        earlier: Sequence[Row],
        records: Sequence[Mapping[str, Any]] = (),
    ) -> list[Row]:
        """Return inputs of a round; [] ends the loop.

        Args:
            number: Number of the round, from 1.
            student: The last student.
            result: Its figures.
            rows: All training rows so far.
            earlier: Inputs of all earlier rounds.
            records: Records of all earlier rounds.
        """

    def check_inputs(self, inputs: Sequence[Row]) -> None:
        """Raise if an input shows something that no teacher may see.

        Called before anything is sent.
        """
        return

    def requested_rows(self, inputs: Sequence[Row]) -> int:
        """Return the number of rows that these inputs request."""
        return len(inputs) * self.recipe.teacher.sampling.n

    def prepare_recipe(self, recipe: Recipe, folder: Path, rows: Sequence[Row]) -> Recipe:
        """Return the recipe of a round's run with this kind's options; may write `round_files`.

        Args:
            recipe: The recipe with the inputs and the folders of the round.
            folder: Folder of the round.
            rows: All training rows so far.
        """
        return recipe

    def read_rows(self, corpus: Corpus) -> list[Row]:
        """Return the accepted rows of a round, in an order that depends on their content alone.

        Default: the kind's columns and the id of each row, in the order of the ids.
        """
        columns = corpus.manifest["kind"]["columns"]
        rows: list[Row] = corpus.table(columns=["id", *columns]).to_pylist()
        return sorted(rows, key=lambda row: str(row["id"]))

    def round_facts(self, inputs: Sequence[Row], rows: Sequence[Row]) -> dict[str, Any]:
        """Return what a round asked for and got, as JSON for its record and the report."""
        return {}
