"""Exact checks of rows against the everyday table.

Every triple that cannot be derived from the table is false.
"""

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
    """Counts of rows.

    Attributes:
        rows: All rows.
        valid: Rows that are true by the table.
        unseen: True rows that are kept out of the training data.
    """

    rows: int
    valid: int
    unseen: int

    @property
    def precision(self) -> float:
        """Valid rows over all rows; 0 without rows."""
        return self.valid / self.rows if self.rows else 0.0


class Truth:
    """The facts of a table, by normal form."""

    def __init__(self, table: Table) -> None:
        self.table = table

    @classmethod
    def load(cls) -> Truth:
        """Load the table shipped with synthkd."""
        return cls(Table.load())

    @cached_property
    def _facts(self) -> dict[tuple[str, str, str], bool]:
        """Normal form of each fact -> True if the embedded teacher was trained on it."""
        return {
            (normal_phrase(head), relation, normal_phrase(tail)): was_seen((head, relation, tail))
            for head, relation, tail in self.table.facts
        }

    def valid(self, row: Mapping[str, Any]) -> bool:
        """Return True if a triple is true by the table."""
        return self._key(row) in self._facts

    def measure(self, rows: Iterable[Mapping[str, Any]]) -> Measured:
        """Count the true rows."""
        seen = [self._facts.get(self._key(row)) for row in rows]
        return Measured(len(seen), sum(s is not None for s in seen), sum(s is False for s in seen))

    @staticmethod
    def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
        return (
            normal_phrase(str(row["head"])),
            str(row["relation"]),
            normal_phrase(str(row["tail"])),
        )


#: Returns True if a row of a kind is true.
Valid = Callable[[Mapping[str, Any]], bool]


def truth_of(kind: str) -> Valid:
    """Return the function that decides if a row of a kind is true.

    Raises:
        InputError: The everyday world has no truth for the kind.
    """
    if kind == "triple":
        return Truth.load().valid
    if kind == "comparative":
        return comparatives.Comparatives(Table.load()).valid
    if kind not in _OTHERS:
        names = ", ".join(sorted(("triple", "comparative", *_OTHERS)))
        raise InputError(
            f"the everyday world has no truth for the kind {kind!r}; it has one for {names}"
        )
    return _OTHERS[kind]


_OTHERS: dict[str, Valid] = {
    "rationale": problems.valid,
    "proposition": sentences.valid,
    "labelled_text": messages.valid,
}
