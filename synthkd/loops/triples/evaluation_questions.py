"""Questions that a student is evaluated on, whose heads the teacher is never asked about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from synthkd.errors import InputError, KindError
from synthkd.keys import content_hash
from synthkd.kinds.base import Kind
from synthkd.loops.triples.questions import (
    TripleQuestion,
    distinct_questions,
    head_of,
    held_out_heads,
    split_by_heads,
    triple_question,
)
from synthkd.recipe import Recipe
from synthkd.recipe.student import RowsPart
from synthkd.rows import read_rows, text_cell

Row = dict[str, Any]
#: Maximum number of questions; of more, this many are drawn.
MOST = 2000


@dataclass(frozen=True)
class EvaluationQuestions:
    """Questions to evaluate on.

    Attributes:
        heads: The heads held out for them.
        gold: Rows of known answers; None if none are given.
    """

    questions: tuple[TripleQuestion, ...]
    heads: frozenset[str]
    gold: tuple[Row, ...] | None = None

    @classmethod
    def of(
        cls,
        kind: Kind,
        questions: Sequence[TripleQuestion],
        gold: Sequence[Row],
        notices: list[str],
        name: str,
    ) -> EvaluationQuestions:
        """Take the first `MOST` questions, with the known answers to them."""
        if not questions:
            raise InputError(f"loop.{name}: no question is left to evaluate on")
        if len(questions) > MOST:
            notices.append(
                f"{name}: {MOST:,} of {len(questions):,} questions are drawn to evaluate on"
            )
        kept = tuple(questions[:MOST])
        keys = {one.key for one in kept}
        answers = tuple(row for row in gold if triple_question(kind, row, 0).key in keys)
        return cls(kept, frozenset(one.head for one in questions), answers or None)

    def ids(self, kind: Kind) -> frozenset[str] | None:
        """Return the ids of the known answers."""
        return None if self.gold is None else frozenset(kind.identity(row) for row in self.gold)

    def facts(self) -> dict[str, Any]:
        """Return numbers and a hash, as JSON."""
        rows = [
            [one.key for one in self.questions],
            [sorted(row.items()) for row in self.gold or ()],
        ]
        return {
            "questions": len(self.questions),
            "heads": len(self.heads),
            "answers": len(self.gold or ()),
            "hash": content_hash(rows),
        }


def questions_of_share(
    kind: Kind,
    pool: Sequence[TripleQuestion],
    share: float,
    taken: frozenset[str],
    seed: int,
    notices: list[str],
) -> EvaluationQuestions:
    """Return the questions of a share of the pool's heads, but not of the heads in ``taken``."""
    heads = held_out_heads((one.head for one in pool if one.head not in taken), share, seed)
    return EvaluationQuestions.of(kind, split_by_heads(pool, heads)[1], (), notices, "validation")


def questions_of_rows(
    recipe: Recipe, kind: Kind, part: RowsPart, name: str, shown: frozenset[str], notices: list[str]
) -> EvaluationQuestions:
    """Return the questions of rows; rows with an answer are gold.

    Args:
        name: Name of the rows in the recipe, for messages.
        shown: Heads of few-shot examples, which are left out.
        notices: Takes lines for the user.
    """
    rows = read_triples(recipe, kind, part, name, tails=False)
    if both := sorted({head_of(kind, row) for row in rows} & shown):
        notices.append(f"{name}: {first_names(both)} left out, which stand in few-shot examples")
    rows = [row for row in rows if head_of(kind, row) not in shown]
    gold = [row for row in rows if all(column in row for column in kind.columns)]
    return EvaluationQuestions.of(
        kind, distinct_questions(kind, rows, recipe.seed), gold, notices, name
    )


def read_triples(recipe: Recipe, kind: Kind, part: RowsPart, name: str, tails: bool) -> list[Row]:
    """Read the kind's columns of the rows of files.

    Args:
        name: Name of the rows in the recipe, for messages.
        tails: Whether every row needs an answer.

    Raises:
        InputError, KindError: With file and row.
    """
    all_rows: list[Row] = []
    for path in [part.path] if isinstance(part.path, str) else part.path:
        file, number = recipe.resolve(path), 0
        for rows in read_rows(file):
            for row in rows:
                number += 1
                all_rows.append(
                    _row(
                        kind,
                        row,
                        kind.columns if tails else kind.input_columns,
                        f"{file} row {number}",
                    )
                )
    if not all_rows:
        raise InputError(f"loop.{name}: no rows")
    return all_rows


def _row(kind: Kind, row: Row, required: Sequence[str], place: str) -> Row:
    row = {
        name: text_cell(value, place, name) if name in kind.columns else value
        for name, value in row.items()
    }
    for column in required:
        if not str(row.get(column) or "").strip():
            hint = "" if column in row else f" (there are: {', '.join(map(str, row))})"
            raise InputError(f"{place}: no {column!r}{hint}")
    if problem := kind.check(row):
        raise KindError(f"{place}: {problem}")
    return {
        column: str(row[column]) for column in kind.columns if str(row.get(column) or "").strip()
    }


def few_shot_heads(kind: Kind, shown: Iterable[Row]) -> frozenset[str]:
    """Return the heads of few-shot examples."""
    return frozenset(head_of(kind, row) for row in shown if row.get(kind.group_column))


def first_names(names: Sequence[str], most: int = 3) -> str:
    """Return the first names, and the number of further ones."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more
