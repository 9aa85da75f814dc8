"""Samples of streams: what they hold, whatever the order of rows."""

from __future__ import annotations

import random

import pytest

from synthkd.keys import fraction
from synthkd.rows.sampling import RowSample


def sample(rows: list[str], size: int, least: int = 0) -> RowSample[str]:
    taken = RowSample[str](size, least)
    for row in rows:
        taken.add(row, fraction(row), row[0])
    return taken


ROWS = [f"{'a' if number % 997 else 'b'}{number}" for number in range(8000)]


def test_a_stream_without_more_rows_is_the_sample() -> None:
    assert sample(ROWS[:100], 100).rows() == ROWS[:100]


@pytest.mark.parametrize("least", [0, 5])
def test_the_order_of_rows_carries_no_meaning(least: int) -> None:
    first = sample(ROWS, 300, least).rows()
    shuffled = random.Random(0).sample(ROWS, len(ROWS))
    second = sample(shuffled, 300, least).rows()
    assert sorted(first) == sorted(second)
    assert len(first) == 300
    places = {row: place for place, row in enumerate(shuffled)}
    assert [places[row] for row in second] == sorted(places[row] for row in second)


def test_rows_with_the_smallest_draws_stay() -> None:
    assert sorted(sample(ROWS, 300).rows()) == sorted(sorted(ROWS, key=fraction)[:300])


def test_a_rare_class_keeps_its_least_number() -> None:
    rare = [row for row in ROWS if row[0] == "b"]
    kept = [row for row in sample(ROWS, 300, 5).rows() if row[0] == "b"]
    assert len(rare) == 9
    assert len(kept) >= 5
    assert set(sorted(rare, key=fraction)[:5]) <= set(kept)


def test_classes_that_need_more_rows_than_the_sample_has_get_them() -> None:
    taken = RowSample[int](10, 2)
    for number in range(3000):
        taken.add(number, fraction(str(number)), str(number % 50))
    assert len(taken.rows()) == 100


def test_no_more_than_a_few_sizes_of_rows_are_held() -> None:
    taken = RowSample[str](100)
    most = 0
    for number in range(20_000):
        taken.add(str(number), fraction(str(number)))
        most = max(most, len(taken._rows))
    assert most <= 2 * 100 + 1024
    assert taken.seen == 20_000
