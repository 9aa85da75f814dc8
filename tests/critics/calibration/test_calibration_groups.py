"""Clustered rows, plans that are joined, and guarantees by relation that use both."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkd.critics.calibration import (
    Curve,
    Threshold,
    ThresholdPlan,
    Unreachable,
    choose_by_group,
)
from synthkd.critics.calibration.clusters import Correlation, GroupSums, intraclass_correlation
from synthkd.critics.calibration.selection import fallback_test
from synthkd.errors import CriticError


def hanging(
    rng: np.random.Generator, count: int, size: int, chance: float
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Draw groups of one verdict each, whose rows score nearly alike; scores say nothing."""
    labels = np.repeat(rng.random(count) < chance, size)
    return (
        np.repeat(rng.random(count), size) + 1e-6 * rng.random(len(labels)),
        labels,
        [str(i // size) for i in range(len(labels))],
    )


@pytest.mark.slow
def test_groups_keep_the_guarantee_that_ungrouped_rows_break() -> None:
    rng, rounds, broken, forgotten = np.random.default_rng(0), 60, 0, 0
    for _ in range(rounds):
        scores, labels, groups = hanging(rng, 60, 8, 0.79)
        broken += isinstance(Curve.of(scores, labels, groups=groups).threshold(0.8, 0.9), Threshold)
        forgotten += isinstance(Curve.of(scores, labels).threshold(0.8, 0.9), Threshold)
    assert broken / rounds <= 0.1 + 3 * np.sqrt(0.09 / rounds)
    assert forgotten / rounds > 0.1 + 3 * np.sqrt(0.09 / rounds)


def test_groups_that_do_not_repeat_change_nothing() -> None:
    rng = np.random.default_rng(1)
    scores = rng.random(400)
    labels = rng.random(400) < scores**0.5
    names = [str(i) for i in range(400)]
    assert Curve.of(scores, labels, groups=names).threshold(0.8) == Curve.of(
        scores, labels
    ).threshold(0.8)


def effect(scores: np.ndarray, labels: np.ndarray, groups: list[str]) -> float:
    return Curve.of(scores, labels, groups=groups).evidence().effect(-1.0)


def test_independent_rows_in_many_groups_are_worth_nearly_as_many_and_twins_half() -> None:
    rng = np.random.default_rng(2)
    groups = [str(i // 2) for i in range(2000)]
    assert effect(rng.random(2000), rng.random(2000) < 0.7, groups) == pytest.approx(1, abs=0.12)
    assert effect(rng.random(2000), np.repeat(rng.random(1000) < 0.7, 2), groups) == pytest.approx(
        2, abs=0.05
    )


def perfect(
    seed: int, rows: int, groups: int, noise: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw scores that tell all verdicts but for a share of wrong labels.

    Verdicts are independent of the groups.
    """
    rng = np.random.default_rng(seed)
    labels = rng.random(rows) < 0.5
    scores = np.where(labels, 0.9, 0.1) + 0.05 * rng.random(rows)
    return scores, labels ^ (rng.random(rows) < noise), np.arange(rows) % groups


@pytest.mark.parametrize(
    ("rows", "groups"), [(200, 20), (240, 30), (400, 20), (400, 150), (1000, 25)]
)
def test_a_perfect_critic_reaches_a_precision_in_few_groups(rows: int, groups: int) -> None:
    for seed in range(5):
        scores, labels, names = perfect(seed, rows, groups)
        assert isinstance(Curve.of(scores, labels, groups=names).threshold(0.9), Threshold)


def test_rows_that_are_all_valid_above_a_cut_and_never_below_pass_in_twenty_groups() -> None:
    labels = np.arange(320) < 161
    groups = np.random.default_rng(4).integers(20, size=320)
    found = Curve.of(np.linspace(1, 0, 320), labels, groups=groups).threshold(0.9)
    assert isinstance(found, Threshold)
    assert found.kept > 0.45


def test_wrong_labels_make_a_sheet_worth_less_and_not_more() -> None:
    def worth(noise: float) -> float:
        curves = [
            Curve.of(s, y, groups=g) for s, y, g in (perfect(i, 400, 20, noise) for i in range(20))
        ]
        return float(np.mean([curve.evidence().effect(-1.0) for curve in curves]))

    assert worth(0.0) < worth(0.02)


def test_labels_of_one_verdict_are_worth_their_groups_and_no_fewer() -> None:
    sizes = np.array([30, 20, 10, 10, 5, 5, 1])
    groups = np.repeat(np.arange(len(sizes)), sizes)
    effect = (
        Curve.of(np.linspace(1, 0, 81), np.ones(81, dtype=bool), groups=groups)
        .evidence()
        .effect(-1.0)
    )
    assert 81 / effect == pytest.approx(sizes.sum() ** 2 / (sizes**2).sum())


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.integers(0, 6)), min_size=2, max_size=60)
)
@settings(max_examples=60)
def test_no_accepted_rows_are_worth_fewer_than_their_groups_or_more_than_themselves(
    rows: list[tuple[float, bool, int]],
) -> None:
    scores, labels, groups = (np.array(column) for column in zip(*rows, strict=True))
    curve = Curve.of(scores, labels, groups=groups)
    for count in range(1, len(rows) + 1):
        threshold = float(curve.scores[count - 1])
        accepted = curve.evidence().accepted(threshold)
        sizes = np.unique(
            groups[np.argsort(-scores, kind="stable")][:accepted], return_counts=True
        )[1]
        effect = curve.evidence().effect(threshold)
        assert 1 <= effect <= (sizes**2).sum() / sizes.sum() + 1e-9


def test_sums_over_groups_are_those_counted_for_each_prefix() -> None:
    rng = np.random.default_rng(11)
    labels, groups = rng.random(50) < 0.6, rng.integers(7, size=50)
    sums = GroupSums.of(labels, groups)
    for count in (1, 2, 17, 50):
        sizes = np.bincount(groups[:count])
        valid = np.bincount(groups[:count], labels[:count])
        assert sums.sizes[count - 1] == (sizes**2).sum()
        assert sums.valid[count - 1] == (valid**2).sum()
        assert sums.both[count - 1] == (valid * sizes).sum()


def test_the_limit_of_a_correlation_costs_less_where_groups_are_more() -> None:
    def limit(groups: int) -> float:
        rng = np.random.default_rng(groups)
        labels = rng.random(groups * 5) < 0.6
        found = intraclass_correlation(
            rng.random(len(labels)), labels, np.repeat(np.arange(groups), 5)
        )
        return float(Correlation(1.0, found.between, found.within, found.size).limit())

    assert limit(20) > limit(100) > limit(1000)
    assert limit(1000) < 0.03


def test_valid_rows_of_one_group_alone_guarantee_nothing() -> None:
    found = Curve.of(
        np.linspace(1, 0, 200), np.ones(200, dtype=bool), groups=["a"] * 200
    ).threshold(0.8)
    assert isinstance(found, Unreachable)


def test_the_sentence_tells_how_many_independent_labels_the_held_out_ones_are_worth() -> None:
    found = Curve.of(*hanging(np.random.default_rng(3), 200, 3, 0.97)[:2],
                     groups=[str(i // 3) for i in range(600)]).threshold(0.8)  # fmt: skip
    assert isinstance(found, Threshold)
    assert found.effective is not None
    assert 150 < found.effective < 260
    assert f"worth about {found.effective} independent ones" in found.sentence()


def test_unreachable_in_groups_asks_for_more_labels_than_it_would_without() -> None:
    labels = np.repeat(np.arange(16) % 15 != 14, 2)
    scores, groups = np.linspace(1, 0, 32), [str(i // 2) for i in range(32)]
    plain = Curve.of(scores, labels).threshold(0.92)
    together = Curve.of(scores, labels, groups=groups).threshold(0.92)
    assert isinstance(plain, Unreachable)
    assert isinstance(together, Unreachable)
    assert plain.labels_needed is not None
    assert together.labels_needed is not None
    assert together.labels_needed > plain.labels_needed


def test_as_many_groups_as_rows_are_asked_for() -> None:
    with pytest.raises(CriticError, match="2 scores but 1 groups"):
        Curve.of([0.1, 0.2], [True, False], groups=["a"])


def test_a_joined_plan_spends_the_whole_error_and_no_more() -> None:
    rng = np.random.default_rng(4)
    scores = np.sort(rng.random(500))[::-1]
    planned = ThresholdPlan.from_labels(scores, rng.random(500) < scores, 500, 0.8, 0.1)
    joined = ThresholdPlan.joined(planned, ThresholdPlan.by_ranks(scores, 0.8, 0.1))
    assert joined.shares.sum() == pytest.approx(1)
    assert (np.diff(joined.thresholds) < 0).all()


@pytest.mark.slow
def test_a_joined_plan_keeps_the_guarantee_and_saves_a_plan_that_misleads() -> None:
    rng, rounds, broken, alone, saved = np.random.default_rng(5), 150, 0, 0, 0
    for _ in range(rounds):
        other = rng.random(400)
        plan = ThresholdPlan.from_labels(other, np.ones(400, dtype=bool), 400, 0.85, 0.1)
        poor = Curve.of(rng.random(400), rng.random(400) < 0.84)
        broken += isinstance(poor.threshold(0.85, 0.9, plan=plan), Threshold)
        scores = rng.random(400)
        good = Curve.of(scores, rng.random(400) < np.where(scores > 0.5, 0.99, 0.3))
        alone += fallback_test(good.evidence(), plan, 0.85, 0.1) is not None
        saved += isinstance(good.threshold(0.85, 0.9, plan=plan), Threshold)
    assert broken / rounds <= 0.1 + 3 * np.sqrt(0.09 / rounds)
    assert saved >= alone
    assert saved / rounds > 0.9


def test_a_guarantee_by_relation_counts_clustered_rows() -> None:
    rng = np.random.default_rng(6)
    scores, labels, heads = hanging(rng, 150, 4, 0.93)
    relations = ["a", "b"] * 300
    plain = choose_by_group(scores, labels, relations, 0.7, clusters=None).of("a")
    twins = choose_by_group(scores, labels, relations, 0.7, clusters=heads).of("a")
    assert isinstance(plain, Threshold)
    assert plain.effective is None
    assert isinstance(twins, Threshold)
    assert twins.effective is not None
    assert twins.effective < 300


def test_a_relation_without_errors_in_few_groups_is_judged_by_what_all_rows_tell_of_groups() -> (
    None
):
    rng = np.random.default_rng(9)
    labels = np.concatenate([np.ones(161, dtype=bool), rng.random(400) < 0.5])
    scores = np.concatenate(
        [rng.uniform(0.6, 1, 161), np.where(labels[161:], 0.8, 0.2) + 0.1 * rng.random(400)]
    )
    heads = rng.integers(20, size=561).astype(str).tolist()
    found = choose_by_group(scores, labels, ["a"] * 161 + ["b"] * 400, 0.9, clusters=heads).of("a")
    assert isinstance(found, Threshold)


def test_a_guarantee_by_relation_for_its_own_few_rows_keeps_no_more_than_for_all() -> None:
    rng = np.random.default_rng(7)
    scores = rng.random(1200)
    labels, relations = rng.random(1200) < scores**0.5, ["a", "b"] * 600
    every = choose_by_group(scores, labels, relations, 0.8).of("a")
    few = choose_by_group(scores, labels, relations, 0.8, decided={"a": 300, "b": 10**7}).of("a")
    assert isinstance(every, Threshold)
    assert getattr(few, "decided", 300) == 300
    assert (few.kept if isinstance(few, Threshold) else 0.0) <= every.kept


def test_a_relation_that_cannot_be_had_says_how_many_labels_would_do() -> None:
    rng = np.random.default_rng(8)
    labels = np.concatenate([np.ones(300, dtype=bool), np.arange(300) % 20 != 19])
    found = choose_by_group(rng.random(600), labels, ["a"] * 300 + ["b"] * 300, 0.93, 0.99)
    assert isinstance(found.of("b"), Unreachable)
    assert "more held-out labels would make it pass" in found.sentence()


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_no_finite_number_is_refused(score: float) -> None:
    with pytest.raises(CriticError, match="not finite numbers, the first in row 1"):
        Curve.of([0.5, score], [True, False])


def test_labels_of_one_verdict_have_no_auc() -> None:
    with pytest.raises(CriticError, match="all held-out verdicts are the same"):
        _ = Curve.of([0.1, 0.2], [True, True]).auc
