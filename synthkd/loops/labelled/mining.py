"""Examples of what a student gets right and wrong, for the teacher that writes its next rows.

A student makes few mistakes on the rows it was trained on, so its answers come from cross-validation by default: a row is
answered by a student that saw neither it nor a near copy of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from synthkd.errors import StudentError
from synthkd.keys import fraction
from synthkd.recipe.student import MinePart
from synthkd.students.base import Classifier, Floats, Ints, LabelledTexts
from synthkd.text.near_duplicates import near_copy_groups


@dataclass(frozen=True)
class MinedExample:
    """A row and what the student says of it; ``confidence`` is its probability of ``predicted``."""

    text: str
    label: str
    predicted: str
    confidence: float

    def as_dict(self) -> dict[str, Any]:
        """As a row of inputs has it; the confidence to two digits, as a prompt shows it."""
        return {**asdict(self), "confidence": round(self.confidence, 2)}


@dataclass(frozen=True)
class MinedExamples:
    """Rows that the student got right, rows that it got wrong, and the mistakes that it was surest of (these are not among
    ``incorrect``)."""

    correct: tuple[MinedExample, ...] = ()
    incorrect: tuple[MinedExample, ...] = ()
    hard: tuple[MinedExample, ...] = ()

    def as_dict(self) -> dict[str, list[dict[str, Any]]]:
        """The three columns of an input row."""
        return {
            name: [one.as_dict() for one in getattr(self, name)] for name in ("correct", "incorrect", "hard")
        }


def grouped_folds(
    texts: Sequence[str], labels: Sequence[str], folds: int, seed: int, near: float = 0.8
) -> Ints:
    """(n,) a fold for each row: classes spread evenly over the folds, near copies in one fold. Rows of one group belong to the
    class of the most of them. A class with fewer rows than folds lies in as many folds as it has rows."""
    group = near_copy_groups(texts, near)
    members: dict[int, list[int]] = {}
    for place, number in enumerate(group):
        members.setdefault(number, []).append(place)
    by_class: dict[str, list[list[int]]] = {}
    for rows in members.values():
        common = Counter(labels[row] for row in rows).most_common()
        label = min(label for label, count in common if count == common[0][1])
        by_class.setdefault(label, []).append(rows)
    found, sizes = np.zeros(len(texts), dtype=np.int64), [0] * folds
    for label in sorted(by_class):
        # A hash of the text decides, so that the order of rows does not.
        order = sorted(
            by_class[label], key=lambda rows: fraction(f"{seed}:{min(texts[row] for row in rows)}")
        )
        own = [0] * folds
        for rows in order:
            fold = min(range(folds), key=lambda f: (own[f], sizes[f], f))
            found[rows] = fold
            own[fold] += 1
            sizes[fold] += len(rows)
    return found


def out_of_fold_probabilities(
    make: Callable[[], Classifier],
    texts: LabelledTexts,
    folds: int = 5,
    seed: int = 0,
    validation: LabelledTexts | None = None,
) -> Floats:
    """(n, C) probabilities of each row by a student that was trained on other folds; C in the order of ``make().classes``, or
    of the sorted labels where it names none.

    A row is NaN where no row of its class was left to train on: what a student says then tells nothing. ``validation``
    calibrates and stops the students, as it does the one that is kept.
    """
    model = make()
    classes = model.classes or tuple(sorted(set(texts.labels)))
    folds = min(folds, len(set(near_copy_groups(texts.texts))))
    if folds < 2:
        raise StudentError(f"{len(texts)} different training rows: two at least are needed to cross-validate")
    fold = grouped_folds(texts.texts, texts.labels, folds, seed)
    found = np.full((len(texts), len(classes)), np.nan)
    labels = np.array(texts.labels, dtype=object)
    column = {label: place for place, label in enumerate(classes)}
    for here in range(folds):
        held, rest = np.flatnonzero(fold == here), np.flatnonzero(fold != here)
        known = set(labels[rest])
        asked = [int(row) for row in held if labels[row] in known]
        if not asked or len(known) < 2:
            continue
        model = make().fit(texts.take(rest), validation)
        probabilities = model.probabilities([texts.texts[row] for row in asked])
        found[asked] = 0.0
        found[np.ix_(asked, [column[label] for label in model.classes])] = probabilities
    return found


def mine_examples(
    texts: LabelledTexts,
    probabilities: Floats,
    classes: Sequence[str],
    part: MinePart,
    seed: int = 0,
    focus: str | None = None,
) -> MinedExamples:
    """Choose examples, as many as ``part`` says, spread over the classes (the n-th of each class before the n+1-th of any).

    Hard ones are the mistakes of highest confidence; the others are drawn. ``focus``: only rows that bear on this class, its
    own and those that were taken for it. Rows without an answer (NaN) are left out.
    """
    answered = np.flatnonzero(~np.isnan(probabilities).any(1))
    best = np.full(len(texts), -1)
    best[answered] = probabilities[answered].argmax(1)
    rows = [
        MinedExample(texts.texts[i], texts.labels[i], classes[best[i]], float(probabilities[i, best[i]]))
        for i in answered.tolist()
    ]
    if focus is not None:
        rows = [row for row in rows if focus in (row.label, row.predicted)]
    drawn = sorted(rows, key=lambda row: fraction(f"{seed}:{row.label}:{row.text}"))
    wrong = [row for row in drawn if row.label != row.predicted]
    hard = _spread(sorted(wrong, key=lambda row: -row.confidence), part.hard, focus)
    return MinedExamples(
        tuple(_spread([row for row in drawn if row.label == row.predicted], part.correct, focus)),
        tuple(_spread([row for row in wrong if row not in hard], part.incorrect, focus)),
        tuple(hard),
    )


def _spread(rows: Sequence[MinedExample], most: int, focus: str | None) -> list[MinedExample]:
    """The first ones, taking turns among classes; for a class in focus, among what it is confused with."""
    turn, seen = list[tuple[int, int]](), Counter[str]()
    for place, row in enumerate(rows):
        name = row.predicted if row.label == focus else row.label
        turn.append((seen[name], place))
        seen[name] += 1
    return [rows[place] for _, place in sorted(turn)[:most]]
