"""The promise: an asked precision is a kept precision, with the stated confidence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.critics.calibrate import Curve, Threshold, Unreachable, clopper_pearson_lower


def world(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores whose chance of being valid is known: p(score) = score ** 0.5."""
    scores = rng.random(n)
    return scores, rng.random(n) < scores**0.5


def true_precision(threshold: float) -> float:
    """Mean of p over scores above the threshold."""
    return (1 - threshold**1.5) / 1.5 / (1 - threshold) if threshold < 1 else 1.0


@pytest.mark.parametrize(("asked", "confidence"), [(0.8, 0.9), (0.9, 0.9), (0.9, 0.95)])
def test_the_asked_precision_is_missed_in_no_more_divisions_than_promised(
    asked: float, confidence: float
) -> None:
    rng = np.random.default_rng(7)
    rounds, broken, kept = 400, 0, 0
    for _ in range(rounds):
        found = Curve.of(*world(rng, 1500)).threshold(asked, confidence)
        if isinstance(found, Threshold):
            kept += 1
            broken += true_precision(found.threshold) < asked
    allowed = (1 - confidence) * rounds
    assert kept > rounds / 2
    assert broken <= allowed + 3 * np.sqrt(allowed * confidence)


def test_more_labels_keep_more_rows() -> None:
    rng = np.random.default_rng(0)
    few = [Curve.of(*world(rng, 500)).threshold(0.85) for _ in range(20)]
    many = [Curve.of(*world(rng, 5000)).threshold(0.85) for _ in range(20)]

    def mean(found: list[Threshold | Unreachable]) -> float:
        return float(np.mean([f.kept if isinstance(f, Threshold) else 0.0 for f in found]))

    assert mean(many) > mean(few)


def test_what_cannot_be_had_says_that_more_labels_will_not_help() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.random(800), rng.random(800) < 0.6
    found = Curve.of(scores, labels).threshold(0.95)
    assert isinstance(found, Unreachable)
    assert found.labels_needed is None
    assert "More labels alone will not help" in found.advice


def test_what_is_nearly_had_says_how_many_labels_would_help() -> None:
    labels = np.ones(60, dtype=bool)
    labels[::2] = np.arange(30) < 29
    found = Curve.of(np.linspace(1, 0, 60), labels).threshold(0.97)
    assert isinstance(found, Unreachable)
    assert found.labels_needed is not None
    assert found.labels_needed > 60
    assert "more held-out labels" in found.advice


def test_equal_scores_are_accepted_or_rejected_together() -> None:
    scores = np.repeat([0.9, 0.5, 0.1], 200)
    labels = np.concatenate([np.ones(200), np.ones(200), np.zeros(200)]).astype(bool)
    found = Curve.of(scores, labels).threshold(0.9)
    assert isinstance(found, Threshold)
    assert found.threshold == 0.5
    assert found.kept == pytest.approx(2 / 3)


@given(
    st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from([0.01, 0.05, 0.1]),
)
def test_the_exact_bound_is_one_that_the_binomial_confirms(counts: tuple[int, int], alpha: float) -> None:
    from scipy.stats import binom

    successes, n = counts
    bound = clopper_pearson_lower(successes, n, alpha)
    assert 0 <= bound <= (successes / n if successes else 0)
    if successes:
        assert binom.sf(successes - 1, n, bound) == pytest.approx(alpha, rel=1e-6)


def test_a_perfect_and_a_useless_critic_have_the_curves_they_deserve() -> None:
    labels = np.arange(100) < 50
    perfect = Curve.of(np.where(labels, 0.9, 0.1), labels)
    assert perfect.auc == 1
    assert perfect.precision_at_recall(1.0) == 1
    assert perfect.ece == pytest.approx(0.1)
    assert Curve.of(np.full(100, 0.5), labels).auc == 0.5
