"""What earlier rounds say about each class: whether its rows still come, and whether they helped.

A class falls short where the teacher brings it fewer rows than it was asked for, round after round, and significantly fewer
than it brings the others: a pool that is used up, a language model that repeats itself and is rejected as a duplicate. One bad
round proves nothing, since all rows of a class may stand in one answer that cannot be read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

#: Rounds in a row that fall short before a class is limited.
_ROUNDS = 2
#: Chance, at the other classes' rate, below which a shortfall counts; and the highest rate that is assumed, so that two missing
#: rows are the least that tell.
_CHANCE, _HIGHEST = 0.02, 0.9
#: A class that brings nothing is tried again with one row after so many rounds.
_AGAIN = 4

Counts = Mapping[str, int]


@dataclass(frozen=True)
class Supply:
    """Classes that fall short. ``room``: rows that each may be asked for in the next round, 0 where nothing came lately."""

    room: Mapping[str, int]

    @property
    def ended(self) -> list[str]:
        """Classes that brought nothing in their last round."""
        return [label for label, rows in self.room.items() if not rows]

    def of(self, classes: Sequence[str], again: Sequence[str] = ()) -> list[float]:
        """(C,) room of each class, one row for those that are tried ``again``; infinite for classes that do not fall short."""
        return [max(self.room.get(label, math.inf), float(label in set(again))) for label in classes]


def estimate_supply(asked: Sequence[Counts], came: Sequence[Counts], classes: Sequence[str]) -> Supply:
    """Find the classes that fall short.

    Args:
        asked: for each round, the rows that were asked for by class; the key "" (any class) is left out.
        came: for each round, the rows that were accepted by class.
        classes: the classes, in their order.
    """
    short: dict[str, int] = {}
    # Twice, so that classes without supply do not lower the rate that the others are held to.
    for _ in range(2):
        rate = _rate(asked, came, [label for label in classes if label not in short] or classes)
        short = {
            label: room
            for label in classes
            if (room := _room([(a[label], c.get(label, 0)) for a, c in zip(asked, came, strict=True) if a.get(label)], rate))
            is not None
        }  # fmt: skip
    return Supply(short)


def _rate(asked: Sequence[Counts], came: Sequence[Counts], classes: Sequence[str]) -> float:
    """Rows that come for each row asked for, of classes of which any came; no class counts for more than it was asked."""
    some = {label for one in came for label, rows in one.items() if rows}
    classes = [label for label in classes if label in some]
    wanted = sum(a.get(label, 0) for a in asked for label in classes)
    got = sum(
        min(a.get(label, 0), c.get(label, 0)) for a, c in zip(asked, came, strict=True) for label in classes
    )
    return min(_HIGHEST, got / wanted) if wanted else 0.0


def _room(rounds: Sequence[tuple[int, int]], rate: float) -> int | None:
    """Rows that a class may be asked for after rounds of (asked, came); None where it does not fall short."""
    from scipy.special import bdtr

    streak: list[tuple[int, int]] = []
    for wanted, got in reversed(rounds):
        if got >= rate * wanted:
            break
        streak.append((wanted, got))
    if len(streak) < _ROUNDS:
        return None
    wanted, got = (sum(part) for part in zip(*streak, strict=True))
    return 2 * streak[0][1] if bdtr(got, wanted, rate) < _CHANCE else None


def classes_to_retry(asked: Sequence[Counts], labels: Sequence[str]) -> list[str]:
    """Those of the classes that were not asked for in the last rounds, and are tried again."""
    return [label for label in labels if not any(one.get(label) for one in asked[1 - _AGAIN :])]


def unresponsive_classes(
    losses: Sequence[Mapping[str, float | None]], asked: Sequence[Counts], classes: Sequence[str], rounds: int
) -> list[str]:
    """Find classes that got more than an equal share for so many rounds, while their loss did not fall.

    Args:
        losses: validation losses by class, of round 0 and of each round since.
        asked: for the same rounds, the rows that were asked for by class.
        classes: the classes, in their order.
        rounds: how many of the last rounds are looked at.
    """
    if len(losses) <= rounds:
        return []
    recent = asked[-rounds:]
    equal = sum(sum(one.values()) for one in recent) / max(1, len(classes))
    found = []
    for label in classes:
        before, now = losses[-1 - rounds].get(label), losses[-1].get(label)
        more = sum(one.get(label, 0) for one in recent) > math.ceil(equal)
        if (
            more
            and before is not None
            and now is not None
            and np.isfinite([before, now]).all()
            and now >= before
        ):
            found.append(label)
    return found
