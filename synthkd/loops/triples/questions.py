"""Questions of a head and a relation, and their split by heads.

A head's side of the split is decided by its hash, so neither the order nor other heads change it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from synthkd.errors import InputError, RecipeError
from synthkd.keys import fraction
from synthkd.kinds.base import Kind, Row
from synthkd.text.normal_forms import normal_phrase


@dataclass(frozen=True)
class TripleQuestion:
    """An input row, the normal form of its head, its relation, and its random order in [0, 1)."""

    row: dict[str, Any]
    head: str
    relation: str
    draw: float

    @property
    def key(self) -> tuple[str, str]:
        """Normalised head and relation."""
        return (self.head, self.relation)


def check_kind(kind: Kind) -> tuple[str, str]:
    """Return the columns of heads and relations.

    Raises:
        RecipeError: If the kind's inputs do not have both.
    """
    head, relation = kind.group_column, kind.class_column
    if relation is None or not {head, relation} <= set(kind.input_columns):
        raise RecipeError(
            f"kind {kind.name!r}: the loop needs questions of a head and a relation, and this"
            " kind's inputs have"
            f" {', '.join(kind.input_columns) or 'no columns'}"
        )
    return head, relation


def head_of(kind: Kind, row: Row) -> str:
    """Return the normal form of a row's head."""
    return normal_phrase(str(row[kind.group_column]))


def triple_question(kind: Kind, row: Row, seed: int) -> TripleQuestion:
    """Return the question of a row, without columns of the answer."""
    head, relation = head_of(kind, row), str(row[str(kind.class_column)])
    columns = {name: value for name, value in row.items() if name not in kind.answer_columns}
    return TripleQuestion(columns, head, relation, fraction(f"{seed}|question|{relation}|{head}"))


def distinct_questions(kind: Kind, rows: Iterable[Row], seed: int) -> list[TripleQuestion]:
    """Return the distinct questions of rows, in the order in which they are drawn."""
    questions: dict[tuple[str, str], TripleQuestion] = {}
    for row in rows:
        one = triple_question(kind, row, seed)
        questions.setdefault(one.key, one)
    return sorted(questions.values(), key=lambda one: (one.draw, one.key))


def held_out_heads(heads: Iterable[str], share: float, seed: int) -> frozenset[str]:
    """Return the heads held out for validation, by hash; at least one head is on each side."""
    drawn = sorted(
        {head: fraction(f"{seed}|held|{head}") for head in heads}.items(), key=lambda one: one[1]
    )
    if len(drawn) < 2:
        raise InputError(
            f"{len(drawn)} head among the inputs; two at least are needed to keep one for"
            " validation"
        )
    below = sum(place < share for _, place in drawn)
    return frozenset(head for head, _ in drawn[: min(max(below, 1), len(drawn) - 1)])


def split_by_heads(
    pool: Sequence[TripleQuestion], heads: frozenset[str]
) -> tuple[list[TripleQuestion], list[TripleQuestion]]:
    """Return the questions of other heads, and those of these heads."""
    return [q for q in pool if q.head not in heads], [q for q in pool if q.head in heads]
