"""Few-shot rows: which may be shown for an input, and their draw."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from synthkd.keys import seed_from
from synthkd.rows import CellError, cell_text
from synthkd.text.normal_forms import normal_phrase

InputRow = Mapping[str, Any]


class PromptKind(Protocol):
    """The part of a kind that a template needs: a row's variables and group column."""

    group_column: ClassVar[str]

    def context(
        self, row: InputRow, examples: Sequence[InputRow], rng: random.Random
    ) -> dict[str, Any]: ...


class FewShotRows:
    """The few-shot rows of a template.

    Args:
        examples: The rows.
        shots: Number of rows to show.
        by: Column whose value the shown rows share with the input.
    """

    def __init__(self, examples: Sequence[dict[str, Any]], shots: int, by: str | None) -> None:
        self.shots, self.by = shots, by
        self._pools: dict[str, list[dict[str, Any]]] = {}
        for example in examples:
            self._pools.setdefault(_shared_value(example, by), []).append(example)
        #: Groups of the rows of a pool, by its shared value and the kind's group column.
        self._groups: dict[tuple[str, str], list[str]] = {}

    def pool(self, row: InputRow) -> list[dict[str, Any]]:
        """Return the rows that share an input's value of the column ``by``."""
        return self._pools.get(_shared_value(row, self.by), [])

    def draw(self, row: InputRow, kind: PromptKind, rng: random.Random) -> list[dict[str, Any]]:
        """Draw rows for an input, none of its own group, which would give the answer away."""
        if not self.shots:
            return []
        own = _group(row, kind)
        groups = self._groups_of(_shared_value(row, self.by), kind)
        pool = [
            example for group, example in zip(groups, self.pool(row), strict=True) if group != own
        ]
        return rng.sample(pool, min(self.shots, len(pool)))

    def _groups_of(self, shared: str, kind: PromptKind) -> list[str]:
        key = shared, kind.group_column
        if (groups := self._groups.get(key)) is None:
            groups = self._groups[key] = [
                _group(example, kind) for example in self._pools.get(shared, [])
            ]
        return groups


class LazySeedRandom(random.Random):
    """Random numbers seeded at the first draw.

    Most prompts draw nothing, and seeding costs as much as rendering one.
    """

    _seed_parts: tuple[Any, ...] | None = None

    def seed_lazily(self, *parts: Any) -> None:
        """Seed with `seed_from` of the parts at the next draw."""
        self._seed_parts = parts

    def random(self) -> float:
        """Draw as `random.Random.random`."""
        self._seed_now()
        return super().random()

    def getrandbits(self, k: int, /) -> int:
        """Draw as `random.Random.getrandbits`."""
        self._seed_now()
        return super().getrandbits(k)

    def _seed_now(self) -> None:
        if self._seed_parts is not None:
            parts, self._seed_parts = self._seed_parts, None
            self.seed(seed_from(*parts))


def _shared_value(row: InputRow, by: str | None) -> str:
    """Return the text of a row's column ``by``."""
    if by is None:
        return ""
    try:
        return cell_text(row.get(by)) or ""
    except CellError:
        return ""


def _group(row: InputRow, kind: PromptKind) -> str:
    """Return the group of a row in normal form: `Beast` is `the beast`."""
    value = str(row.get(kind.group_column))
    return normal_phrase(value) or value
