"""Tests of judges' agreement, order effects and self-preference against hand-worked values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from synthkd.critics.judge.agreement import judge_agreement
from synthkd.critics.judge.pairwise import order_report
from synthkd.critics.judge.preference import (
    keep_by_margin,
    labels_kept_by_both,
    preference_margin,
    self_preference,
)
from synthkd.errors import CriticError


def test_kappa_is_agreement_beyond_chance() -> None:
    # 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: p = 0.7, chance = 0.5.
    said = ["y"] * 25 + ["n"] * 25
    people = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    found = judge_agreement(said, people)
    assert found.accuracy == pytest.approx(0.7)
    assert found.kappa == pytest.approx(0.4)
    assert found.accuracy_interval[0] < 0.7 < found.accuracy_interval[1]
    assert found.kappa_interval[0] < 0.4 < found.kappa_interval[1]


def test_a_verdict_that_cannot_be_read_counts_as_wrong() -> None:
    found = judge_agreement(["y", None, "n", "n"], ["y", "y", "n", "n"])
    assert (found.unreadable, found.accuracy) == (1, 0.75)


def test_a_judge_that_always_says_the_same_has_no_kappa() -> None:
    assert judge_agreement(["y"] * 10, ["y"] * 5 + ["n"] * 5).kappa == 0


def test_rows_of_one_group_are_drawn_together() -> None:
    said, people = ["y"] * 100, ["y", "n"] * 50
    wide = judge_agreement(said, sorted(people), groups=["one"] * 50 + ["two"] * 50)
    narrow = judge_agreement(said, people)
    assert wide.accuracy_interval == (0, 1)
    assert narrow.accuracy_interval[0] > 0.3


@pytest.mark.slow
def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(200):
        said = ["y" if rng.random() < 0.8 else "n" for _ in range(100)]
        low, high = judge_agreement(said, ["y"] * 100, draws=300, seed=seed).accuracy_interval
        hits += low <= 0.8 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_a_verdict_survives_the_swap_where_it_names_the_other_place() -> None:
    found = order_report(["a", "b", "tie", "a", None], ["b", "a", "tie", "a", "a"])
    assert (found.pairs, found.read, found.consistent) == (5, 4, 0.75)
    assert found.position_bias == pytest.approx(0.25)


def test_a_judge_that_always_takes_the_first_place_has_bias_one() -> None:
    found = order_report(["a"] * 10, ["a"] * 10)
    assert (found.consistent, found.position_bias) == (0, 1)
    assert order_report(["b"] * 10, ["b"] * 10).position_bias == -1


def test_without_a_pair_that_was_read_in_both_orders_nothing_is_said() -> None:
    with pytest.raises(CriticError, match="both orders"):
        order_report([None], ["a"])


def stacked(*cells: tuple[bool, float, str, int]) -> tuple[list[bool], list[float], list[str]]:
    rows = [(own, took, human) for own, took, human, count in cells for _ in range(count)]
    own, took, human = zip(*rows, strict=True)
    return list(own), list(took), list(human)


def test_self_preference_is_the_difference_at_equal_verdicts_of_people() -> None:
    # Valid rows: own 9 of 10, others 6 of 10. Invalid rows: own 4 of 10, others 1 of 10.
    found = self_preference(
        *stacked(
            (True, 1, "valid", 9), (True, 0, "valid", 1), (False, 1, "valid", 6), (False, 0,
            "valid", 4),
            (True, 1, "invalid", 4), (True, 0, "invalid", 6), (False, 1, "invalid", 1), (False, 0,
            "invalid", 9),
        )
    )  # fmt: skip
    assert found.difference == pytest.approx(0.3)
    numerator, denominator = 9.5 * 4.5 + 4.5 * 9.5, 1.5 * 6.5 + 6.5 * 1.5
    assert found.log_odds == pytest.approx(math.log(numerator / denominator))
    assert found.difference_interval[0] > 0
    assert [(s.human, s.own_accepted, s.others_accepted) for s in found.strata] == [
        ("invalid", 0.4, 0.1),
        ("valid", 0.9, 0.6),
    ]


def test_a_judge_that_merely_writes_better_does_not_favour_itself() -> None:
    # It accepts what people accept, and people accept more of its rows.
    found = self_preference(
        *stacked(
            (True, 1, "valid", 90),
            (True, 0, "invalid", 10),
            (False, 1, "valid", 50),
            (False, 0, "invalid", 50),
        )
    )
    assert found.difference == 0
    assert found.log_odds == pytest.approx(0)


def test_a_verdict_of_people_on_rows_of_one_side_only_is_left_out() -> None:
    found = self_preference(
        *stacked((True, 1, "valid", 5), (False, 0, "valid", 5), (True, 0, "unsure", 7))
    )
    assert [stratum.human for stratum in found.strata] == ["valid"]
    with pytest.raises(CriticError, match="nothing can be compared"):
        self_preference(*stacked((True, 1, "valid", 5), (False, 0, "invalid", 5)))


def test_verdicts_that_are_missing_are_refused() -> None:
    with pytest.raises(CriticError, match="leave rows without a verdict out"):
        self_preference([True, False], [float("nan"), 1], ["v", "v"])


def test_the_margin_is_how_much_more_the_model_prefers_the_label_than_its_reference() -> None:
    margin = preference_margin([-10, -10, -20], [-18, -12, -20], [-12, -12, -21], [-13, -13, -30])
    assert margin.tolist() == [7, 1, -9]
    assert keep_by_margin(margin).tolist() == [True, False, False]


def test_a_margin_of_exactly_five_is_not_above_it() -> None:
    assert keep_by_margin([5.0, 5.0 + 1e-9]).tolist() == [False, True]


def test_feedback_is_refined_where_both_labels_are_kept_and_the_same() -> None:
    found = labels_kept_by_both(
        ["a", "a", "b", "b"], ["a", "b", "b", "b"], [6, 6, 6, 4], [6, 6, 7, 9]
    )
    assert found.tolist() == [True, False, True, False]


def test_log_probabilities_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(CriticError, match="finite"):
        preference_margin([float("nan")], [0], [0], [0])
    with pytest.raises(CriticError, match="as many"):
        preference_margin([0, 1], [0], [0], [0])
