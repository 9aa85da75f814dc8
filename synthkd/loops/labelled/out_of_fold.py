"""Training rows as students see them that were not trained on them: which are kept, and what is mined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synthkd.keys import content_hash
from synthkd.loops.labelled.sets import LoopSplits
from synthkd.loops.labelled.students import StudentMaker
from synthkd.loops.task import Row
from synthkd.recipe import LoopPart
from synthkd.students.base import Classifier, Floats, Ints, LabelledTexts

Bools = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def find_contradictions(
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


class CrossValidation:
    """Cross-validates a loop's rows, once for each set of them."""

    def __init__(self, part: LoopPart, maker: StudentMaker, sets: LoopSplits) -> None:
        self.part, self.maker, self.sets = part, maker, sets
        self._places = {label: place for place, label in enumerate(sets.classes)}
        #: The last rows, by their hash, and what came of them: asked when a student is trained, and again for the next round.
        self._answers: tuple[str, Floats] | None = None

    def kept(self, rows: Sequence[Row]) -> list[Row]:
        """All rows but, with `recheck`, those of the teacher that a cross-validated student contradicts."""
        real = len(self.sets.start)
        if self.part.recheck is None or len(rows) == real:
            return list(rows)
        given = np.array([self._places[row["label"]] for row in rows])
        judged = np.arange(len(rows)) >= real
        found = find_contradictions(
            self._probabilities(rows), given, judged, self.part.recheck, self.part.minimum
        )
        return [row for row, out in zip(rows, found, strict=True) if not out]

    def mined(
        self, student: Classifier, rows: Sequence[Row], kept: Sequence[Row]
    ) -> tuple[LabelledTexts, Floats | None]:
        """The rows that examples are taken from, and (n, C) what is said of each; None where no example is shown anyway."""
        if not self.maker.mines:
            return texts_of(kept), None
        if self.part.mine.by == "oof":
            ids = {id(row) for row in kept}
            return texts_of(kept), self._probabilities(rows)[[id(row) in ids for row in rows]]
        mined = self.sets.pool.rows if self.part.mine.by == "pool" else texts_of(kept)
        return mined, student.probabilities(mined.texts)

    def _probabilities(self, rows: Sequence[Row]) -> Floats:
        key = content_hash([[row["text"], row["label"]] for row in rows])
        if self._answers is None or self._answers[0] != key:
            self._answers = key, self.maker.crossed(texts_of(rows), self.sets.validation.rows)
        return self._answers[1]


def texts_of(rows: Sequence[Row]) -> LabelledTexts:
    """Rows as a student takes them."""
    return LabelledTexts(tuple(row["text"] for row in rows), tuple(row["label"] for row in rows))
