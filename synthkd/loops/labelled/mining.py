"""Examples of a student's right and wrong answers, which the teacher is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from synthkd.keys import fraction
from synthkd.recipe.student import MinePart
from synthkd.students.base import Floats, LabelledTexts


@dataclass(frozen=True)
class MinedExample:
    """A row and the student's prediction; ``confidence`` is the probability of ``predicted``."""

    text: str
    label: str
    predicted: str
    confidence: float

    def as_dict(self) -> dict[str, Any]:
        """Return the example as a row of inputs holds it, with the confidence to two digits."""
        return {**asdict(self), "confidence": round(self.confidence, 2)}


@dataclass(frozen=True)
class MinedExamples:
    """Examples of one prompt.

    Attributes:
        correct: Rows that the student predicts correctly.
        incorrect: Mistakes.
        hard: The most confident mistakes, which are not among ``incorrect``.
    """

    correct: tuple[MinedExample, ...] = ()
    incorrect: tuple[MinedExample, ...] = ()
    hard: tuple[MinedExample, ...] = ()

    def as_dict(self) -> dict[str, list[dict[str, Any]]]:
        """Return the three columns of an input row."""
        return {
            name: [one.as_dict() for one in getattr(self, name)]
            for name in ("correct", "incorrect", "hard")
        }


def mine_examples(
    texts: LabelledTexts,
    probabilities: Floats,
    classes: Sequence[str],
    part: MinePart,
    seed: int = 0,
    focus: str | None = None,
) -> MinedExamples:
    """Choose examples, spread over the classes: the n-th of each class before the n+1-th of any.

    Hard negatives are the mistakes of highest confidence; the other examples are drawn.

    Args:
        texts: The rows.
        probabilities: (n, C) of a student; rows with NaN are left out.
        classes: The classes, in the order of the columns.
        part: Numbers of examples.
        seed: Seed of the draws.
        focus: Only rows of this class, or that the student takes for it.
    """
    predicted_rows = np.flatnonzero(~np.isnan(probabilities).any(1))
    best = np.full(len(texts), -1)
    best[predicted_rows] = probabilities[predicted_rows].argmax(1)
    rows = [
        MinedExample(
            texts.texts[i], texts.labels[i], classes[best[i]], float(probabilities[i, best[i]])
        )
        for i in predicted_rows.tolist()
    ]
    if focus is not None:
        rows = [row for row in rows if focus in (row.label, row.predicted)]
    drawn = sorted(rows, key=lambda row: fraction(f"{seed}:{row.label}:{row.text}"))
    right = [row for row in drawn if row.label == row.predicted]
    wrong = [row for row in drawn if row.label != row.predicted]
    hard = _spread(sorted(wrong, key=lambda row: -row.confidence), part.hard, focus)
    return MinedExamples(
        tuple(_spread(right, part.correct, focus)),
        tuple(_spread([row for row in wrong if row not in hard], part.incorrect, focus)),
        tuple(hard),
    )


def _spread(rows: Sequence[MinedExample], most: int, focus: str | None) -> list[MinedExample]:
    """Return the first rows, classes in turn; with a focus, the classes confused with it."""
    turns, seen = list[tuple[int, int]](), Counter[str]()
    for position, row in enumerate(rows):
        name = row.predicted if row.label == focus else row.label
        turns.append((seen[name], position))
        seen[name] += 1
    return [rows[position] for _, position in sorted(turns)[:most]]
