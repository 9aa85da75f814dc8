"""Bounds, weights, groups, bands, reliability, probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.critics.calibration import (
    Curve,
    Threshold,
    Unreachable,
    choose_by_group,
    clopper_pearson_lower,
)
from synthkd.critics.calibration.bands import auc_bootstrap, auc_interval, precision_bands
from synthkd.critics.calibration.bounds import betting_p, binomial_p, corpus_p
from synthkd.critics.calibration.probability import (
    calibrator_from,
    crossfit_probabilities,
    fit_calibrator,
)
from synthkd.critics.plots import reliability
from synthkd.errors import CriticError
from synthkd.statistics import calibration_error


def world(rng: np.random.Generator, n: int, power: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    scores = rng.random(n)
    return scores, rng.random(n) < scores**power


@pytest.mark.slow
@given(
    st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from([0.01, 0.05, 0.1]),
)
def test_the_exact_bound_is_one_that_the_binomial_confirms(
    counts: tuple[int, int], alpha: float
) -> None:
    successes, n = counts
    bound = clopper_pearson_lower(successes, n, alpha)
    assert 0 <= bound <= (successes / n if successes else 0)
    if successes:
        assert float(binomial_p(successes, n, bound)) == pytest.approx(alpha, rel=1e-6)


@pytest.mark.slow
@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([0.5, 0.8, 0.9]), st.data())
def test_the_tail_for_a_corpus_is_the_hypergeometric_one(
    n: int, m: int, p: float, data: st.DataObject
) -> None:
    from scipy.stats import hypergeom

    valid = data.draw(st.integers(0, n))
    total = valid + int(np.ceil(p * m - 1e-9)) - 1
    assert corpus_p(valid, n, p, m) == pytest.approx(
        hypergeom.sf(valid - 1, n + m, total, n), abs=1e-9
    )


def weighted(
    rng: np.random.Generator, n: int, at: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw rows of which half are drawn rarely and are worse.

    The true precision is ``at`` above any score.
    """
    scores, rare = rng.random(20 * n), rng.random(20 * n) < 0.5
    chance = np.where(rare, 0.2, 1.0)
    here = np.flatnonzero(rng.random(20 * n) < chance)[:n]
    valid = rng.random(n) < np.where(rare[here], at - 0.05, at + 0.05)
    return scores[here], valid, 1 / chance[here]


@pytest.mark.slow
def test_weights_keep_the_guarantee_that_unweighted_rows_break() -> None:
    rng, rounds, broken, forgotten = np.random.default_rng(0), 60, 0, 0
    for _ in range(rounds):
        scores, labels, weights = weighted(rng, 400, 0.845)
        broken += isinstance(Curve.of(scores, labels, weights).threshold(0.85, 0.9), Threshold)
        forgotten += isinstance(Curve.of(scores, labels).threshold(0.85, 0.9), Threshold)
    assert broken / rounds <= 0.1 + 3 * np.sqrt(0.09 / rounds)
    assert forgotten > broken


@pytest.mark.slow
def test_weights_do_reach_a_precision_that_is_there() -> None:
    rng = np.random.default_rng(1)
    found = [Curve.of(*weighted(rng, 800, 0.95)).threshold(0.8, 0.9) for _ in range(20)]
    assert sum(isinstance(one, Threshold) for one in found) >= 15


def test_equal_weights_are_no_weights() -> None:
    scores, labels = world(np.random.default_rng(2), 500)
    assert Curve.of(scores, labels, np.full(500, 3.7)).threshold(0.85) == Curve.of(
        scores, labels
    ).threshold(0.85)


def test_bets_at_the_asked_precision_win_no_more_often_than_allowed() -> None:
    rng, rounds = np.random.default_rng(3), 2000
    weights = np.repeat([1.0, 0.2], 60)
    wins = sum(
        betting_p(rng.random(120) < 0.8, rng.permutation(weights), 0.8, 0.1) <= 0.1
        for _ in range(rounds)
    )
    assert 0.02 < wins / rounds <= 0.1 + 3 * np.sqrt(0.09 / rounds)


def test_unreachable_under_weights_asks_for_more_labels_than_it_would_without() -> None:
    rng = np.random.default_rng(4)
    scores = np.linspace(1, 0, 60)
    labels, weights = np.arange(60) % 30 != 29, rng.choice([1.0, 5.0], 60)
    plain, heavy = (
        Curve.of(scores, labels).threshold(0.93),
        Curve.of(scores, labels, weights).threshold(0.93),
    )
    assert isinstance(plain, Unreachable)
    assert isinstance(heavy, Unreachable)
    assert plain.labels_needed is not None
    assert heavy.labels_needed is not None
    assert heavy.labels_needed > plain.labels_needed


def by_relation(
    rng: np.random.Generator, chances: dict[str, float], n: int
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    names = [name for name in chances for _ in range(n)]
    chance = np.array([chances[name] for name in names])
    return rng.random(len(names)), rng.random(len(names)) < chance, names


@pytest.mark.slow
def test_no_relation_breaks_its_guarantee_more_often_than_all_may_together() -> None:
    rng, rounds, broken = np.random.default_rng(5), 60, 0
    for _ in range(rounds):
        rows = by_relation(rng, {f"r{i}": 0.795 for i in range(5)}, 120)
        found = choose_by_group(*rows, precision=0.8, confidence=0.9)
        broken += any(isinstance(one, Threshold) for one in found.own.values())
    assert broken / rounds <= 0.1 + 3 * np.sqrt(0.09 / rounds)


def test_a_bad_relation_is_left_out_and_a_good_one_kept() -> None:
    rows = by_relation(np.random.default_rng(6), {"good": 0.97, "bad": 0.5}, 300)
    found = choose_by_group(*rows, precision=0.9)
    assert isinstance(found.of("good"), Threshold)
    assert isinstance(found.of("bad"), Unreachable)
    assert found.accept(np.array([1.0, 1.0, 1.0]), ["good", "bad", "unheard of"]).tolist() == [
        True,
        False,
        False,
    ]
    assert "not reachable, nothing accepted: bad" in found.sentence()


def test_relations_with_few_labels_share_a_pool_and_say_so() -> None:
    rng = np.random.default_rng(7)
    scores, labels, names = by_relation(
        rng, {"large": 0.97} | {f"s{i}": 0.97 for i in range(20)}, 20
    )
    more = by_relation(rng, {"large": 0.97}, 300)
    found = choose_by_group(
        np.append(scores, more[0]),
        np.append(labels, more[1]),
        names + more[2],
        precision=0.85,
        confidence=0.9,
    )
    assert set(found.own) == {"large"}
    assert len(found.pool) == 20
    assert isinstance(found.of("s3"), Threshold)
    assert "holds for their rows together, not for each" in found.sentence()


@pytest.mark.slow
def test_a_finished_relation_hands_its_error_on_to_the_others() -> None:
    scores = np.concatenate([np.linspace(1, 0, 300)] * 2)
    names = ["a"] * 300 + ["b"] * 300
    kept = {}
    for chance in (0, 1):
        rng, kept[chance] = np.random.default_rng(0), 0.0
        for _ in range(30):
            labels = np.concatenate([np.full(300, chance), rng.random(300) < 0.95]).astype(bool)
            found = choose_by_group(scores, labels, names, precision=0.91, confidence=0.9).of("b")
            kept[chance] += found.kept if isinstance(found, Threshold) else 0.0
    assert kept[1] > kept[0]


def test_overall_is_one_threshold_with_a_guarantee_for_all_rows_only() -> None:
    rows = by_relation(np.random.default_rng(8), {"good": 0.99, "bad": 0.85}, 300)
    found = choose_by_group(*rows, precision=0.88, guarantee="overall")
    assert found.of("good") == found.of("bad") == Curve.of(*rows[:2]).threshold(0.88)
    assert "no guarantee for a single one" in found.sentence()


@pytest.mark.slow
def test_the_simultaneous_band_holds_all_of_the_true_curve_and_the_pointwise_one_does_not() -> None:
    rng, rounds, missed, missed_alone = np.random.default_rng(9), 60, 0, 0
    for _ in range(rounds):
        bands = precision_bands(Curve.of(*world(rng, 400)), confidence=0.9, places=20)
        true = [(1 - b.threshold**1.5) / 1.5 / (1 - b.threshold) for b in bands]
        missed += any(
            not b.simultaneous[0] <= t <= b.simultaneous[1]
            for b, t in zip(bands, true, strict=True)
        )
        missed_alone += any(
            not b.pointwise[0] <= t <= b.pointwise[1] for b, t in zip(bands, true, strict=True)
        )
    assert missed / rounds <= 0.1 + 3 * np.sqrt(0.09 / rounds)
    assert missed_alone > missed


@pytest.mark.slow
def test_the_auc_interval_holds_the_true_auc_as_often_as_it_says() -> None:
    from scipy.stats import norm

    rng, rounds, held, true = np.random.default_rng(10), 300, 0, float(norm.cdf(1.5 / np.sqrt(2)))
    for _ in range(rounds):
        labels = rng.random(150) < 0.4
        low, high = auc_interval(Curve.of(rng.normal(1.5 * labels, 1), labels), 0.9)
        held += low <= true <= high
    assert 0.83 < held / rounds < 0.96


@pytest.mark.slow
def test_the_bootstrap_agrees_with_delong_for_independent_rows_and_is_wider_for_clustered() -> None:
    rng = np.random.default_rng(11)
    labels = rng.random(200) < 0.5
    scores = rng.normal(labels, 1)
    low, high = auc_interval(Curve.of(scores, labels))
    assert auc_bootstrap(scores, labels) == pytest.approx((low, high), abs=0.02)
    groups = [str(i) for i in range(200)] * 4
    wide = auc_bootstrap(np.tile(scores, 4), np.tile(labels, 4), groups=groups)
    narrow = auc_bootstrap(np.tile(scores, 4), np.tile(labels, 4))
    assert wide[1] - wide[0] > 1.5 * (narrow[1] - narrow[0])


def test_a_perfect_and_a_useless_critic_have_the_curves_they_deserve() -> None:
    labels = np.arange(100) < 50
    perfect = Curve.of(np.where(labels, 0.9, 0.1), labels)
    assert perfect.auc == 1
    assert auc_interval(perfect)[1] == 1
    assert perfect.precision_at_recall(1.0) == 1
    assert perfect.ece == pytest.approx(0.1)
    assert perfect.oracle_yield(0.9) == 0.5
    assert Curve.of(np.full(100, 0.5), labels).auc == 0.5


def test_one_verdict_only_has_no_auc() -> None:
    with pytest.raises(CriticError, match="rows of both"):
        auc_interval(Curve.of([0.1, 0.2], [True, True]))


def test_an_honest_critic_has_no_debiased_error_and_a_boastful_one_has() -> None:
    rng = np.random.default_rng(12)
    scores = rng.random(5000)
    honest, boastful = (
        Curve.of(scores, rng.random(5000) < scores),
        Curve.of(scores, rng.random(5000) < scores / 2),
    )
    assert calibration_error(honest.scores, honest.labels, debiased=True) < 0.015
    assert calibration_error(honest.scores, honest.labels) > 0
    assert calibration_error(boastful.scores, boastful.labels) > 0.2
    assert sum(row.rows for row in reliability(honest)) == 5000
    assert all(row.low <= row.valid <= row.high for row in reliability(honest))


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_probabilities_mend_scores_that_boast_and_never_turn_the_order(method: str) -> None:
    rng = np.random.default_rng(13)
    true = rng.random(3000)
    labels, scores = rng.random(3000) < true, true**3
    mended = crossfit_probabilities(method, scores, labels, [str(i // 2) for i in range(3000)])
    assert calibration_error(mended, labels) < calibration_error(scores, labels) / 2
    calibrator = fit_calibrator(method, scores, labels)
    assert (np.diff(calibrator(np.linspace(0, 1, 500))) >= 0).all()
    again = calibrator_from(calibrator.arrays())
    np.testing.assert_array_equal(again(scores), calibrator(scores))


def test_isotonic_probabilities_are_those_of_scikit_learn() -> None:
    from sklearn.isotonic import IsotonicRegression

    scores, labels = world(np.random.default_rng(14), 400)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(scores, labels).predict(scores)
    np.testing.assert_allclose(
        fit_calibrator("isotonic", scores, labels)(scores), theirs, atol=1e-9
    )


def test_an_unknown_way_to_probabilities_and_one_verdict_are_refused() -> None:
    with pytest.raises(CriticError, match="known: platt, isotonic"):
        fit_calibrator("plat", [0.1, 0.9], [False, True])
    with pytest.raises(CriticError, match="both verdicts"):
        fit_calibrator("platt", [0.1, 0.9], [True, True])
