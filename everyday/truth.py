"""Measure rows against the everyday table: exact, since what the table does not say is false."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from everyday import comparatives, messages, problems, sentences
from everyday.table import Table
from everyday.text import was_seen
from synthkd.errors import InputError
from synthkd.text.normal_forms import normal_phrase


@dataclass(frozen=True)
class Measured:
    """``rows`` in all, ``valid`` of them true by the table, ``unseen``: true and kept out of training."""

    rows: int
    valid: int
    unseen: int

    @property
    def precision(self) -> float:
        """Valid over rows; 0 where there are none."""
        return self.valid / self.rows if self.rows else 0.0


class Truth:
    """The table, looked up by normal form."""

    def __init__(self, table: Table) -> None:
        self.table = table

    @classmethod
    def load(cls) -> Truth:
        """The table that comes with synthkd."""
        return cls(Table.load())

    @cached_property
    def _facts(self) -> dict[tuple[str, str, str], bool]:
        """Normal form of each fact -> whether the embedded teacher read it."""
        return {
            (normal_phrase(head), relation, normal_phrase(tail)): was_seen((head, relation, tail))
            for head, relation, tail in self.table.facts
        }

    def valid(self, row: Mapping[str, Any]) -> bool:
        """Whether a triple holds in the table."""
        return self._key(row) in self._facts

    def measure(self, rows: Iterable[Mapping[str, Any]]) -> Measured:
        """Count what holds."""
        seen = [self._facts.get(self._key(row)) for row in rows]
        return Measured(len(seen), sum(s is not None for s in seen), sum(s is False for s in seen))

    @staticmethod
    def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
        return (normal_phrase(str(row["head"])), str(row["relation"]), normal_phrase(str(row["tail"])))


#: Whether a row of one kind is true.
Valid = Callable[[Mapping[str, Any]], bool]


def truth_of(kind: str) -> Valid:
    """What decides whether a row of a kind is true in the everyday world; InputError where nothing does."""
    if kind == "triple":
        return Truth.load().valid
    if kind == "comparative":
        return comparatives.Comparatives(Table.load()).valid
    if kind not in _OTHERS:
        known = ", ".join(sorted(("triple", "comparative", *_OTHERS)))
        raise InputError(f"the everyday world has no truth for the kind {kind!r}; it has one for {known}")
    return _OTHERS[kind]


_OTHERS: dict[str, Valid] = {
    "rationale": problems.valid,
    "proposition": sentences.valid,
    "labelled_text": messages.valid,
}
