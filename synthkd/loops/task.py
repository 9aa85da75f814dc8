"""The contract of a loop task: what the loop needs to know of a kind of knowledge.

    initial_rows ─► initial_inputs ─► train ─► validate ─► next_inputs ─► check_inputs
                                        ▲                                      │
                                        └── read_rows ◄─ [a run] ◄─ prepare_recipe

The loop numbers, records, compares and resumes rounds, and stops; a task knows rows, students and
prompts. It is found by the name of its kind in the entry-point group `synthkd.loop_tasks`. All that
a task draws follows from the recipe's seed and the number of the round, so that a loop that was
killed repeats the same rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

if TYPE_CHECKING:
    from synthkd.corpora.read import Corpus
    from synthkd.recipe import Recipe

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


class LoopTask(ABC, Generic[S]):
    """A kind of knowledge in a loop, with students of type S.

    Attributes:
        name: Name of the kind.
        metrics: Names of the figures in tables and curves, in order; first those on validation
            rows.
        lower_is_better: Metrics of which a lower value is better.
        round_files: Names of files that `prepare_recipe` writes into the folder of a round.
        resamples: Whether each round moves the sampling seed on, so that an equal prompt is
            answered anew.
    """

    name: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]
    lower_is_better: ClassVar[frozenset[str]] = frozenset()
    round_files: ClassVar[frozenset[str]] = frozenset()
    resamples: ClassVar[bool] = True

    @abstractmethod
    def __init__(self, recipe: Recipe) -> None:
        """Read and check the rows of the recipe's loop; nothing is sent.

        Raises:
            UserError: If a row or an option of the recipe cannot be used.
        """

    @property
    def notices(self) -> Sequence[str]:
        """Lines for the user, such as the rows that were left out."""
        return ()

    @abstractmethod
    def row_facts(self) -> dict[str, Any]:
        """Return numbers and hashes of the rows, as JSON: part of a round's key and of the
        manifest.
        """

    @abstractmethod
    def initial_rows(self) -> list[Row]:
        """Return the training rows before anything is asked."""

    @abstractmethod
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

    @abstractmethod
    def training_problem(self, rows: Sequence[Row]) -> str:
        """Return why no student can be trained on these rows; "" if one can."""

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
        return len(inputs)

    @abstractmethod
    def prepare_recipe(self, recipe: Recipe, folder: Path, rows: Sequence[Row]) -> Recipe:
        """Return the recipe of a round's run with this kind's options; may write `round_files`."""

    @abstractmethod
    def read_rows(self, corpus: Corpus) -> list[Row]:
        """Return the accepted rows of a round, in an order that depends on their content alone."""

    def round_facts(self, inputs: Sequence[Row], rows: Sequence[Row]) -> dict[str, Any]:
        """Return what a round asked for and got, as JSON for its record and the report."""
        return {}
