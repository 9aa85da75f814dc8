"""The supply of each class, estimated from earlier rounds: whether its rows still come, and helped.

A class falls short if it gets fewer rows than requested, round after round, and significantly fewer
than the other classes: a pool is used up, or a language model repeats itself and its rows are
duplicates. A single bad round is no evidence, since all rows of a class may be in one malformed
completion.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

#: Consecutive short rounds after which a class is limited.
_ROUNDS = 2
#: Probability of a shortfall, at the rate of the other classes, below which it counts; and the
#: highest rate that is assumed, so that two missing rows are the smallest evidence.
_CHANCE, _HIGHEST = 0.02, 0.9
#: Rounds after which a class without supply is requested again, with one row.
_AGAIN = 4

Counts = Mapping[str, int]


@dataclass(frozen=True)
class Supply:
    """The classes that fall short, with the rows to request in the next round; 0 if none came."""

    room: Mapping[str, int]

    @property
    def ended(self) -> list[str]:
        """Classes without any row in their last round."""
        return [label for label, rows in self.room.items() if not rows]

    def limits(self, classes: Sequence[str], retried: Sequence[str] = ()) -> list[float]:
        """Return (C,) maximum rows: infinite for classes without a shortfall, 1 for ``retried``."""
        return [
            max(self.room.get(label, math.inf), float(label in set(retried))) for label in classes
        ]


def estimate_supply(
    requested: Sequence[Counts], accepted: Sequence[Counts], classes: Sequence[str]
) -> Supply:
    """Find the classes that fall short.

    Args:
        requested: Rows requested by class, for each round; the key "" (any class) is ignored.
        accepted: Rows accepted by class, for each round.
        classes: The classes, in order.
    """
    short: dict[str, int] = {}
    # Twice, so that classes without supply do not lower the expected rate of the others.
    for _ in range(2):
        rate = _rate(requested, accepted, [one for one in classes if one not in short] or classes)
        short = {}
        for label in classes:
            rounds = [
                (wanted[label], got.get(label, 0))
                for wanted, got in zip(requested, accepted, strict=True)
                if wanted.get(label)
            ]
            if (room := _room(rounds, rate)) is not None:
                short[label] = room
    return Supply(short)


def _rate(requested: Sequence[Counts], accepted: Sequence[Counts], classes: Sequence[str]) -> float:
    """Return accepted over requested rows of classes with any; surplus rows do not count."""
    some = {label for counts in accepted for label, rows in counts.items() if rows}
    classes = [label for label in classes if label in some]
    wanted = sum(counts.get(label, 0) for counts in requested for label in classes)
    got = sum(
        min(r.get(label, 0), a.get(label, 0))
        for r, a in zip(requested, accepted, strict=True)
        for label in classes
    )
    return min(_HIGHEST, got / wanted) if wanted else 0.0


def _room(rounds: Sequence[tuple[int, int]], rate: float) -> int | None:
    """Return the rows to request after rounds (requested, accepted); None without a shortfall."""
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


def classes_to_retry(requested: Sequence[Counts], labels: Sequence[str]) -> list[str]:
    """Return the classes that were not requested in the last rounds, and are due again."""
    recent = requested[1 - _AGAIN :]
    return [label for label in labels if not any(counts.get(label) for counts in recent)]


def unresponsive_classes(
    losses: Sequence[Mapping[str, float | None]],
    requested: Sequence[Counts],
    classes: Sequence[str],
    rounds: int,
) -> list[str]:
    """Find classes that got more than an equal share in recent rounds without a lower loss.

    Args:
        losses: Validation losses by class, of round 0 and of each round since.
        requested: Rows requested by class, for the same rounds.
        classes: The classes, in order.
        rounds: Number of recent rounds.
    """
    if len(losses) <= rounds:
        return []
    recent = requested[-rounds:]
    equal = sum(sum(one.values()) for one in recent) / max(1, len(classes))
    unresponsive = []
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
            unresponsive.append(label)
    return unresponsive
