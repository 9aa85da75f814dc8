"""Examples of right and wrong answers, from students that did not see the rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from synthkd.errors import StudentError
from synthkd.loops.labelled.cross_validation import grouped_folds, out_of_fold_probabilities
from synthkd.loops.labelled.mining import mine_examples
from synthkd.recipe.student import MinePart
from synthkd.students.base import Classifier, Floats, LabelledTexts


class Memory(Classifier):
    """Knows the texts that it was trained on, and takes all others for the commonest class."""

    name = "memory"

    def fit(self, train: LabelledTexts, validation: LabelledTexts | None = None) -> Self:
        self.check_training_rows(train)
        self.known = dict(zip(train.texts, train.labels, strict=True))
        self.common = max(sorted(set(train.labels)), key=train.labels.count)
        return self

    def probabilities(self, texts: Sequence[str]) -> Floats:
        found = np.full((len(texts), len(self.classes)), 0.1 / (len(self.classes) - 1))
        for row, text in enumerate(texts):
            found[row, self.classes.index(self.known.get(text, self.common))] = 0.9
        return found

    def save(self, folder: Path) -> None: ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        raise NotImplementedError


def _rows(**numbers: int) -> LabelledTexts:
    pairs = [
        (f"{label * 6} number {i * 7919}", label)
        for label, many in numbers.items()
        for i in range(many)
    ]
    return LabelledTexts(tuple(text for text, _ in pairs), tuple(label for _, label in pairs))


def test_no_row_is_answered_by_a_student_that_saw_it() -> None:
    rows = _rows(a=6, b=4)
    found = out_of_fold_probabilities(Memory, rows, folds=3)
    # What is known by heart would be right; what was not seen is taken for the commonest class.
    assert [["a", "b"][i] for i in found.argmax(1)] == ["a"] * 10


def test_a_near_copy_does_not_tell_the_answer() -> None:
    rows = _rows(a=6, b=3)
    texts = LabelledTexts((*rows.texts, rows.texts[-1] + "!"), (*rows.labels, "b"))
    fold = grouped_folds(texts.texts, texts.labels, 4, 0)
    assert fold[-1] == fold[-2]


def test_folds_are_even_within_each_class() -> None:
    rows = _rows(a=20, b=5, c=2)
    fold = grouped_folds(rows.texts, rows.labels, 5, 0)
    labels = np.array(rows.labels)
    assert np.bincount(fold[labels == "a"], minlength=5).tolist() == [4] * 5
    assert np.bincount(fold[labels == "b"], minlength=5).tolist() == [1] * 5
    assert sorted(np.bincount(fold[labels == "c"], minlength=5).tolist()) == [0, 0, 0, 1, 1]


def test_folds_do_not_depend_on_the_order_of_rows() -> None:
    rows = _rows(a=9, b=7)
    turned = rows.take(range(15, -1, -1))
    fold = grouped_folds(rows.texts, rows.labels, 3, 1)
    assert grouped_folds(turned.texts, turned.labels, 3, 1)[::-1].tolist() == fold.tolist()


def test_the_only_row_of_a_class_has_no_answer_and_is_not_shown() -> None:
    rows = _rows(a=5, b=5, c=1)
    found = out_of_fold_probabilities(lambda: Memory(["a", "b", "c"]), rows, folds=4)
    assert np.isnan(found).all(1).tolist() == [False] * 10 + [True]
    mined = mine_examples(rows, found, ["a", "b", "c"], MinePart())
    assert "c" not in {row.label for row in (*mined.correct, *mined.incorrect, *mined.hard)}


def test_a_class_with_fewer_rows_than_folds_is_answered() -> None:
    rows = _rows(a=8, b=2)
    assert not np.isnan(out_of_fold_probabilities(Memory, rows, folds=5)).any()


def test_one_text_cannot_be_cross_validated() -> None:
    with pytest.raises(StudentError, match="1 different training rows"):
        out_of_fold_probabilities(Memory, LabelledTexts(("the same",), ("a",)))


def _answers() -> tuple[LabelledTexts, Floats, list[str]]:
    rows = _rows(a=4, b=4, c=4)
    confidence = np.linspace(0.5, 0.9, 12)
    found = np.zeros((12, 3))
    for i in range(12):
        wrong = i % 4 < 2
        said = (i // 4 + wrong) % 3
        found[i] = (1 - confidence[i]) / 2
        found[i, said] = confidence[i]
    return rows, found, ["a", "b", "c"]


def test_hard_negatives_are_the_surest_mistake_of_each_class_before_the_second_of_any() -> None:
    rows, found, classes = _answers()
    mined = mine_examples(rows, found, classes, MinePart(hard=4))
    assert [row.label for row in mined.hard] == ["c", "b", "a", "c"]
    assert mined.hard[0].confidence == pytest.approx(found[9].max())
    assert all(row.label != row.predicted for row in mined.hard)


def test_the_three_lists_share_no_row_and_have_the_asked_numbers() -> None:
    rows, found, classes = _answers()
    mined = mine_examples(rows, found, classes, MinePart(hard=2, incorrect=3, correct=5))
    lists: list[Any] = [mined.correct, mined.incorrect, mined.hard]
    assert [len(part) for part in lists] == [5, 3, 2]
    assert len({row.text for part in lists for row in part}) == 10
    assert all(row.label == row.predicted for row in mined.correct)


def test_a_class_in_focus_gets_its_own_mistakes_and_those_taken_for_it() -> None:
    rows, found, classes = _answers()
    mined = mine_examples(rows, found, classes, MinePart(), focus="b")
    assert {(row.label, row.predicted) for row in mined.hard} == {("a", "b"), ("b", "c")}
    assert {row.label for row in mined.correct} == {"b"}


def test_the_same_seed_shows_the_same_examples() -> None:
    rows, found, classes = _answers()
    part = MinePart(hard=0, incorrect=2, correct=2)
    assert mine_examples(rows, found, classes, part, 1) == mine_examples(
        rows, found, classes, part, 1
    )
    assert mine_examples(rows, found, classes, part, 1) != mine_examples(
        rows, found, classes, part, 2
    )
