"""Tests of the shift tests: false alarms at the requested level, power, and the message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthkd.critics.shift import (
    classifier_test,
    depth_q,
    depth_test,
    depths,
    detect_shift,
    detect_shift_of_numbers,
    text_vectors,
)
from synthkd.errors import CriticError


def cloud(rng: np.random.Generator, n: int, move: float = 0.0, width: float = 1.0) -> Any:
    vectors = 1 + width * rng.normal(size=(n, 8))
    vectors[:, 0] += move
    return vectors


@pytest.mark.slow
@pytest.mark.parametrize("test", [classifier_test, depth_test, detect_shift])
def test_false_alarms_are_as_rare_as_asked(test: Any) -> None:
    rng, rounds = np.random.default_rng(0), 40
    alarms = sum(
        test(cloud(rng, 80), cloud(rng, 160), level=0.1, seed=i).shifted for i in range(rounds)
    )
    assert alarms / rounds <= 0.1 + 3 * np.sqrt(0.09 / rounds)


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"move": 0.8}, {"width": 1.6}, {"width": 0.5}])
def test_rows_that_moved_spread_or_drew_together_are_noticed(change: dict[str, float]) -> None:
    rng = np.random.default_rng(1)
    found = [detect_shift(cloud(rng, 200), cloud(rng, 200, **change), seed=i) for i in range(10)]
    assert sum(one.shifted for one in found) >= 9
    assert "the guarantee is withdrawn" in found[0].sentence()


def test_each_test_sees_what_the_other_is_blind_to() -> None:
    rng = np.random.default_rng(2)
    here, moved, wide = cloud(rng, 400), cloud(rng, 400, move=0.6), cloud(rng, 400, width=1.6)
    assert classifier_test(here, moved).shifted
    assert not depth_test(here, moved).shifted
    assert depth_test(here, wide).shifted
    assert not classifier_test(here, wide).shifted


def test_the_sentence_of_rows_that_are_alike_claims_no_more_than_that_nothing_was_found() -> None:
    rng = np.random.default_rng(3)
    assert (
        detect_shift(cloud(rng, 100), cloud(rng, 100))
        .sentence()
        .startswith("no shift was found at level 0.05")
    )


@pytest.mark.slow
def test_rows_of_one_group_count_once() -> None:
    rng = np.random.default_rng(4)
    alarms = 0
    for i in range(40):
        here, there = np.repeat(cloud(rng, 40), 10, axis=0), np.repeat(cloud(rng, 40), 10, axis=0)
        names = [str(n // 10) for n in range(400)]
        alarms += detect_shift(
            here, there, calibration_groups=names, scored_groups=names, seed=i
        ).shifted
    assert alarms <= 7


def draws(rng: np.random.Generator, n: int, **change: Any) -> dict[str, list[float | None]]:
    """Draw a score, a whole number and a likelihood that a tenth of the rows lack."""
    values: dict[str, Any] = {
        "score": rng.beta(2, 2, n),
        "recurrence": rng.geometric(0.6, n).astype(float),
        "logprob": np.where(rng.random(n) < 0.1, np.nan, rng.normal(-3, 1, n)),
    }
    values |= {name: change[name](values[name]) for name in change}
    return {name: list(column) for name, column in values.items()}


@pytest.mark.slow
def test_false_alarms_over_several_numbers_are_as_rare_as_asked() -> None:
    rng, rounds = np.random.default_rng(10), 60
    alarms = sum(
        detect_shift_of_numbers(draws(rng, 80), draws(rng, 160), level=0.1).shifted
        for _ in range(rounds)
    )
    assert alarms / rounds <= 0.1 + 2 * np.sqrt(0.09 / rounds)


@pytest.mark.parametrize(
    ("name", "change", "test"),
    [
        ("score", lambda v: v**2, "distribution"),
        ("score", lambda v: 0.5 + (v - 0.5) / 2, "distribution"),
        ("recurrence", lambda v: v + 1, "distribution"),
        ("logprob", lambda v: v - 1, "distribution"),
        ("logprob", lambda v: np.full_like(v, np.nan), "missing"),
        ("logprob", lambda v: np.where(v > -3, v, np.nan), "missing"),
        ("logprob", np.nan_to_num, "missing"),
    ],
)
def test_a_number_that_moved_drew_together_or_went_is_named(
    name: str, change: Any, test: str
) -> None:
    rng = np.random.default_rng(11)
    found = detect_shift_of_numbers(draws(rng, 300), draws(rng, 300, **{name: change}), level=0.01)
    assert found.shifted
    assert (found.of, found.test) == (name, test)
    assert f"`{name}`" in found.sentence()
    assert "the guarantee is withdrawn" in found.sentence()


def test_without_any_number_nothing_is_said_of_numbers() -> None:
    nothing: dict[str, list[float | None]] = {"logprob": [None] * 30}
    found = detect_shift_of_numbers(nothing, nothing)
    assert not found.shifted
    assert found.p_value == 1


def test_depth_lies_between_0_and_2_and_a_lone_far_point_has_the_lowest() -> None:
    rows = np.vstack([cloud(np.random.default_rng(5), 50, width=0.2), -np.ones(8)])
    found = depths(rows, rows, among=True)
    assert found.min() >= 0
    assert found.max() <= 2
    assert found.argmin() == 50


@pytest.mark.parametrize("others", [30, 50])
def test_a_depth_is_two_minus_the_mean_cosine_distance_also_for_equally_many_rows(
    others: int,
) -> None:
    from scipy.spatial.distance import cdist

    rng = np.random.default_rng(6)
    here, there = cloud(rng, 30), cloud(rng, others)
    np.testing.assert_allclose(depths(there, here), 2 - cdist(there, here, "cosine").mean(axis=1))


def test_q_is_a_half_for_equal_corpora_and_0_for_one_far_outside() -> None:
    rng = np.random.default_rng(7)
    here = cloud(rng, 300)
    assert depth_q(here, cloud(rng, 300)) == pytest.approx(0.5, abs=0.07)
    tight = cloud(rng, 100, width=0.1)
    assert depth_q(tight, -tight) == 0


def test_q_does_not_depend_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(8)
    here, there = cloud(rng, 60), cloud(rng, 40)
    assert depth_q(here[::-1], there[::-1]) == pytest.approx(depth_q(here, there))


@pytest.mark.parametrize(
    ("here", "there", "said"),
    [
        (np.ones((5, 2)), np.ones((50, 2)), "20 calibration rows at least; there are 5"),
        (np.ones((50, 2)), np.ones((50, 3)), "2 dimensions, scored rows 3"),
        (np.ones((50, 2)), np.full((50, 2), np.nan), "scored rows are not finite"),
    ],
)
def test_vectors_that_cannot_be_compared_are_refused(here: Any, there: Any, said: str) -> None:
    with pytest.raises(CriticError, match=said):
        detect_shift(here, there)


@pytest.mark.slow
def test_real_explanations_of_one_set_are_alike_and_those_of_two_are_not(data: Path) -> None:
    import pyarrow.parquet as pq

    def texts(part: str) -> list[str]:
        rows = pq.read_table(
            data / "gpt3_explanations" / f"{part}.parquet", columns=["sample", "explanation"]
        )
        return [row["explanation"] for row in rows.to_pylist() if row["sample"] == "0"][:400]

    one, other = texts("csqa_train"), texts("snli_train")
    assert not detect_shift(*text_vectors(one[:200], one[200:])).shifted
    assert detect_shift(*text_vectors(one[:200], other[:200])).shifted
