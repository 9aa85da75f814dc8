"""Parts of the benchmark of students."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
from benchmarks import banking77
from benchmarks.students import BENCHMARK, classifiers, setfit


@pytest.mark.slow
def test_the_classifiers_part_compares_ours_with_scikit_learn_on_the_same_rows(data: Path) -> None:
    options = BENCHMARK.options(
        ["--quick", "--seeds", "1", "--encoder", "none", "--data", str(data)]
    )
    found = classifiers.figures(options)
    assert found["ours_linear_tf_idf_5shot"] > 0.5
    assert found["sklearn_minus_ours_5shot_low"] <= found["sklearn_minus_ours_5shot"] < 0


@pytest.mark.slow
def test_the_baseline_takes_the_strength_that_is_most_accurate_in_cross_validation() -> None:
    rng = np.random.default_rng(0)
    labels = ["a", "b"] * 40
    # A column of large noise beside one of small signal: a weak C sees the noise alone.
    signal = np.where(np.array(labels) == "a", 0.05, -0.05)
    features = np.stack([signal, rng.normal(size=80)], 1)
    assert classifiers.sklearn_head(features, labels, 0, (1e-4, 1e4)).C == 1e4
    assert classifiers.sklearn_head(features, labels, 0, (1e-4,)).C == 1e-4


def test_a_draw_has_so_many_rows_of_each_class_and_depends_on_its_seed(data: Path) -> None:
    train = banking77.split(data, "train")
    few = banking77.draw(train, 5, 0)
    assert len(few) == 5 * 77
    assert len(set(few.labels)) == 77
    assert few.texts == banking77.draw(train, 5, 0).texts != banking77.draw(train, 5, 1).texts


def test_a_peer_that_was_trained_on_fewer_draws_is_compared_on_those() -> None:
    right = np.ones(50, dtype=bool)
    correct = {"SetFit": {1: right}, "ours: encoder, contrastive start": {0: ~right, 1: right}}
    found = classifiers.differences(correct, 5)
    assert found["setfit_minus_ours_5shot"] == 0.0
    assert found["setfit_minus_ours_5shot_draws"] == 1


def test_what_was_kept_is_read_for_the_same_facts_only(tmp_path: Path) -> None:
    asked = []

    def make() -> tuple[np.ndarray, float]:
        asked.append(1)
        return np.array(["a", "b"]), 2.5

    for facts in ([b"one"], [b"one"], [b"two"]):
        labels, seconds = setfit.load_or_train(tmp_path, "peer", facts, make)
        assert (list(labels), seconds) == (["a", "b"], 2.5)
    assert len(asked) == 2
    with pytest.raises(setfit.NotKeptError):
        setfit.load_or_train(tmp_path, "peer", [b"three"], make, only=True)
