"""What a loop came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from synthkd.corpora.read import Corpus, load_corpus
from synthkd.errors import StorageError
from synthkd.loops.learning_curve import curve
from synthkd.loops.rounds import Round
from synthkd.loops.summary import NAMES, round_table, round_table_text
from synthkd.recipe import Recipe
from synthkd.reporting.safe_text import clean
from synthkd.reporting.tables import html_table
from synthkd.storage import read_json

if TYPE_CHECKING:
    from synthkd.students.base import Student


@dataclass(frozen=True)
class DistillResult:
    """Rounds with their figures; ``ended`` says why there are no more, ``best`` is the number of the best one.

    ``seconds``: how long each round took when it was done, None where nobody knows.
    """

    recipe: Recipe = field(repr=False)
    rounds: Sequence[Round] = field(repr=False)
    best: int
    ended: str
    columns: Sequence[str] = field(repr=False)
    falling: frozenset[str] = field(repr=False)
    seconds: Sequence[float | None] = field(repr=False)

    @property
    def figures(self) -> list[dict[str, float | None]]:
        """The figures of each round, by name."""
        return [dict(one.record["figures"]["shown"]) for one in self.rounds]

    @property
    def curve(self) -> str:
        """The learning curve, an SVG."""
        return rounds_curve(self.rounds, self.columns, self.falling, self.best)

    @property
    def student(self) -> Student:
        """The best student."""
        from synthkd.students.folders import load_student

        return load_student(self.recipe.student_path)

    @property
    def corpus(self) -> Corpus:
        """Accepted and rejected rows of all rounds."""
        return load_corpus(self.recipe.corpus_path)

    @property
    def cost(self) -> float | None:
        """Dollars of all answers; None where no price is known."""
        costs = [one.record["counts"]["cost"] for one in self.rounds]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if known else None

    def __str__(self) -> str:
        lines = round_table_text(round_table(self.rounds, self.columns, self.seconds), self.best)
        work = self.recipe.work_dir
        return (
            f"{lines}\nended: {clean(self.ended)}\nstudent of round {self.best}: {clean(self.recipe.student_path)}\n"
            f"corpus: {clean(self.recipe.corpus_path)}\nreport: {clean(work / 'report.md')}"
        )

    def __repr__(self) -> str:
        return f"<DistillResult {self.recipe.name}: {len(self.rounds) - 1} rounds, the best is {self.best}>"

    def _repr_html_(self) -> str:
        rows = round_table(self.rounds, self.columns, self.seconds)
        best = next(n for n, one in enumerate(self.rounds, 1) if one.number == self.best)
        caption = f"{repr(self)[1:-1]}; ended: {self.ended}"
        return self.curve + html_table(rows, bold=best, caption=caption)


def loop_result(
    recipe: Recipe,
    rounds: Sequence[Round],
    best: int,
    ended: str,
    columns: Sequence[str],
    falling: frozenset[str],
) -> DistillResult:
    """With the seconds that stand beside the rounds."""
    return DistillResult(
        recipe, tuple(rounds), best, ended, columns, falling, [_seconds(one) for one in rounds]
    )


def rounds_curve(rounds: Sequence[Round], columns: Sequence[str], falling: frozenset[str], best: int) -> str:
    """Rates in one panel, what falls when it gets better in another."""
    lines: list[dict[str, Any]] = [
        {NAMES.get(name, name): [one.record["figures"]["shown"].get(name) for one in rounds] for name in columns if (name in falling) == low}
        for low in (False, True)
    ]  # fmt: skip
    return curve(lines, [one.record["rows"] for one in rounds], best)


def _seconds(one: Round) -> float | None:
    try:
        return float(read_json(one.folder / "seconds.json"))
    except (StorageError, TypeError, ValueError):
        return None
