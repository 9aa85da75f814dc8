"""How many units a round asks for, against simulated teachers whose yields are known."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.stages.target.sizing import (
    ObservedYield,
    chance_of,
    expected_units,
    first_units,
    further_units,
    yield_interval,
)

SEEN = st.builds(
    lambda units, share, once, twice: ObservedYield(
        units,
        math.ceil(units * share),
        math.floor(units * share * once),
        math.floor(units * share * (1 - once) * twice),
    ),
    st.integers(1, 10**5),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 1),
)


def simulated(
    wanted: int, valid: float, species: int, overshoot: float, seed: int
) -> tuple[float, int]:
    """Return completions of the rounds over those that suffice, and the number of rounds."""
    rng = np.random.default_rng(seed)
    most = 60_000
    draws = np.where(rng.random(most) < valid, rng.integers(0, species, most), -1)
    _, firsts = np.unique(draws[draws >= 0], return_index=True)
    enough = int(np.sort(np.flatnonzero(draws >= 0)[firsts])[wanted - 1]) + 1
    units = rounds = 0
    seen = ObservedYield(0)
    while seen.accepted < wanted:
        more = further_units(seen, wanted, most - units, overshoot)
        units += more if units else first_units(wanted, 1)
        rounds += 1
        _, times = np.unique(draws[:units][draws[:units] >= 0], return_counts=True)
        seen = ObservedYield(units, len(times), int((times == 1).sum()), int((times == 2).sum()))
    return units / enough, rounds


@pytest.mark.parametrize(
    ("wanted", "valid", "species"),
    [(200, 0.9, 10**6), (200, 0.3, 10**6), (200, 0.05, 10**6), (200, 0.4, 400), (1000, 0.5, 3000)],
)
def test_rounds_are_few_and_hardly_pass_what_suffices(
    wanted: int, valid: float, species: int
) -> None:
    results = [simulated(wanted, valid, species, 0.03, seed) for seed in range(12)]
    ratios, rounds = zip(*results, strict=True)
    assert min(ratios) >= 1
    assert np.mean(ratios) < 1.1
    assert np.mean(rounds) <= 5


def test_a_larger_overshoot_takes_fewer_rounds_and_more_completions() -> None:
    careful = [simulated(200, 0.05, 10**6, 0.01, seed) for seed in range(12)]
    hasty = [simulated(200, 0.05, 10**6, 0.5, seed) for seed in range(12)]
    for place, compare in ((0, np.less), (1, np.greater)):
        assert compare(*(np.mean([one[place] for one in runs]) for runs in (careful, hasty)))


@given(SEEN, st.integers(1, 10**6), st.integers(1, 10**6), st.floats(0.01, 1))
def test_a_round_asks_for_one_unit_or_more_and_for_no_more_than_are_left(
    seen: ObservedYield, more: int, left: int, overshoot: float
) -> None:
    units = further_units(seen, seen.accepted + more, left, overshoot)
    assert 1 <= units <= left


@given(SEEN, st.integers(1, 10**5))
def test_chances_are_probabilities_that_grow_with_the_units(seen: ObservedYield, rows: int) -> None:
    chances = chance_of(seen, rows, np.array([0.0, 1, 10, 100, 1000, 10**6]))
    assert chances[0] <= 1e-9
    assert np.all((chances >= 0) & (chances <= 1))
    assert np.all(np.diff(chances) >= -1e-6)


def test_new_rows_are_on_average_those_of_a_known_population() -> None:
    rng = np.random.default_rng(0)
    expected, later = [], []
    for _ in range(40):
        draws = rng.integers(0, 500, 1200)
        _, times = np.unique(draws[:600], return_counts=True)
        seen = ObservedYield(600, len(times), int((times == 1).sum()), int((times == 2).sum()))
        expected.append(seen.new_rows(np.array([600.0]))[0])
        later.append(len(np.unique(draws)) - len(times))
    assert np.mean(expected) == pytest.approx(np.mean(later), rel=0.05)


def test_a_target_beyond_what_all_units_can_give_has_no_expected_number() -> None:
    seen = ObservedYield(600, 350, 180, 110)
    assert expected_units(seen, 600, 10**6) is None
    assert expected_units(seen, 350, 10) == 0
    assert 0 < (expected_units(seen, 400, 10**6) or 0) < 600


def test_the_chance_of_the_first_row_is_that_of_a_negative_binomial() -> None:
    seen = ObservedYield(10, 1, 1, 0)
    mean = seen.new_rows(np.array([20.0]))[0]
    assert chance_of(seen, 1, np.array([20.0]))[0] == pytest.approx(1 - (1.5 / (1.5 + mean)) ** 1.5)


def test_intervals_are_wilsons_and_for_several_rows_a_completion_poissons() -> None:
    assert yield_interval(10, 100) == pytest.approx((0.0552, 0.1744), abs=1e-4)
    assert yield_interval(0, 0) == (0.0, 0.0)
    low, high = yield_interval(400, 100)
    assert low == pytest.approx(3.62, abs=0.02)
    assert high == pytest.approx(4.41, abs=0.02)


def test_a_hundred_thousand_values_are_sized_in_seconds() -> None:
    begin = time.monotonic()
    for number in range(100_000):
        further_units(ObservedYield(10, number % 8, number % 4, number % 2), 10, 30, 0.03)
    assert time.monotonic() - begin < 20
