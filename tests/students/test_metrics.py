"""Metrics of classifiers: compared with scikit-learn and with hand-worked values; edge cases."""

from __future__ import annotations

import json

import numpy as np
import pytest

from synthkd.errors import StudentError
from synthkd.students.metrics import evaluate_classifier, paired_bootstrap

CLASSES = ("a", "b", "c")


def random_rows(n: int = 500, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    logits = rng.normal(size=(n, 3)) + 1.5 * np.eye(3)[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return probabilities, [CLASSES[i] for i in truth]


def test_figures_equal_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    probabilities, labels = random_rows()
    predicted = [CLASSES[i] for i in probabilities.argmax(1)]
    found = evaluate_classifier(probabilities, labels, CLASSES, draws=0)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert found.macro_f1 == pytest.approx(metrics.f1_score(labels, predicted, average="macro"))
    assert found.loss == pytest.approx(
        metrics.log_loss(labels, probabilities, labels=list(CLASSES))
    )
    assert (
        found.confusion == metrics.confusion_matrix(labels, predicted, labels=list(CLASSES))
    ).all()
    table = metrics.precision_recall_fscore_support(labels, predicted, labels=list(CLASSES))
    for place, figures in enumerate(found.per_class):
        assert (figures.precision, figures.recall, figures.f1, figures.rows) == pytest.approx(
            tuple(float(column[place]) for column in table)
        )


def test_the_loss_of_a_class_is_the_mean_over_its_rows() -> None:
    found = evaluate_classifier(
        np.array([[0.5, 0.5], [0.25, 0.75], [0.1, 0.9]]), ["a", "a", "b"], ("a", "b"), draws=0
    )
    assert found.per_class[0].loss == pytest.approx(-(np.log(0.5) + np.log(0.25)) / 2)
    assert found.per_class[1].loss == pytest.approx(-np.log(0.9))


def test_a_certain_mistake_has_a_finite_loss() -> None:
    found = evaluate_classifier(np.array([[1.0, 0.0], [1.0, 0.0]]), ["b", "a"], ("a", "b"), draws=0)
    assert np.isfinite(found.loss)
    assert found.loss > 10


def test_calibration_error_is_hand_worked() -> None:
    # One bin of equal confidences: 0.8 said, half right.
    found = evaluate_classifier(
        np.array([[0.8, 0.2]] * 4), ["a", "a", "b", "b"], ("a", "b"), draws=0
    )
    assert found.ece == pytest.approx(0.3)


def test_calibration_error_of_many_bins_equals_a_loop() -> None:
    probabilities, labels = random_rows(3000)
    confidence = probabilities.max(1)
    correct = np.array([CLASSES[i] for i in probabilities.argmax(1)]) == np.array(labels)
    parts = np.array_split(np.argsort(confidence), 15)
    by_hand = (
        sum(abs(confidence[part].mean() - correct[part].mean()) * len(part) for part in parts)
        / 3000
    )
    assert evaluate_classifier(probabilities, labels, CLASSES, draws=0).ece == pytest.approx(
        by_hand, abs=1e-3
    )


def test_a_class_without_rows_has_no_figures_and_macro_f1_leaves_it_out() -> None:
    found = evaluate_classifier(
        np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]]), ["a", "a"], CLASSES, draws=50
    )
    assert found.missing == ("b", "c")
    assert (found.per_class[1].f1, found.per_class[2].precision, found.per_class[2].loss) == (
        None,
        None,
        None,
    )
    assert found.macro_f1 == pytest.approx(2 / 3)
    assert "2 classes have no row" in str(found)


def test_a_class_that_is_never_predicted_has_f1_zero() -> None:
    found = evaluate_classifier(np.array([[0.9, 0.1], [0.9, 0.1]]), ["a", "b"], ("a", "b"), draws=0)
    assert (found.per_class[1].precision, found.per_class[1].f1) == (0.0, 0.0)
    assert found.macro_f1 == pytest.approx((2 / 3 + 0) / 2)


@pytest.mark.slow
def test_intervals_equal_a_plain_bootstrap_over_rows() -> None:
    probabilities, labels = random_rows(200)
    found = evaluate_classifier(probabilities, labels, CLASSES, draws=4000)
    rng = np.random.default_rng(1)
    plain = []
    for _ in range(2000):
        rows = rng.integers(0, 200, 200)
        drawn = evaluate_classifier(
            probabilities[rows], [labels[i] for i in rows], CLASSES, draws=0
        )
        plain.append((drawn.accuracy, drawn.macro_f1))
    for place, name in enumerate(("accuracy", "macro_f1")):
        by_rows = np.quantile([one[place] for one in plain], [0.025, 0.975])
        assert found.intervals[name] == pytest.approx(by_rows, abs=0.01)


def test_the_same_seed_gives_the_same_intervals_and_no_draws_give_none() -> None:
    probabilities, labels = random_rows()
    assert (
        evaluate_classifier(probabilities, labels, CLASSES).intervals
        == evaluate_classifier(probabilities, labels, CLASSES).intervals
    )
    assert evaluate_classifier(probabilities, labels, CLASSES, draws=0).intervals == {}


def test_a_label_that_is_no_class_is_refused_with_its_row() -> None:
    with pytest.raises(StudentError, match="row 2: 'd' is none of the 3 classes"):
        evaluate_classifier(np.full((2, 3), 1 / 3), ["a", "d"], CLASSES)


def test_probabilities_that_are_no_numbers_are_refused_with_their_row() -> None:
    with pytest.raises(StudentError, match="row 2"):
        evaluate_classifier(np.array([[0.5, 0.5], [np.nan, np.nan]]), ["a", "b"], ("a", "b"))


def test_no_rows_are_refused() -> None:
    with pytest.raises(StudentError, match="no rows"):
        evaluate_classifier(np.zeros((0, 2)), [], ("a", "b"))


def test_confusions_come_most_frequent_first() -> None:
    probabilities = np.eye(3)[[1, 1, 2, 0]]
    found = evaluate_classifier(probabilities, ["a", "a", "b", "a"], CLASSES, draws=0)
    assert found.confusions == (("a", "b", 2), ("b", "c", 1))


def test_an_evaluation_can_be_read_as_text_html_and_json() -> None:
    probabilities, labels = random_rows(50)
    found = evaluate_classifier(probabilities, labels, CLASSES, draws=100)
    assert "accuracy" in str(found)
    assert "<table>" in found._repr_html_()
    assert json.loads(json.dumps(found.as_dict()))["rows"] == 50


def test_html_shows_labels_as_text() -> None:
    found = evaluate_classifier(np.eye(2), ["<b>", "a"], ("<b>", "a"), draws=0)
    assert "&lt;b&gt;" in found._repr_html_()


def test_paired_bootstrap_gives_the_difference_and_an_interval_around_it() -> None:
    rng = np.random.default_rng(0)
    b = rng.random(2000) < 0.7
    a = b | (rng.random(2000) < 0.2)
    difference, low, high = paired_bootstrap(a, b)
    assert difference == pytest.approx(a.mean() - b.mean())
    assert 0 < low < difference < high


def test_paired_bootstrap_of_equal_predictions_is_zero() -> None:
    correct = np.array([True, False, True])
    assert paired_bootstrap(correct, correct, 100) == (0.0, 0.0, 0.0)


def test_paired_bootstrap_over_several_trainings_draws_them_too() -> None:
    rng = np.random.default_rng(0)
    b = rng.random((3, 1000)) < 0.7
    # The trainings differ far more than the rows do.
    a = np.stack([b[0], b[1] | True, b[2]])
    difference, low, high = paired_bootstrap(a, b, 2000)
    assert low == pytest.approx(0.0, abs=1e-9)
    assert low < difference < high


def test_paired_bootstrap_refuses_other_rows() -> None:
    with pytest.raises(ValueError, match="same rows"):
        paired_bootstrap([True], [True, False])
