"""The hashed features: what they tell apart, and that a row's do not depend on its neighbours."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.critics.ngrams import BITS, hashed_ngrams
from synthkd.critics.teacher_numbers import teacher_numbers

COLUMNS = ("head", "relation", "tail")
Row = tuple[str | None, str | None, str | None]


def table(rows: list[Row]) -> pa.Table:
    return pa.table(
        {name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(COLUMNS)}
    )


def features(rows: list[Row], columns: tuple[str, ...] = COLUMNS) -> list[Counter[int]]:
    """Return the features of each row: column -> occurrences."""
    found = hashed_ngrams(table(rows), columns)
    counts: list[Counter[int]] = [Counter() for _ in rows]
    for row, column in zip(found.rows, found.columns, strict=True):
        counts[row][int(column)] += 1
    return counts


text = st.text(max_size=30)
rows = st.lists(
    st.tuples(text, st.sampled_from(["UsedFor", "IsA", ""]), text), min_size=1, max_size=8
)


@pytest.mark.slow
@given(rows)
def test_a_row_has_the_same_features_in_any_company(some: list[Row]) -> None:
    assert features(some) == [features([row])[0] for row in some]


@pytest.mark.slow
@given(rows)
def test_columns_are_below_the_size_of_the_table(some: list[Row]) -> None:
    assert all(0 <= column < 1 << BITS for row in features(some) for column in row)


def test_a_slice_of_a_table_has_the_features_of_its_rows() -> None:
    some: list[Row] = [("dog", "IsA", "pet"), ("oak", "IsA", "tree"), ("cup", "UsedFor", "tea")]
    found = hashed_ngrams(table(some).slice(1, 2), COLUMNS)
    assert Counter(found.columns[found.rows == 0].tolist()) == features([some[1]])[0]


def test_case_blanks_and_punctuation_at_the_edges_do_not_count() -> None:
    assert features([("Dog ", "IsA", "a  pet.")]) == features([("dog", "IsA", "a pet")])


def test_equal_words_in_two_parts_are_two_features() -> None:
    (one,), (other,) = features([("dog", "", "")]), features([("", "", "dog")])
    assert len(one & other) < len(one) / 2


@pytest.mark.parametrize(
    "change",
    [
        ("cat", "UsedFor", "pet"),
        ("dog", "IsA", "pet"),
        ("dog", "UsedFor", "toy"),
        ("pet", "UsedFor", "dog"),
    ],
)
def test_rows_that_differ_have_different_features(change: Row) -> None:
    assert features([change]) != features([("dog", "UsedFor", "pet")])


def test_every_family_is_there() -> None:
    # Relation 1; a part of two words: 2 + 4 + 1, grams of 7 bytes 6 + 5 + 4; across: 1 + 2 * 4.
    (row,) = features([("ab cd", "r", "ef gh")])
    assert row.total() == 1 + 2 * (2 + 4 + 1 + 6 + 5 + 4) + 1 + 2 * 4


def test_without_a_relation_there_are_none_with_one() -> None:
    (row,) = features([("ab cd", "r", "ef gh")], ("head", "tail"))
    assert row.total() == 2 * (1 + 2 + 1 + 6 + 5 + 4) + 1 + 4


def test_a_null_is_an_empty_text() -> None:
    assert features([(None, "IsA", "pet")]) == features([("", "IsA", "pet")])


def test_no_rows_have_no_features() -> None:
    assert len(hashed_ngrams(table([]), COLUMNS).rows) == 0


def test_a_long_text_is_paired_by_its_first_words_only() -> None:
    many = " ".join(f"w{i}" for i in range(500))
    (row,) = features([(many, "r", many)])
    assert row.total() < 20_000


def test_numbers_that_are_not_there_are_nan() -> None:
    found = teacher_numbers(table([("dog", "IsA", "pet")]), COLUMNS)
    assert found.shape == (1, 4)
    assert [value != value for value in found[0]] == [True, True, True, False]
