"""Which classes get how many of a round's rows.

`own` takes a class's loss to fall with its rows as a power law, L (h / n)^b for n rows where h are there now, and gives the
rows so that the sum of these losses is least: n is in proportion to (L h^b)^(1 / (1 + b)), and no class loses rows. Losses
from few validation rows are shrunk to the mean of all first, the more the less they differ beyond what their noise explains:
from five rows a class hardly anything is believed, and what is left is that classes with fewer training rows get more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from synthkd.students.base import Floats, Ints

#: How fast a loss falls with rows.
POWER = 1.0
#: Share of the rows that is given out equally, so that no class is forgotten because its few validation rows look easy.
EVEN = 0.0
#: Variance of the losses of a class's rows, in squares of the mean loss: most are near 0, a few are large. Measured on parts of
#: BANKING77's training rows (5.6 to 6.5); a smaller one believes noise, and costs accuracy there.
SPREAD = 6.0


def shrunk(losses: Sequence[float] | Floats, counts: Sequence[int] | Ints) -> Floats:
    """(C,) losses, each moved to the mean of all by k / (n + k), n its rows and k the rows at which half is believed.

    Empirical Bayes by moments: the losses of single rows have the variance v = `SPREAD` m^2 (m the mean loss), so the means of
    n rows have the noise v / n, and k = v / (variance of the means - mean noise); all are m where that is not above 0. A
    class without rows (or with a loss that is no number) gets m.
    """
    given, rows = np.asarray(losses, dtype=float), np.asarray(counts, dtype=float)
    known = np.isfinite(given) & (rows > 0)
    if not known.any():
        return np.ones(len(given))
    mean = float(np.average(given[known], weights=rows[known]))
    spread = SPREAD * mean**2
    beyond = float(given[known].var()) - spread * float(np.mean(1 / rows[known]))
    keep = np.zeros(len(given))
    if beyond > 0:
        keep[known] = rows[known] / (rows[known] + spread / beyond)
    result: Floats = mean + keep * (np.where(known, given, mean) - mean)
    return result


def own(
    losses: Sequence[float] | Floats,
    counts: Sequence[int] | Ints,
    rows: int,
    have: Sequence[int] | Ints | None = None,
    power: float = POWER,
    even: float = EVEN,
) -> Ints:
    """(C,) rows for each class; they sum to ``rows``. ``losses`` (C,) on ``counts`` (C,) validation rows, in nats; ``have``
    (C,): training rows that are there (default: equally many)."""
    need = np.maximum(shrunk(losses, counts), 1e-9)
    there = np.ones(len(need)) if have is None else np.maximum(np.asarray(have, dtype=float), 1.0)
    spread = round(even * rows)
    wanted = _filled(there, (need * there**power) ** (1 / (1 + power)), rows - spread)
    return _whole(wanted + spread / len(need), rows, need)


def uniform(classes: int, rows: int, have: Sequence[int] | Ints | None = None) -> Ints:
    """(C,) equally many rows for each class; what is left over goes to those that have fewest, then to the first."""
    order = np.argsort(np.zeros(classes) if have is None else np.asarray(have), kind="stable")
    found = np.full(classes, rows // classes, dtype=np.int64)
    found[order[: rows % classes]] += 1
    return found


def _filled(there: Floats, share: Floats, rows: int) -> Floats:
    """What brings the classes to numbers in proportion to ``share``; a class that has more already gets none."""
    order = np.argsort(there / share, kind="stable")
    level = 0.0
    for end in range(1, len(order) + 1):
        among = order[:end]
        level = (rows + there[among].sum()) / share[among].sum()
        if end == len(order) or level <= there[order[end]] / share[order[end]]:
            break
    result: Floats = np.maximum(level * share - there, 0.0)
    return result


def _whole(wanted: Floats, rows: int, need: Floats) -> Ints:
    """Largest remainder; of equal remainders the class of more need, then the first."""
    found: Ints = np.floor(wanted + 1e-9).astype(np.int64)
    order = np.lexsort((np.arange(len(wanted)), -need, -(wanted - found)))
    found[order[: max(0, rows - int(found.sum()))]] += 1
    return found


def by_label(classes: Sequence[str], numbers: Ints) -> dict[str, int]:
    """Classes that get rows, with their numbers."""
    pairs: Any = zip(classes, numbers.tolist(), strict=True)
    return {label: number for label, number in pairs if number}
