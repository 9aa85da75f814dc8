"""The linear student: features, weights, calibrated probabilities, bad rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from synthkd.errors import StudentError
from synthkd.students.base import LabelledTexts
from synthkd.students.classifiers.linear import LinearStudent

WORDS = {
    "card": ["my card is lost", "the card was stolen", "where is my new card",
    "the card does not work", "block this card"],
    "cash": ["no cash came out", "the machine kept my cash", "cash is missing", "I took out cash",
    "wrong amount of cash"],
    "rate": ["which rate do I get", "the rate was wrong", "is the rate fixed", "rate on weekends",
    "why is that rate so bad"],
}  # fmt: skip


def rows(*labels: str, shots: int = 5, **more: Any) -> LabelledTexts:
    found = [(text, label) for label in labels or tuple(WORDS) for text in WORDS[label][:shots]]
    return LabelledTexts(
        tuple(text for text, _ in found), tuple(label for _, label in found), **more
    )


@pytest.mark.parametrize("features", ["tfidf", "hashing"])
def test_it_learns_words(features: Any) -> None:
    student = LinearStudent(features=features).fit(rows())
    assert student.predict(["a stolen card", "the cash", "what rate"]) == ["card", "cash", "rate"]


@pytest.mark.slow
def test_probabilities_sum_to_one_also_for_unknown_and_empty_texts() -> None:
    found = LinearStudent().fit(rows()).probabilities(["my card", "", "çöğü 漢字", "\udcff"])
    assert found.shape == (4, 3)
    np.testing.assert_allclose(found.sum(1), 1)


@pytest.mark.slow
def test_the_same_rows_and_seed_give_the_same_student() -> None:
    first, again = (LinearStudent(seed=3).fit(rows()) for _ in range(2))
    texts = ["some text about cash"]
    np.testing.assert_array_equal(first.probabilities(texts), again.probabilities(texts))
    np.testing.assert_array_equal(
        first.fit(rows()).probabilities(texts), again.probabilities(texts)
    )


def test_a_class_without_a_training_row_has_the_floor_and_is_never_predicted() -> None:
    student = LinearStudent(classes=("card", "cash", "rate", "pin")).fit(rows())
    found = student.probabilities(["my card", "nothing known"])
    np.testing.assert_allclose(found[:, 3], 1 / (15 + 4))
    np.testing.assert_allclose(found.sum(1), 1)
    assert (found.argmax(1) != 3).all()


def test_two_classes_have_probabilities_of_both() -> None:
    student = LinearStudent().fit(rows("card", "cash"))
    found = student.probabilities(["my card", "the cash"])
    assert student.predict(["my card", "the cash"]) == ["card", "cash"]
    assert found[0, 0] > 0.5 > found[1, 0]


def test_a_class_with_one_row_is_learnt() -> None:
    train = LabelledTexts(
        (*rows("card", "cash").texts, "the pin"), (*rows("card", "cash").labels, "pin")
    )
    assert LinearStudent().fit(train).predict(["a pin"]) == ["pin"]


def test_equal_texts_in_two_classes_are_undecided() -> None:
    train = LabelledTexts(("same words", "same words", "other"), ("a", "b", "c"))
    found = LinearStudent().fit(train).probabilities(["same words"])
    assert found[0, 0] == pytest.approx(found[0, 1], abs=0.01)


def test_rows_of_more_weight_count_more() -> None:
    plain = LinearStudent(calibrate=False).fit(rows("card", "cash"))
    weights = np.array([3.0] * 5 + [1.0] * 5)
    heavy = LinearStudent(calibrate=False).fit(rows("card", "cash", weights=weights))
    text = ["card or cash"]
    assert heavy.probabilities(text)[0, 0] > plain.probabilities(text)[0, 0]


def test_balanced_classes_are_predicted_beside_a_large_one() -> None:
    train = LabelledTexts(rows("card").texts * 6 + WORDS_CASH, ("card",) * 30 + ("cash",))
    plain, balanced = (
        LinearStudent(class_weights=weights, strength=0.05, calibrate=False).fit(train)
        for weights in (None, "balanced")
    )
    text = ["cash"]
    assert balanced.probabilities(text)[0, 1] > plain.probabilities(text)[0, 1] + 0.1


WORDS_CASH = ("no cash came out",)


def test_the_name_of_a_class_teaches_it_before_it_has_a_row() -> None:
    student = LinearStudent(("card", "cash", "new_PINCode"), class_names=1).fit(
        rows("card", "cash")
    )
    assert student.predict(["a pin code", "the card"]) == ["new_PINCode", "card"]


def test_validation_rows_calibrate() -> None:
    # With labels that are half wrong, probabilities must be near one half.
    train = rows("card", "cash")
    texts = ("my card", "the cash") * 20
    labels = ("card", "cash", "cash", "card") * 10
    sharp = LinearStudent(calibrate=False, strength=100).fit(train)
    calibrated = LinearStudent(strength=100).fit(train, LabelledTexts(texts, labels))
    assert sharp.probabilities(["my card"]).max() > 0.9
    assert calibrated.probabilities(["my card"]).max() < 0.7


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (LabelledTexts((), ()), "rows are none"),
        (LabelledTexts(("", " "), ("x", "y")), "a word or a sign"),
        (LabelledTexts(("a", "b"), ("x", "x")), "one class 'x'"),
        (LabelledTexts(("a", "b"), ("card", "nothing")), "row 2: 'nothing'"),
        (rows("card", "cash", weights=np.array([1.0] * 9 + [np.nan])), "row 10"),
        (rows("card", "cash", weights=np.array([1.0] * 5 + [0.0] * 5)), "fewer than two classes"),
    ],
)
def test_rows_that_cannot_train_are_refused(train: LabelledTexts, message: str) -> None:
    classes = ("card", "cash") if "nothing" in train.labels else ()
    with pytest.raises(StudentError, match=message):
        LinearStudent(classes).fit(train)


def test_a_validation_row_of_an_unknown_class_is_named() -> None:
    with pytest.raises(StudentError, match="validation rows, row 1: 'pin'"):
        LinearStudent().fit(rows(), LabelledTexts(("x",), ("pin",)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": "tfdif"}, "did you mean 'tfidf'"),
        ({"features": "embeddings"}, "`encoder`"),
        ({"encoder": "somewhere"}, "`encoder`"),
        ({"strength": 0}, "strength: a number above 0 is needed, not 0"),
        ({"bits": 40}, "bits: a whole number from 8 to 22 is needed, not 40"),
        ({"class_names": -1}, "class_names: a number from 0 on is needed, not -1"),
        ({"class_weights": "even"}, "balanced"),
        ({"classes": ("a", "a")}, "twice"),
    ],
)
def test_invalid_options_are_refused_by_the_constructor(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(StudentError, match=message):
        LinearStudent(**options)


def test_an_untrained_student_says_so() -> None:
    with pytest.raises(StudentError, match="not trained"):
        LinearStudent().probabilities(["x"])


@pytest.mark.slow
def test_five_real_rows_a_class_are_enough_for_most_intents(data: Path) -> None:
    table = pq.read_table(data / "banking77" / "train.parquet").to_pylist()
    by_class: dict[str, list[str]] = {}
    for row in table:
        by_class.setdefault(row["label"], []).append(row["text"])
    labelled = [(text, label) for label, texts in by_class.items() for text in texts]
    few = [(t, c) for c, texts in by_class.items() for t in texts[:5]]
    others = [pair for pair in labelled[::9] if pair not in set(few)]
    student = LinearStudent().fit(LabelledTexts(tuple(t for t, _ in few), tuple(c for _, c in few)))
    right = np.mean(
        [a == b for a, (_, b) in zip(student.predict([t for t, _ in others]), others, strict=True)]
    )
    assert right > 0.5
