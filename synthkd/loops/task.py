"""What a loop needs to know of a kind of knowledge: the contract between the rounds (`rounds`) and what they are about.

    start() ─► first(…) ─► train ─► validate ─► ask ─► check ─► prepare ─► [an ordinary run] ─► read ─► train ─► …

The loop numbers, records and resumes rounds, counts what they cost, compares them and stops; a task knows rows, students and
prompts. One for classifiers is `labelled.Labelled`. Whatever a task draws follows from the recipe's seed and the number of
the round, so that a loop that was killed comes to the same rows.
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

#: A row to learn from: the kind's columns, as JSON can hold them.
Row = dict[str, Any]
S = TypeVar("S")


@dataclass(frozen=True)
class ValidationResult:
    """How good a student is. ``score``: rounds are compared by it, higher is better, and it must be a number. ``shown``: a
    number for each of the task's `columns`, in the table and on the curve; None where there is none. ``details``: JSON, kept
    in `round.json`. ``held``: what `ask` needs again and no file holds."""

    score: float
    shown: Mapping[str, float | None]
    details: Mapping[str, Any] = field(default_factory=dict)
    held: Any = None


class LoopTask(ABC, Generic[S]):
    """A kind of knowledge in a loop. Made from a recipe; making one reads and checks its rows, and sends nothing."""

    #: The kind that it is for.
    kind: ClassVar[str]
    #: Names of the figures in the table and on the curve, in their order; the first are on validation rows.
    columns: ClassVar[tuple[str, ...]]
    #: Figures of which more is worse, for the curve.
    falling: ClassVar[frozenset[str]] = frozenset()
    #: Names of files that `prepare` writes into a round's folder.
    files: ClassVar[frozenset[str]] = frozenset()
    #: Whether an equal prompt is answered anew in each round: its sampling seed is moved on by the number of the round.
    anew: ClassVar[bool] = True

    @abstractmethod
    def __init__(self, recipe: Recipe) -> None:
        """Read and check what the loop starts from. Raises `UserError` for what cannot be used."""

    @property
    def said(self) -> Sequence[str]:
        """Lines for the person who runs it: rows that were left out, say."""
        return ()

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What rows there are, by number and content hash: part of what a round is, and of the manifest. JSON."""

    @abstractmethod
    def start(self) -> list[Row]:
        """The rows that are there before anything is asked."""

    @abstractmethod
    def first(self, rows: Sequence[Row], attempt: int, asked: Sequence[Row]) -> list[Row]:
        """Inputs of round 0, which knows no student; [] where none are needed. Called again with what came of them
        (``attempt`` 1, 2) while something is `lacking`; ``asked`` are the inputs so far."""

    @abstractmethod
    def lacking(self, rows: Sequence[Row]) -> str:
        """Why no student can be trained on these rows, in words; "" where one can."""

    @abstractmethod
    def train(self, rows: Sequence[Row], folder: Path) -> S:
        """Train from nothing and save into ``folder``, whole or not at all. Raises `TrainingError`, `StudentError`."""

    @abstractmethod
    def load(self, folder: Path) -> S:
        """What `train` saved."""

    def aside(self, folder: Path) -> frozenset[str]:
        """Ids of accepted rows that a saved student was not trained on."""
        return frozenset()

    @abstractmethod
    def validate(self, student: S) -> ValidationResult:
        """The student on validation and test rows."""

    @abstractmethod
    def ask(
        self,
        number: int,
        student: S,
        figures: ValidationResult,
        rows: Sequence[Row],
        asked: Sequence[Row],
        before: Sequence[Mapping[str, Any]] = (),
    ) -> list[Row]:
        """Inputs of round ``number``, from the last student, all rows, and the inputs and records (``before``) of all rounds so
        far; [] where there is nothing more to ask for, which ends the loop."""

    def check(self, inputs: Sequence[Row]) -> None:
        """A last look before anything is sent. Raises where an input shows what no teacher may see."""
        return

    def wanted(self, inputs: Sequence[Row]) -> int:
        """How many rows these inputs ask for."""
        return len(inputs)

    @abstractmethod
    def prepare(self, recipe: Recipe, folder: Path, rows: Sequence[Row]) -> Recipe:
        """The recipe of a round's run, with the options that this kind needs there; may write files into ``folder``."""

    @abstractmethod
    def read(self, corpus: Corpus) -> list[Row]:
        """The accepted rows of a round, in an order that depends on nothing but them. Further columns (`id`) may be in them."""

    def told(self, inputs: Sequence[Row], rows: Sequence[Row]) -> dict[str, Any]:
        """What was asked and what came, for the report: JSON."""
        return {}
