"""Platt's sigmoid finds the likeliest slope, wherever the scores lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.critics.calibration.probability import Platt


def test_separable_scores_that_lie_close_together_are_told_apart() -> None:
    scores = np.linspace(0.987, 0.998, 74)
    chance = Platt.fit(scores, scores > np.median(scores))(scores)
    assert chance[0] < 0.05
    assert chance[-1] > 0.95


@pytest.mark.slow
@given(shift=st.floats(-50, 50), scale=st.floats(1e-3, 1e3))
def test_probabilities_do_not_change_with_the_place_and_scale_of_raw_scores(
    shift: float, scale: float
) -> None:
    rng = np.random.default_rng(0)
    raw = rng.normal(size=200) * 3
    labels = rng.random(200) < 1 / (1 + np.exp(-raw))
    moved = raw * scale + shift
    if moved.min() >= 0 and moved.max() <= 1:
        return  # read as probabilities then
    assert Platt.fit(moved, labels)(moved) == pytest.approx(Platt.fit(raw, labels)(raw), abs=1e-4)


def test_scores_that_go_the_wrong_way_give_every_row_the_share_of_the_valid() -> None:
    scores = np.linspace(0.1, 0.9, 100)
    fitted = Platt.fit(scores, scores < 0.4)
    assert fitted.slope == 0
    assert fitted(scores) == pytest.approx(np.full(100, (scores < 0.4).mean()), abs=0.02)
