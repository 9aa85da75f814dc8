"""Rows in memory: every table that Python users have gives the same rows."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.errors import InputError
from synthkd.rows import read_rows, rows_in_file, source_rows, write_given_rows

ROWS = [{"head": "a knife", "n": 1, "share": 0.5}, {"head": "a cup", "n": 2, "share": None}]


def pandas_frame(rows: list[dict[str, Any]]) -> Any:
    return pytest.importorskip("pandas").DataFrame(rows)


def polars_frame(rows: list[dict[str, Any]]) -> Any:
    return pytest.importorskip("polars").DataFrame(rows)


def data_set(rows: list[dict[str, Any]]) -> Any:
    return pytest.importorskip("datasets").Dataset.from_list(rows)


def duckdb_relation(rows: list[dict[str, Any]]) -> Any:
    duckdb = pytest.importorskip("duckdb")
    return duckdb.from_arrow(pa.Table.from_pylist(rows))


SOURCES: list[Callable[[list[dict[str, Any]]], Any]] = [
    list, iter, tuple, pa.Table.from_pylist, pandas_frame, polars_frame, data_set,
    duckdb_relation,
    lambda rows: pa.Table.from_pylist(rows).to_reader(),
]  # fmt: skip


@pytest.mark.parametrize("make", SOURCES)
def test_every_table_is_written_as_the_same_file(
    make: Callable[[Any], Any], tmp_path: Path
) -> None:
    write_given_rows(make(ROWS), tmp_path / "one.jsonl")

    assert [json.loads(line) for line in (tmp_path / "one.jsonl").open()] == ROWS


def test_the_index_of_a_data_frame_is_no_column() -> None:
    frame = pandas_frame(ROWS).set_index("n")

    assert [set(row) for row in source_rows(frame)] == [{"head", "share"}] * 2


def test_gaps_of_pandas_are_empty_cells(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "a": pandas.array([1, None], dtype="Int64"),
            "b": [pandas.Timestamp("2024-02-01"), None],
            "c": ["x", float("nan")],
        }
    )
    write_given_rows(frame, tmp_path / "rows.jsonl")

    (rows,) = read_rows(tmp_path / "rows.jsonl")
    assert rows[1] == {"a": None, "b": None, "c": None}
    assert rows[0] == {"a": 1, "b": "2024-02-01 00:00:00", "c": "x"}


def test_values_that_json_lacks_become_the_text_of_a_cell(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    row = {
        "day": datetime.date(2024, 2, 1), "bytes": b"caf\xc3\xa9", "whole": numpy.int64(3),
        "list": numpy.array([1, 2]), "object": {"a": (1, None)},
    }  # fmt: skip
    write_given_rows([row], tmp_path / "rows.jsonl")

    (rows,) = read_rows(tmp_path / "rows.jsonl")
    assert rows == [
        {
            "day": "2024-02-01",
            "bytes": "café",
            "whole": 3,
            "list": [1, 2],
            "object": {"a": [1, None]},
        }
    ]


@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=5),
            st.none() | st.text() | st.integers(-(2**53), 2**53) | st.booleans(),
            max_size=3,
        ),
        max_size=5,
    )
)
def test_what_is_written_is_read_again(rows: list[dict[str, Any]]) -> None:
    with rows_in_file(rows) as path:
        assert [row for batch in read_rows(path) for row in batch] == rows


def test_a_path_stays_a_path(tmp_path: Path) -> None:
    with rows_in_file(tmp_path / "heads.csv") as path:
        assert path == tmp_path / "heads.csv"
    with rows_in_file(str(tmp_path)) as path:
        assert path == tmp_path


def test_errors_about_the_file_name_the_rows_by_their_label() -> None:
    with (
        pytest.raises(InputError, match=r"^labels: no column 'label'"),
        rows_in_file(ROWS, "labels") as path,
    ):
        raise InputError(f"{path}: no column 'label'")


def several_splits() -> Any:
    datasets = pytest.importorskip("datasets")
    return datasets.DatasetDict(train=data_set(ROWS), test=data_set(ROWS))


def lazy_frame() -> Any:
    return polars_frame(ROWS).lazy()


def unnamed_columns() -> Any:
    return pytest.importorskip("pandas").DataFrame([[1, 2]])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: {"head": "a"}, "a dict is one row"),
        (lambda: {"head": ["a", "b"]}, "a dict of columns"),
        (lambda: ["a knife"], "rows row 1: the text 'a knife' is no row"),
        (lambda: 5, "a value of the type int holds no rows"),
        (lambda: [{"a": 1}, None], "rows row 2: a value of the type NoneType"),
        (lambda: [{1: "a"}], "rows row 1: the column 1 is no text"),
        (lambda: [{"a": datetime.timedelta(1)}], "rows row 1: 'a' is a duration"),
        (lambda: [{"a": b"\xff"}], "'a' is bytes that are not UTF-8"),
        (several_splits, "several splits (train, test); choose one, such as data['train']"),
        (lazy_frame, "give `.collect()`"),
        (unnamed_columns, "the column 0 has no name"),
    ],
)
def test_what_holds_no_rows_is_refused_with_what_to_give(
    make: Callable[[], Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        write_given_rows(make(), tmp_path / "rows.jsonl")
    assert says in str(error.value)
