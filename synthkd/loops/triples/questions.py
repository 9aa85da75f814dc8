"""The questions that a loop may ask, and the heads that it keeps apart.

A question is what an input says: a head and a relation. Heads are parted by a hash, so that no order and no other head
changes on which side one stands. Equal questions count once.
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
    """An input row, the normal form of its head, its relation, and a number in [0, 1) by which questions are drawn."""

    row: dict[str, Any]
    head: str
    relation: str
    draw: float

    @property
    def key(self) -> tuple[str, str]:
        """Equal for equal questions."""
        return (self.head, self.relation)


def check_kind(kind: Kind) -> tuple[str, str]:
    """The columns of heads and relations. Raises `RecipeError` for a kind whose inputs do not have both."""
    head, relation = kind.group_column, kind.class_column
    if relation is None or not {head, relation} <= set(kind.input_columns):
        raise RecipeError(
            f"kind {kind.name!r}: the loop needs questions of a head and a relation, and this kind's inputs have"
            f" {', '.join(kind.input_columns) or 'no columns'}"
        )
    return head, relation


def head_of(kind: Kind, row: Row) -> str:
    """The head of a row, in the form under which two are the same."""
    return normal_phrase(str(row[kind.group_column]))


def triple_question(kind: Kind, row: Row, seed: int) -> TripleQuestion:
    """The question that a row asks; columns that only say an answer are left out."""
    head, relation = head_of(kind, row), str(row[str(kind.class_column)])
    asked = {name: value for name, value in row.items() if name not in kind.answer_columns}
    return TripleQuestion(asked, head, relation, fraction(f"{seed}|question|{relation}|{head}"))


def distinct_questions(kind: Kind, rows: Iterable[Row], seed: int) -> list[TripleQuestion]:
    """The distinct questions of these rows, in the order in which they are drawn."""
    found: dict[tuple[str, str], TripleQuestion] = {}
    for row in rows:
        one = triple_question(kind, row, seed)
        found.setdefault(one.key, one)
    return sorted(found.values(), key=lambda one: (one.draw, one.key))


def held_out_heads(heads: Iterable[str], share: float, seed: int) -> frozenset[str]:
    """The heads that are kept for validation: those whose hash falls below the share. At least one on each side."""
    drawn = sorted({head: fraction(f"{seed}|held|{head}") for head in heads}.items(), key=lambda one: one[1])
    if len(drawn) < 2:
        raise InputError(
            f"{len(drawn)} head among the inputs; two at least are needed to keep one for validation"
        )
    below = sum(place < share for _, place in drawn)
    return frozenset(head for head, _ in drawn[: min(max(below, 1), len(drawn) - 1)])


def split_by_heads(
    pool: Sequence[TripleQuestion], heads: frozenset[str]
) -> tuple[list[TripleQuestion], list[TripleQuestion]]:
    """Those with another head, and those with one of these heads."""
    return [q for q in pool if q.head not in heads], [q for q in pool if q.head in heads]


def by_relation(pool: Iterable[TripleQuestion], relations: Sequence[str]) -> dict[str, list[TripleQuestion]]:
    """The questions of each of these relations, in their order."""
    found: dict[str, list[TripleQuestion]] = {relation: [] for relation in relations}
    for one in pool:
        found[one.relation].append(one)
    return found
