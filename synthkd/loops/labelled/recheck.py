"""Rows of the teacher that the student contradicts, looked at again each round.

A round's own rows are too few to tell a wrong label among them; with every round there is more to judge the earlier ones by.
So before a student is trained, all rows are answered by cross-validation, and those of the teacher whose label another one
beats surely are set aside. They stay in the corpus, and the next round may take them in again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synthkd.students.base import Floats, Ints

Bools = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def contradicted(
    probabilities: Floats, given: Ints, judged: Sequence[bool] | Bools, at_least: float, minimum: int = 1
) -> Bools:
    """(n,) whether another class than the given one has a probability of ``at_least``. ``probabilities`` (n, C) by students that
    did not see the row, NaN where nobody can say; ``given`` (n,) labels as places; ``judged`` (n,): rows that may be set aside.

    ``minimum`` rows of each class stay: of the contradicted ones those that fit best.
    """
    rows = np.arange(len(given))
    others = np.nan_to_num(probabilities, nan=0.0)
    fits = others[rows, given]
    others[rows, given] = 0.0
    found: Bools = (others.max(1, initial=0.0) >= at_least) & np.asarray(judged, dtype=bool)
    for place in np.unique(given[found]):
        mine = np.flatnonzero(given == place)
        lacking = minimum - int((~found[mine]).sum())
        if lacking > 0:
            flagged = mine[found[mine]]
            found[flagged[np.lexsort((flagged, -fits[flagged]))][:lacking]] = False
    return found
