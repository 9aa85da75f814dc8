"""The questions that a student is measured by, and whose heads are kept apart."""

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
#: Questions that a student is measured by, at most; of more, so many are drawn.
MOST = 2000


@dataclass(frozen=True)
class EvaluationQuestions:
    """``questions`` to measure by, ``heads`` that are kept apart for them, and ``gold``: known answers; None where only
    questions are given."""

    questions: tuple[TripleQuestion, ...]
    heads: frozenset[str]
    gold: tuple[Row, ...] | None = None

    @classmethod
    def of(
        cls, kind: Kind, asked: Sequence[TripleQuestion], gold: Sequence[Row], said: list[str], what: str
    ) -> EvaluationQuestions:
        """Of these questions as many as a student is measured by, with the answers to them."""
        if not asked:
            raise InputError(f"loop.{what}: no question is left to measure by")
        if len(asked) > MOST:
            said.append(f"{what}: {MOST:,} of {len(asked):,} questions are drawn to measure by")
        kept = tuple(asked[:MOST])
        keys = {one.key for one in kept}
        answers = tuple(row for row in gold if triple_question(kind, row, 0).key in keys)
        return cls(kept, frozenset(one.head for one in asked), answers or None)

    def ids(self, kind: Kind) -> frozenset[str] | None:
        """Ids of the known answers."""
        return None if self.gold is None else frozenset(kind.identity(row) for row in self.gold)

    def facts(self) -> dict[str, Any]:
        """Numbers and a hash, as JSON."""
        rows = [[one.key for one in self.questions], [sorted(row.items()) for row in self.gold or ()]]
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
    said: list[str],
) -> EvaluationQuestions:
    """The questions of a share of the pool's heads; never of the heads that are ``taken``."""
    heads = held_out_heads((one.head for one in pool if one.head not in taken), share, seed)
    return EvaluationQuestions.of(kind, split_by_heads(pool, heads)[1], (), said, "validation")


def questions_of_rows(
    recipe: Recipe, kind: Kind, part: RowsPart, what: str, shown: frozenset[str], said: list[str]
) -> EvaluationQuestions:
    """The questions of rows, with those that have an answer as gold. Heads that prompts show (``shown``) are left out."""
    rows = read_triples(recipe, kind, part, what, tails=False)
    if both := sorted({head_of(kind, row) for row in rows} & shown):
        said.append(f"{what}: {first_names(both)} left out, which stand in few-shot examples")
    rows = [row for row in rows if head_of(kind, row) not in shown]
    gold = [row for row in rows if all(column in row for column in kind.columns)]
    return EvaluationQuestions.of(kind, distinct_questions(kind, rows, recipe.seed), gold, said, what)


def read_triples(recipe: Recipe, kind: Kind, part: RowsPart, what: str, tails: bool) -> list[Row]:
    """The kind's columns of the rows of some files. ``tails``: every row must have an answer. Raises `InputError` or
    `KindError` with file and row."""
    found: list[Row] = []
    for path in [part.path] if isinstance(part.path, str) else part.path:
        file, number = recipe.resolve(path), 0
        for rows in read_rows(file):
            for row in rows:
                number += 1
                found.append(
                    _row(kind, row, kind.columns if tails else kind.input_columns, f"{file} row {number}")
                )
    if not found:
        raise InputError(f"loop.{what}: no rows")
    return found


def _row(kind: Kind, row: Row, needed: Sequence[str], where: str) -> Row:
    row = {
        name: text_cell(value, where, name) if name in kind.columns else value for name, value in row.items()
    }
    for column in needed:
        if not str(row.get(column) or "").strip():
            have = "" if column in row else f" (there are: {', '.join(map(str, row))})"
            raise InputError(f"{where}: no {column!r}{have}")
    if problem := kind.check(row):
        raise KindError(f"{where}: {problem}")
    return {column: str(row[column]) for column in kind.columns if str(row.get(column) or "").strip()}


def few_shot_heads(kind: Kind, shown: Iterable[Row]) -> frozenset[str]:
    """Heads of the few-shot examples that a teacher may be shown."""
    return frozenset(head_of(kind, row) for row in shown if row.get(kind.group_column))


def first_names(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more
