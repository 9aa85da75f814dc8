"""The guarantee: the target precision is kept, with the stated confidence."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from synthkd.critics.calibration import Curve, Threshold, ThresholdPlan, Unreachable
from synthkd.errors import CriticError

Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


def world(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw scores whose chance of being valid is known: p(score) = score ** 0.5."""
    scores = rng.random(n)
    return scores, rng.random(n) < scores**0.5


def tied(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw five scores only."""
    scores = rng.integers(1, 6, n) / 5
    return scores, rng.random(n) < scores**0.5


def lumped(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows that nearly all share one score; the others are valid."""
    scores = np.where(rng.random(n) < 0.8, 0.5, 0.9)
    return scores, rng.random(n) < np.where(scores > 0.6, 1.0, 0.74)


def bent(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw scores of which the highest are worse than the ones below."""
    scores = rng.random(n)
    return scores, rng.random(n) < np.where(scores > 0.9, 0.75, scores**0.5)


def flat(chance: float) -> Draw:
    """Return a useless critic."""
    return lambda rng, n: (rng.random(n), rng.random(n) < chance)


def share_broken(
    draw: Draw, n: int, asked: float, confidence: float, rounds: int, plan_rows: int = 0
) -> tuple[float, float]:
    """Return the share of draws with a threshold that breaks the target, and with any threshold."""
    many, truth = draw(np.random.default_rng(99), 400_000)
    order = np.argsort(-many)
    many, truth = -many[order], np.cumsum(truth[order])
    rng, broken, reached = np.random.default_rng(7), 0, 0
    for _ in range(rounds):
        curve = Curve.of(*draw(rng, n))
        plan = None
        if plan_rows:
            plan = ThresholdPlan.from_labels(*draw(rng, plan_rows), n, asked, 1 - confidence)
        found = curve.threshold(asked, confidence, plan=plan)
        if isinstance(found, Threshold):
            above = int(np.searchsorted(many, -found.threshold, side="right"))
            reached += 1
            # The reference sample is itself a draw: what is that near counts as kept.
            broken += above > 0 and truth[above - 1] / above < asked - 0.0015
    return broken / rounds, reached / rounds


def allowed(confidence: float, rounds: int) -> float:
    """Return the largest share of broken guarantees by chance, at three standard deviations."""
    alpha = 1 - confidence
    return alpha + 3 * np.sqrt(alpha * confidence / rounds)


@pytest.mark.slow
def test_the_target_precision_is_kept_in_as_many_draws_as_guaranteed() -> None:
    broken, reached = share_broken(world, 500, 0.8, 0.9, 300)
    assert broken <= allowed(0.9, 300)
    assert reached > 0.5


def true_precision(threshold: float) -> float:
    """Mean of p over scores above the threshold."""
    return (1 - threshold**1.5) / 1.5 / (1 - threshold) if threshold < 1 else 1.0


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "confidence"), [(0.8, 0.9), (0.9, 0.9), (0.9, 0.95)])
def test_the_target_precision_is_missed_in_no_more_divisions_than_allowed(
    asked: float, confidence: float
) -> None:
    rng = np.random.default_rng(7)
    rounds, broken, kept = 400, 0, 0
    for _ in range(rounds):
        found = Curve.of(*world(rng, 1500)).threshold(asked, confidence)
        if isinstance(found, Threshold):
            kept += 1
            broken += true_precision(found.threshold) < asked
    expected = (1 - confidence) * rounds
    assert kept > rounds / 2
    assert broken <= expected + 3 * np.sqrt(expected * confidence)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("draw", "n", "asked", "confidence"),
    [
        (world, 1500, 0.8, 0.9),
        (world, 200, 0.8, 0.9),
        (world, 1500, 0.9, 0.95),
        (world, 12, 0.5, 0.9),
        (world, 400, 0.99, 0.9),
        (tied, 300, 0.8, 0.9),
        (lumped, 300, 0.8, 0.9),
        (bent, 800, 0.8, 0.9),
        (flat(0.795), 300, 0.8, 0.9),
    ],
)
def test_the_target_precision_is_missed_no_more_often_than_allowed(
    draw: Draw, n: int, asked: float, confidence: float
) -> None:
    rounds = 500
    broken, _ = share_broken(draw, n, asked, confidence, rounds)
    assert broken <= allowed(confidence, rounds)


@pytest.mark.slow
@pytest.mark.parametrize("draw", [world, tied, bent])
def test_thresholds_planned_on_other_labels_keep_the_guarantee_and_reach_it(draw: Draw) -> None:
    rounds = 500
    broken, reached = share_broken(draw, 500, 0.8, 0.9, rounds, plan_rows=500)
    assert broken <= allowed(0.9, rounds)
    assert reached > 0.3


@pytest.mark.slow
def test_the_guarantee_would_be_broken_by_looking_at_each_threshold_alone() -> None:
    rng, broken, rounds = np.random.default_rng(0), 0, 150
    for _ in range(rounds):
        curve = Curve.of(*flat(0.795)(rng, 300))
        evidence, alone = (
            curve.evidence(),
            ThresholdPlan.by_ranks(curve.scores, 0.8, 0.1).thresholds,
        )
        found = evidence.p_values(alone, 0.8)
        assert found is not None
        broken += bool((found <= 0.1).any())
    assert broken / rounds > 0.15


@pytest.mark.slow
def test_a_misleading_plan_costs_yield_and_never_the_guarantee() -> None:
    rng, broken, rounds = np.random.default_rng(1), 0, 150
    for _ in range(rounds):
        plan = ThresholdPlan.from_labels(
            world(rng, 400)[0], np.ones(400, dtype=bool), 400, 0.9, 0.1
        )
        found = Curve.of(*flat(0.89)(rng, 400)).threshold(0.9, 0.9, plan=plan)
        broken += isinstance(found, Threshold)
    assert broken / rounds <= allowed(0.9, rounds)


@pytest.mark.slow
def test_a_plan_from_other_labels_keeps_more_rows_than_one_by_ranks() -> None:
    rng, ranks, planned = np.random.default_rng(2), 0.0, 0.0
    for _ in range(40):
        curve = Curve.of(*world(rng, 600))
        plan = ThresholdPlan.from_labels(*world(rng, 600), 600, 0.85, 0.1)
        for found, which in (
            (curve.threshold(0.85, 0.9), 0),
            (curve.threshold(0.85, 0.9, plan=plan), 1),
        ):
            kept = found.kept if isinstance(found, Threshold) else 0.0
            ranks, planned = (ranks + kept, planned) if which == 0 else (ranks, planned + kept)
    assert planned > ranks


@pytest.mark.slow
def test_the_precision_of_the_corpus_itself_is_kept_if_guaranteed() -> None:
    rng, rounds = np.random.default_rng(3), 200
    broken = {None: 0, 500: 0}
    for _ in range(rounds):
        curve, corpus = Curve.of(*world(rng, 500)), Curve.of(*world(rng, 500))
        for decided in broken:
            found = curve.threshold(0.85, 0.9, decided=decided)
            if isinstance(found, Threshold):
                precision, kept, _ = corpus.evidence().rate(found.threshold)
                broken[decided] += kept > 0 and precision < 0.85
    assert broken[500] / rounds <= allowed(0.9, rounds)
    assert broken[None] > broken[500]


def test_a_guarantee_about_very_many_rows_is_one_about_the_population() -> None:
    curve = Curve.of(*world(np.random.default_rng(4), 1000))
    one, other = curve.threshold(0.85), curve.threshold(0.85, decided=10**7)
    assert isinstance(one, Threshold)
    assert isinstance(other, Threshold)
    # The two start at other ranks, so their grids differ by a row or two.
    assert other.kept == pytest.approx(one.kept, abs=0.015)


def test_more_labels_keep_more_rows() -> None:
    rng = np.random.default_rng(0)
    few = [Curve.of(*world(rng, 500)).threshold(0.85) for _ in range(20)]
    many = [Curve.of(*world(rng, 5000)).threshold(0.85) for _ in range(20)]

    def mean(found: list[Threshold | Unreachable]) -> float:
        return float(np.mean([f.kept if isinstance(f, Threshold) else 0.0 for f in found]))

    assert mean(many) > mean(few)


def test_rows_that_are_all_valid_are_all_kept() -> None:
    found = Curve.of(np.linspace(0, 1, 200), np.ones(200, dtype=bool)).threshold(0.9)
    assert isinstance(found, Threshold)
    assert (found.kept, found.recall, found.precision) == (1, 1, 1)


def test_rows_of_which_none_is_valid_reach_nothing() -> None:
    found = Curve.of(np.linspace(0, 1, 200), np.zeros(200, dtype=bool)).threshold(0.5)
    assert isinstance(found, Unreachable)
    assert found.labels_needed is None


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_handful_of_labels_guarantees_nothing_and_needs_more(n: int) -> None:
    found = Curve.of(np.linspace(1, 0, n), np.ones(n, dtype=bool)).threshold(0.9)
    assert isinstance(found, Unreachable)
    assert found.labels_needed is not None
    assert found.labels_needed > 20


def test_what_cannot_be_had_says_that_more_labels_will_not_help() -> None:
    rng = np.random.default_rng(0)
    found = Curve.of(rng.random(800), rng.random(800) < 0.6).threshold(0.95)
    assert isinstance(found, Unreachable)
    assert found.labels_needed is None
    assert "More labels alone will not help" in found.advice


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "asked", "top"), [(60, 0.9, 0.5), (80, 0.8, 0.3), (150, 0.95, 0.5)]
)
def test_so_many_more_labels_as_are_named_make_it_reachable_if_the_figures_seen_are_true(
    count: int, asked: float, top: float
) -> None:
    rng, passed, tried = np.random.default_rng(count), 0, 0
    for _ in range(60):
        scores = rng.random(count)
        labels = rng.random(count) < np.where(scores > 1 - top, 0.98, 0.2)
        found = Curve.of(scores, labels).threshold(asked)
        if isinstance(found, Threshold) or found.labels_needed is None:
            continue
        # More rows of the population that the rows in hand would be.
        drawn = rng.integers(count, size=found.labels_needed - count)
        more = np.concatenate([scores, scores[drawn] + 1e-6 * rng.random(len(drawn))])
        tried += 1
        passed += isinstance(
            Curve.of(more, np.concatenate([labels, labels[drawn]])).threshold(asked), Threshold
        )
        if tried == 20:
            break
    assert tried >= 10
    assert passed / tried >= 0.45


@pytest.mark.parametrize("asked", [0.8, 0.9, 0.95])
def test_a_critic_without_errors_is_told_about_as_few_labels_as_it_lacks(asked: float) -> None:
    def found(count: int) -> Threshold | Unreachable:
        return Curve.of(np.linspace(1, 0, count), np.arange(count) < count // 2).threshold(asked)

    low, high = 30, 2000
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if isinstance(found(middle), Threshold) else (middle, high)
    few = found(low - 2)
    assert isinstance(few, Unreachable)
    assert few.labels_needed is not None
    assert few.labels_needed - few.held_out < 10 + high // 10
    assert "if that figure is true" in few.advice


@pytest.mark.slow
def test_the_best_precision_seen_depends_on_no_target() -> None:
    rng = np.random.default_rng(3)
    scores = rng.random(300)
    for groups in (None, rng.integers(40, size=300)):
        curve = Curve.of(scores, rng.random(300) < 0.6 * scores, groups=groups)
        found = [
            curve.threshold(asked, sure)
            for asked in (0.7, 0.8, 0.9, 0.95, 0.99)
            for sure in (0.8, 0.95)
        ]
        assert all(isinstance(one, Unreachable) for one in found)
        assert len({(one.best_precision, one.best_kept, one.best_threshold) for one in found}) == 1  # type: ignore[union-attr]


def test_the_best_cut_is_one_of_enough_rows_and_its_threshold_makes_it() -> None:
    rng = np.random.default_rng(8)
    curve = Curve.of(rng.random(400), rng.random(400) < 0.5)
    found = curve.threshold(0.9)
    assert isinstance(found, Unreachable)
    precision, kept, _ = curve.evidence().rate(found.best_threshold)
    assert (precision, kept) == (found.best_precision, found.best_kept)
    assert kept * 400 >= 20


def test_equal_scores_are_accepted_or_rejected_together() -> None:
    scores = np.repeat([0.9, 0.5, 0.1], 200)
    labels = np.concatenate([np.ones(200), np.ones(200), np.zeros(200)]).astype(bool)
    found = Curve.of(scores, labels).threshold(0.9)
    assert isinstance(found, Threshold)
    assert 0.1 < found.threshold <= 0.5
    assert found.kept == pytest.approx(2 / 3)


def test_the_order_of_the_rows_does_not_matter() -> None:
    rng = np.random.default_rng(5)
    scores, labels = world(rng, 700)
    order = rng.permutation(700)
    assert Curve.of(scores, labels).threshold(0.85) == Curve.of(
        scores[order], labels[order]
    ).threshold(0.85)


@pytest.mark.parametrize(
    ("scores", "labels", "weights", "said"),
    [
        ([], [], None, "no held-out rows"),
        ([0.1, 0.2], [True], None, "2 scores but 1 labels"),
        ([0.1, float("nan")], [True, False], None, "not finite numbers, the first in row 1"),
        ([0.1, 0.2], [True, False], [1.0], "2 scores but 1 weights"),
        ([0.1, 0.2], [True, False], [1.0, 0.0], "not above 0, the first in row 1"),
    ],
)
def test_rows_that_cannot_be_calibrated_on_are_refused(
    scores: list[float], labels: list[bool], weights: list[float] | None, said: str
) -> None:
    with pytest.raises(CriticError, match=said):
        Curve.of(scores, labels, weights)


@pytest.mark.parametrize(("precision", "confidence"), [(0.0, 0.9), (1.0, 0.9), (0.9, 1.0)])
def test_a_target_that_no_labels_can_guarantee_is_refused(
    precision: float, confidence: float
) -> None:
    with pytest.raises(CriticError, match="must lie between 0 and 1"):
        Curve.of([0.1, 0.2], [True, False]).threshold(precision, confidence)


def test_the_sentence_tells_what_is_guaranteed_and_about_which_rows() -> None:
    found = Curve.of(np.linspace(0, 1, 200), np.ones(200, dtype=bool)).threshold(0.9, decided=5000)
    assert (
        "at least 0.90 with 95% confidence, in the accepted part of 5,000 rows" in found.sentence()
    )
