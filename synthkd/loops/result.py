"""The result of a loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from synthkd.corpora.read import Corpus, load_corpus
from synthkd.errors import StorageError
from synthkd.loops.learning_curve import curve
from synthkd.loops.rounds import SECONDS, Round
from synthkd.loops.summary import METRIC_NAMES, round_table, round_table_text
from synthkd.loops.task import LoopTask
from synthkd.recipe import Recipe
from synthkd.reporting.safe_text import clean
from synthkd.reporting.tables import html_table
from synthkd.storage import read_json

if TYPE_CHECKING:
    from synthkd.students.base import StudentModel


@dataclass(frozen=True)
class DistillResult:
    """The result of a loop.

    Attributes:
        rounds: The rounds with their records.
        best: Number of the best round.
        ended: Why the loop ended.
        metrics: Names of the figures, in order.
        lower_is_better: Metrics of which a lower value is better.
        seconds: Duration of each round; None if unknown.

    Example:
        >>> import synthkd
        >>> path = synthkd.write_starter("loop", "pgkd")
        >>> recipe = synthkd.Recipe.load(path, ["loop.rounds=1"])
        >>> result = synthkd.distill(recipe, quiet=True)
        >>> result
        <DistillResult pgkd: 1 rounds, the best is ...>
        >>> [round(figures["accuracy"], 1) for figures in result.figures]
        [...]
        >>> result.student.predict(["where is my parcel?"])
        [...]
    """

    recipe: Recipe = field(repr=False)
    rounds: Sequence[Round] = field(repr=False)
    best: int
    ended: str
    metrics: Sequence[str] = field(repr=False)
    lower_is_better: frozenset[str] = field(repr=False)
    seconds: Sequence[float | None] = field(repr=False)

    @property
    def figures(self) -> list[dict[str, float | None]]:
        """The figures of each round, by name."""
        return [dict(one.record["figures"]["shown"]) for one in self.rounds]

    @property
    def curve(self) -> str:
        """The learning curve as SVG."""
        return rounds_curve(self.rounds, self.metrics, self.lower_is_better, self.best)

    @property
    def student(self) -> StudentModel:
        """The best student."""
        from synthkd.students.folders import load_student

        return load_student(self.recipe.student_path)

    @property
    def corpus(self) -> Corpus:
        """The accepted and rejected rows of all rounds."""
        return load_corpus(self.recipe.corpus_path)

    @property
    def cost(self) -> float | None:
        """Dollars of all completions; None if no price is known."""
        costs = [one.record["counts"]["cost"] for one in self.rounds]
        dollars = [cost for cost in costs if cost is not None]
        return sum(dollars) if dollars else None

    def __str__(self) -> str:
        lines = round_table_text(round_table(self.rounds, self.metrics, self.seconds), self.best)
        work = self.recipe.work_dir
        return (
            f"{lines}\nended: {clean(self.ended)}\nstudent of round {self.best}:"
            f" {clean(self.recipe.student_path)}\n"
            f"corpus: {clean(self.recipe.corpus_path)}\nreport: {clean(work / 'report.md')}"
        )

    def __repr__(self) -> str:
        return (
            f"<DistillResult {self.recipe.name}: {len(self.rounds) - 1} rounds, the best is"
            f" {self.best}>"
        )

    def _repr_html_(self) -> str:
        rows = round_table(self.rounds, self.metrics, self.seconds)
        best = next(n for n, one in enumerate(self.rounds, 1) if one.number == self.best)
        caption = f"{repr(self)[1:-1]}; ended: {self.ended}"
        return self.curve + html_table(rows, bold=best, caption=caption)


def loop_result(
    recipe: Recipe, task: LoopTask[Any], rounds: Sequence[Round], best: int, ended: str
) -> DistillResult:
    """Return the result, with the durations beside the rounds."""
    seconds = [_seconds(one) for one in rounds]
    return DistillResult(
        recipe, tuple(rounds), best, ended, task.metrics, task.lower_is_better, seconds
    )


def rounds_curve(
    rounds: Sequence[Round], metrics: Sequence[str], lower_is_better: frozenset[str], best: int
) -> str:
    """Return the learning curve as SVG, with a panel for metrics for which less is better."""
    panels: list[dict[str, Any]] = [
        {
            METRIC_NAMES.get(name, name): [
                one.record["figures"]["shown"].get(name) for one in rounds
            ]
            for name in metrics
            if (name in lower_is_better) == lower
        }
        for lower in (False, True)
    ]
    return curve(panels, [one.record["rows"] for one in rounds], best)


def _seconds(one: Round) -> float | None:
    try:
        return float(read_json(one.folder / SECONDS))
    except (StorageError, TypeError, ValueError):
        return None
