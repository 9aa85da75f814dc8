"""Cross-validation of a loop's training rows: each row is judged by a student that did not see it.

A student makes few mistakes on its own training rows, so examples of its mistakes, and rows that it
contradicts, come from students that were trained on other folds. Near copies of a row share its
fold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from synthkd.errors import StudentError
from synthkd.keys import content_hash, fraction
from synthkd.loops.labelled.splits import LoopSplits
from synthkd.loops.students import student_factory
from synthkd.loops.task import Row
from synthkd.recipe import Recipe
from synthkd.students.base import Classifier, Floats, Ints, LabelledTexts
from synthkd.text.near_duplicates import near_copy_groups

Bools = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


class CrossValidation:
    """Out-of-fold probabilities of a loop's training rows, computed once for each set of rows."""

    def __init__(
        self, recipe: Recipe, splits: LoopSplits, make_student: Callable[[], Classifier]
    ) -> None:
        """Prepare the student that is cross-validated.

        Args:
            recipe: A recipe with a loop; `loop.mine.student` may name a cheaper student.
            splits: The loop's rows.
            make_student: Makes the loop's own student.
        """
        assert recipe.loop is not None
        self._loop, self._seed, self._splits = recipe.loop, recipe.seed, splits
        other = recipe.loop.mine.student
        self._make: Callable[[], Classifier] = (
            student_factory(recipe, other, "labels", classes=splits.classes)
            if other
            else make_student
        )
        self._indices = {label: index for index, label in enumerate(splits.classes)}
        #: Hash and probabilities of the last rows, which training and the next round both need.
        self._last: tuple[str, Floats] | None = None

    def consistent_rows(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows without teacher rows that a student contradicts (`loop.recheck`)."""
        real = len(self._splits.start)
        if self._loop.recheck is None or len(rows) == real:
            return list(rows)
        labels = np.array([self._indices[row["label"]] for row in rows])
        contradictions = find_contradictions(
            self._probabilities(rows),
            labels,
            np.arange(len(rows)) >= real,
            self._loop.recheck,
            self._loop.minimum,
        )
        return [row for row, out in zip(rows, contradictions, strict=True) if not out]

    def minable_rows(
        self, student: Classifier, rows: Sequence[Row], consistent: Sequence[Row]
    ) -> tuple[LabelledTexts, Floats | None]:
        """Return the rows that examples are mined from, with (n, C) probabilities of a student.

        Args:
            student: The last student.
            rows: All training rows.
            consistent: The `consistent_rows` of these.

        Returns:
            Rows and probabilities; None if the recipe shows no mined examples.
        """
        mine = self._loop.mine
        if not (mine.correct or mine.incorrect or mine.hard):
            return labelled_texts(consistent), None
        if mine.by == "oof":
            kept = {id(row) for row in consistent}
            mask = [id(row) in kept for row in rows]
            return labelled_texts(consistent), self._probabilities(rows)[mask]
        pool = (
            self._splits.pool.texts_and_labels if mine.by == "pool" else labelled_texts(consistent)
        )
        return pool, student.probabilities(pool.texts)

    def _probabilities(self, rows: Sequence[Row]) -> Floats:
        key = content_hash([[row["text"], row["label"]] for row in rows])
        if self._last is None or self._last[0] != key:
            probabilities = out_of_fold_probabilities(
                self._make,
                labelled_texts(rows, self._loop.teacher_weight),
                self._loop.mine.folds,
                self._seed,
                self._splits.validation.texts_and_labels,
            )
            self._last = key, probabilities
        return self._last[1]


def labelled_texts(rows: Sequence[Row], teacher_weight: float = 1.0) -> LabelledTexts:
    """Return rows as a student takes them, those of the teacher (with an id) with a weight."""
    texts, labels = tuple(row["text"] for row in rows), tuple(row["label"] for row in rows)
    if teacher_weight == 1.0:
        return LabelledTexts(texts, labels)
    weights = np.array([teacher_weight if "id" in row else 1.0 for row in rows])
    return LabelledTexts(texts, labels, weights)


def find_contradictions(
    probabilities: Floats,
    labels: Ints,
    removable: Sequence[bool] | Bools,
    at_least: float,
    minimum: int = 1,
) -> Bools:
    """Find rows for which another class than their own is probable.

    Args:
        probabilities: (n, C) by students that did not see the row; NaN if unknown.
        labels: (n,) class indices of the rows.
        removable: (n,) rows that may be found.
        at_least: Probability of the other class from which a row is contradicted.
        minimum: Rows of each class that are not found; of contradicted rows, those that fit best.

    Returns:
        (n,) mask.
    """
    rows = np.arange(len(labels))
    others = np.nan_to_num(probabilities, nan=0.0)
    own = others[rows, labels]
    others[rows, labels] = 0.0
    contradicted: Bools = (others.max(1, initial=0.0) >= at_least) & np.asarray(
        removable, dtype=bool
    )
    for label in np.unique(labels[contradicted]):
        of_class = np.flatnonzero(labels == label)
        lacking = minimum - int((~contradicted[of_class]).sum())
        if lacking > 0:
            flagged = of_class[contradicted[of_class]]
            contradicted[flagged[np.lexsort((flagged, -own[flagged]))][:lacking]] = False
    return contradicted


def grouped_folds(
    texts: Sequence[str], labels: Sequence[str], folds: int, seed: int, near: float = 0.8
) -> Ints:
    """Assign rows to folds, classes spread evenly, near copies together.

    A group of near copies counts for the class of most of its rows. A class with fewer rows than
    folds is in as many folds as it has rows.

    Returns:
        (n,) fold of each row.
    """
    members: dict[int, list[int]] = {}
    for row, group in enumerate(near_copy_groups(texts, near)):
        members.setdefault(group, []).append(row)
    by_class: dict[str, list[list[int]]] = {}
    for rows in members.values():
        common = Counter(labels[row] for row in rows).most_common()
        label = min(label for label, count in common if count == common[0][1])
        by_class.setdefault(label, []).append(rows)
    assigned, sizes = np.zeros(len(texts), dtype=np.int64), [0] * folds
    for label in sorted(by_class):
        # A hash of the text, so that the order of rows has no effect.
        order = sorted(
            by_class[label], key=lambda rows: fraction(f"{seed}:{min(texts[row] for row in rows)}")
        )
        of_class = [0] * folds
        for rows in order:
            fold = min(range(folds), key=lambda f: (of_class[f], sizes[f], f))
            assigned[rows] = fold
            of_class[fold] += 1
            sizes[fold] += len(rows)
    return assigned


def out_of_fold_probabilities(
    make: Callable[[], Classifier],
    texts: LabelledTexts,
    folds: int = 5,
    seed: int = 0,
    validation: LabelledTexts | None = None,
) -> Floats:
    """Return the probabilities of each row by a student that was trained on other folds.

    Args:
        make: Makes an untrained student.
        texts: The rows.
        folds: Number of folds.
        seed: Seed of the folds.
        validation: Calibrates and stops the students.

    Returns:
        (n, C) in the order of the student's classes, or of the sorted labels if it names none;
        NaN for a row whose class has no other row to train on.

    Raises:
        StudentError: For fewer than two different rows.
    """
    classes = make().classes or tuple(sorted(set(texts.labels)))
    folds = min(folds, len(set(near_copy_groups(texts.texts))))
    if folds < 2:
        raise StudentError(
            f"{len(texts)} different training rows: two at least are needed to cross-validate"
        )
    fold = grouped_folds(texts.texts, texts.labels, folds, seed)
    probabilities = np.full((len(texts), len(classes)), np.nan)
    labels = np.array(texts.labels, dtype=object)
    column = {label: index for index, label in enumerate(classes)}
    for number in range(folds):
        test, train = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        trained = set(labels[train])
        predicted = [int(row) for row in test if labels[row] in trained]
        if not predicted or len(trained) < 2:
            continue
        student = make().fit(texts.take(train), validation)
        probabilities[predicted] = 0.0
        columns = [column[label] for label in student.classes]
        probabilities[np.ix_(predicted, columns)] = student.probabilities(
            [texts.texts[row] for row in predicted]
        )
    return probabilities
