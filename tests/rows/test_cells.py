"""Cells of every type have one text, or are refused."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.errors import InputError
from synthkd.rows import (
    CellError,
    UnreadableCell,
    arrow_values,
    cell_text,
    is_empty,
    read_rows,
    text_cell,
)

UUID = uuid.UUID("12345678123456781234567812345678")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" a ", " a "),
        ("nan", "nan"),
        ("None", "None"),
        (None, None),
        (float("nan"), None),
        (np.float32("nan"), None),
        (Decimal("NaN"), None),
        (3, "3"),
        (3.0, "3"),
        (-0.0, "0"),
        (3.25, "3.25"),
        (1e300, "1e+300"),
        (np.int64(7), "7"),
        (np.float64(7), "7"),
        (np.bool_(True), "true"),
        (np.str_("a"), "a"),
        (True, "true"),
        (False, "false"),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+3"), "1000"),
        (datetime.date(2024, 5, 1), "2024-05-01"),
        (datetime.datetime(2024, 5, 1, 9, 30), "2024-05-01 09:30:00"),
        (datetime.time(9, 30), "09:30:00"),
        (UUID, str(UUID)),
        ("größe".encode(), "größe"),
    ],
)
def test_a_cell_has_one_text(value: Any, text: str | None) -> None:
    assert cell_text(value) == text
    assert is_empty(value) == (text is None)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (["a", "b"], "a list of 2"),
        ((), "an empty list"),
        ({"a"}, "a list of 1"),
        (np.array([1.0]), "a list of 1"),
        ({"text": "a"}, r"an object \(text\)"),
        ({}, "an empty object"),
        (b"\xff", "bytes that are not UTF-8"),
        (datetime.timedelta(1), "a duration"),
        (float("inf"), "an infinite number"),
        (Decimal("-Infinity"), "an infinite number"),
        (object(), "a value of the type object"),
        (UnreadableCell("odd", ""), "odd"),
    ],
)
def test_a_cell_without_a_text_is_described(value: Any, said: str) -> None:
    with pytest.raises(CellError, match=f"^{said}$"):
        cell_text(value)
    with pytest.raises(
        InputError, match=f"^r.jsonl row 3: 'head' is {said}, where a text is needed"
    ):
        text_cell(value, "r.jsonl row 3", "head")


@pytest.mark.slow
@given(
    st.floats()
    | st.integers()
    | st.booleans()
    | st.text()
    | st.none()
    | st.binary()
    | st.dates()
    | st.decimals()
)
def test_no_text_is_pythons_way_of_writing_a_value(value: Any) -> None:
    try:
        text = cell_text(value)
    except CellError:
        return
    if not isinstance(value, str | bytes):
        assert text is None or not text.startswith(
            ("b'", 'b"', "nan", "NaN", "None", "True", "False", "Decimal")
        )


class _Label(pa.ExtensionType):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(pa.int32(), "test.label")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: pa.DataType, serialized: bytes) -> _Label:
        return cls()


ODD: dict[str, pa.Array] = {
    "half": pa.array([1.5, None], pa.float16()),
    "gap": pa.array([3.0, float("nan")]),
    "large": pa.array(["a", None], pa.large_string()),
    "view": pa.array(["a", None], pa.string_view()),
    "bytes": pa.array([b"a", b"\xff"]),
    "view of bytes": pa.array([b"a", b"\xff"], pa.binary_view()),
    "fixed": pa.array([b"ab", b"\xff\xff"], pa.binary(2)),
    "no text": pa.array([b"a", b"\xff"]).view(pa.string()),
    "null": pa.array([None, None]),
    "class": pa.array(["a", "b"]).dictionary_encode(),
    "extension": pa.ExtensionArray.from_storage(_Label(), pa.array([1, 2], pa.int32())),
    "uuid": pa.array([UUID.bytes, None], pa.uuid()),
    "nano": pa.array([1, 2**40], pa.timestamp("ns")),
    "zone": pa.array([253402300800, 0], pa.timestamp("s", "+01:00")),
    "long": pa.array([1, 2**62], pa.duration("ns")),
    "far": pa.array([2**62, 0], pa.duration("ms")),
    "time": pa.array([1, 2], pa.time64("ns")),
    "list": pa.array([[b"a"], [b"\xff"]]),
    "struct": pa.array([{"a": [float("nan")]}, None]),
    "map": pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())),
    "decimal": pa.array([Decimal("1.5"), None]),
    "union": pa.UnionArray.from_sparse(
        pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])]
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_a_column_of_any_type_is_read_and_its_cells_are_text_or_refused(name: str) -> None:
    values = arrow_values(ODD[name], "r.parquet", name, 1)
    assert len(values) == 2
    for value in values:
        try:
            text = cell_text(value)
        except CellError:
            continue
        assert text is None or not text.startswith(("b'", "[", "{", "(", "nan", "datetime"))


def test_columns_of_any_type_come_out_of_parquet_as_they_went_in(tmp_path: Path) -> None:
    columns = {name: column for name, column in ODD.items() if name != "union"}
    pq.write_table(pa.table(columns), tmp_path / "r.parquet")
    first, second = next(read_rows(tmp_path / "r.parquet"))
    assert set(first) == set(columns)
    assert (first["bytes"], first["large"], first["class"], first["gap"], second["gap"]) == (
        "a",
        "a",
        "a",
        3.0,
        None,
    )
    for name in ("bytes", "no text"):
        with pytest.raises(InputError, match=rf"r\.parquet row 2: column '{name}': is .*not UTF-8"):
            str(second[name])
