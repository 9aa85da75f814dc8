"""Tests of the rows that are labelled next, and of their probabilities and weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.label_candidates import design, pool_rows

from synthkd.errors import InputError
from synthkd.labels import SamplingDesign, sample_rows, simulate_labelling

ROWS = pool_rows(60)
IDS = [row["id"] for row in ROWS]
SCORES = np.array([row["score"] for row in ROWS])
RELATIONS = [row["relation"] for row in ROWS]
#: Every third row says the same as another of its relation.
TEXTS = [f"thing {i if i % 9 else 0}" for i in range(60)]
TRUTH = (np.random.default_rng(1).random(60) < SCORES).astype(float)


def off_by(estimates: list[float], truth: float) -> float:
    """Return the distance of the mean of the estimates from the truth, in standard errors."""
    values = np.array(estimates)
    return float((values.mean() - truth) / (values.std() / np.sqrt(len(values))))


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["uncertain", "stratified", "uniform"])
@pytest.mark.parametrize("turns", [3, 20])
def test_the_weighted_total_is_unbiased_over_draws(strategy: str, turns: int) -> None:
    estimates = []
    for seed in range(1500):
        made = SamplingDesign.of(
            IDS, SCORES, strata=RELATIONS, texts=TEXTS, threshold=0.7, strategy=strategy, seed=seed
        )
        rows = np.flatnonzero(made.first < turns)
        estimates.append(float((TRUTH[rows] / made.probability(turns)[rows]).sum()))
    assert abs(off_by(estimates, TRUTH.sum())) < 4


@pytest.mark.slow
def test_counting_the_labelled_rows_without_weights_would_be_biased() -> None:
    shares = []
    for seed in range(300):
        taken = sample_rows(IDS, SCORES, count=20, threshold=0.95, seed=seed)
        shares.append(float(TRUTH[taken.rows].mean()))
    assert off_by(shares, TRUTH.mean()) > 10


@pytest.mark.slow
def test_a_second_round_with_scores_that_learnt_from_the_first_stays_unbiased() -> None:
    estimates = []
    for seed in range(1500):
        made = SamplingDesign.of(IDS, SCORES, threshold=0.7, seed=seed)
        old = np.flatnonzero(made.first < 12)
        learnt = SCORES + TRUTH[old].mean() * np.arange(60) / 60
        again = SamplingDesign.of(
            IDS, learnt, threshold=0.9, seed=seed, before=old.tolist(), start=made.reached(12)[0]
        )
        new = np.flatnonzero(again.first < 9)
        estimates.append(float(TRUTH[old].sum() + (TRUTH[new] / again.probability(9)[new]).sum()))
    assert abs(off_by(estimates, TRUTH.sum())) < 4


def test_rows_of_an_earlier_round_are_not_asked_again() -> None:
    again, *_ = design(before=[0, 1, 2], start=1)
    assert not {0, 1, 2} & set(again.order.tolist())
    assert len(again.order) == 57


@pytest.mark.slow
def test_the_uniform_rows_are_a_simple_random_sample_whatever_the_scores() -> None:
    one, other = (
        SamplingDesign.of(IDS, SCORES),
        SamplingDesign.of(IDS, 1 - SCORES**3, threshold=0.1),
    )
    assert one.in_uniform(30).tolist() == other.in_uniform(30).tolist()
    drawn = np.zeros(60)
    for seed in range(900):
        made = SamplingDesign.of(IDS, SCORES, threshold=0.9, seed=seed)
        drawn[made.in_uniform(30)] += 1
    # Ten of sixty rows in each draw: each row 150 times of 900, give or take.
    assert abs(drawn - 150).max() < 4.5 * np.sqrt(150 * 5 / 6)


def test_a_third_of_the_turns_is_uniform() -> None:
    made, *_ = design(share=1 / 3)
    assert made.reached(30) == (10, 20)


def test_the_order_of_the_rows_carries_no_meaning() -> None:
    taken = sample_rows(IDS, SCORES, count=25, strata=RELATIONS, texts=TEXTS)
    back = sample_rows(IDS[::-1], SCORES[::-1], count=25, strata=RELATIONS[::-1], texts=TEXTS[::-1])
    assert [IDS[i] for i in taken.rows] == [IDS[::-1][i] for i in back.rows]
    np.testing.assert_allclose(taken.weights, back.weights)


def test_rows_above_the_threshold_come_first_and_weigh_less_and_alike() -> None:
    rows = pool_rows(3000)
    ids, scores = [row["id"] for row in rows], np.array([row["score"] for row in rows])
    taken = sample_rows(ids, scores, count=300, threshold=0.8)
    above = scores[taken.rows] > 0.8
    assert above[~taken.uniform].mean() > 0.5
    assert taken.weights[above].mean() < taken.weights[~above].mean() / 2
    np.testing.assert_allclose(taken.weights[above], taken.weights[above].mean(), rtol=0.02)


def test_without_a_threshold_rows_that_the_critic_is_unsure_of_come_first() -> None:
    rows = pool_rows(3000)
    ids, scores = [row["id"] for row in rows], np.array([row["score"] for row in rows])
    taken = sample_rows(ids, scores, count=300)
    assert np.median(np.abs(scores[taken.rows[~taken.uniform]] - 0.5)) < 0.12


def test_near_identical_rows_are_chosen_once() -> None:
    texts = ["a cat eats fish", "The cat eats fish.", "cats eat the fish"] * 20
    made = SamplingDesign.of(IDS, SCORES, texts=texts, share=0.01)
    assert len(made.representative) == 1
    same = SamplingDesign.of(IDS, SCORES, texts=texts, strata=RELATIONS, share=0.01)
    assert len(same.representative) == 3


def test_a_rare_relation_gets_more_than_its_share() -> None:
    rows = pool_rows(2000)
    relations = ["rare" if i % 50 == 0 else "common" for i in range(2000)]
    taken = sample_rows([row["id"] for row in rows], None, count=300, strata=relations)
    rare = np.mean([relations[i] == "rare" for i in taken.rows[~taken.uniform]])
    assert rare > 0.05


def test_stratified_rows_are_spread_over_scores_and_relations() -> None:
    scores = np.random.default_rng(0).random(3000) ** 8
    ids = [str(i) for i in range(3000)]
    relations = ["a" if i % 20 else "b" for i in range(3000)]
    taken = sample_rows(ids, scores, count=300, strata=relations, strategy="stratified")
    chosen = taken.rows[~taken.uniform]
    assert 0.4 < np.mean([relations[i] == "b" for i in chosen]) < 0.6


def test_all_rows_labelled_weigh_one_each() -> None:
    taken = sample_rows(IDS, SCORES, count=60)
    np.testing.assert_allclose(taken.weights, 1)


def test_labelling_is_simulated_without_a_terminal() -> None:
    found = simulate_labelling(IDS, SCORES, TRUTH, [10, 20], strategy="uncertain", threshold=0.7)
    assert [len(labels) for _, labels in found] == [10, 20]
    chosen, labels = found[1]
    np.testing.assert_array_equal(labels, TRUTH[chosen.rows])
    np.testing.assert_array_equal(found[0][0].rows, chosen.rows[:10])


@pytest.mark.parametrize(
    ("ids", "scores", "options", "said"),
    [
        (["a", "b"], np.array([0.5, np.nan]), {}, "row 'b': the score is nan"),
        (["a", "a"], None, {}, "two rows have the id 'a'"),
        (["a", "b"], np.array([0.5]), {}, "1 scores for 2 rows"),
        (["a", "b"], None, {"share": 0.0}, "share of 0.0"),
        (["a", "b"], None, {"strategy": "uncertian"}, "did you mean 'uncertain'"),
    ],
)
def test_what_cannot_be_drawn_from_is_refused(
    ids: list[str], scores: Any, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        sample_rows(ids, scores, count=1, **options)


@pytest.mark.slow
def test_the_share_of_valid_real_rows_is_known_from_chosen_ones(data: Path) -> None:
    import pyarrow.parquet as pq

    rows = pq.read_table(data / "cskb_population" / "dev.parquet").to_pylist()
    valid = np.array([row["valid"] for row in rows], dtype=float)
    # Scores that know something of the truth, so that unweighted labels would mislead.
    scores = np.clip(
        0.5 + (valid - 0.5) * 0.4 + np.random.default_rng(0).normal(0, 0.2, len(rows)), 0, 1
    )
    texts = [f"{row['head']} {row['relation']} {row['tail']}" for row in rows]
    relations = [row["relation"] for row in rows]
    ids = [row["id"] for row in rows]
    weighed, plain = [], []
    for seed in range(5):
        taken = sample_rows(
            ids, scores, count=500, strata=relations, texts=texts, threshold=0.8, seed=seed
        )
        weighed.append(float(np.average(valid[taken.rows], weights=taken.weights)))
        plain.append(float(valid[taken.rows].mean()))
    assert abs(np.mean(weighed) - valid.mean()) < 0.04
    assert abs(np.mean(plain) - valid.mean()) > 0.15
