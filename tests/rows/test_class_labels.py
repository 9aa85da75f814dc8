"""Class names in Parquet files of the `datasets` library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthkd.critics.labels import read_labels
from synthkd.errors import InputError
from synthkd.kinds.triple import TripleKind
from synthkd.rows import class_labels, read_rows, read_tables


def written(path: Path, columns: dict[str, list[Any]], **names: list[str]) -> Path:
    """Write a Parquet file with the metadata of `datasets`."""
    features = {name: {"names": said, "_type": "ClassLabel"} for name, said in names.items()}
    features |= {
        name: {"dtype": "string", "_type": "Value"} for name in columns if name not in names
    }
    table = pa.table(columns).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    pq.write_table(table, path)
    return path


def cells(path: Path, column: str) -> list[Any]:
    return [row[column] for rows in read_rows(path) for row in rows]


def test_numbers_are_read_as_the_names_that_the_file_gives_them(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.parquet",
        {"text": ["x", "y", "z"], "label": [1, 0, -1]},
        label=["refund", "track"],
    )
    assert cells(path, "label") == ["track", "refund", None]
    assert [part.column("label").to_pylist() for part in read_tables(path, ["text", "label"])] == [
        ["track", "refund", None]
    ]


def test_a_sheet_whose_first_class_is_valid_is_not_read_upside_down(tmp_path: Path) -> None:
    columns = {
        "head": [f"h{i}" for i in range(200)], "relation": ["UsedFor"] * 200, "tail": ["t"] * 200,
        "label": [int(i >= 50) for i in range(200)],
    }  # fmt: skip
    path = written(tmp_path / "l.parquet", columns, label=["valid", "invalid"])
    assert read_labels(path, TripleKind()).labels.sum() == 50


def test_a_number_without_a_name_is_refused_with_its_row(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", {"label": [0, 1, 2]}, label=["a", "b"])
    with pytest.raises(InputError, match=r"a\.parquet row 3: 'label' is 2"):
        cells(path, "label")


@pytest.mark.parametrize(
    "said",
    [
        "",
        "{",
        "[]",
        '{"info": 3}',
        '{"info": {"features": {"label": {"_type": "ClassLabel", "names": [1]}}}}',
        "[" * 10_000,
    ],
)
def test_metadata_of_another_form_leave_the_numbers(tmp_path: Path, said: str) -> None:
    table = pa.table({"label": [0, 1]}).replace_schema_metadata({"huggingface": said})
    assert class_labels(table.schema) == {}
    pq.write_table(table, tmp_path / "a.parquet")
    assert cells(tmp_path / "a.parquet", "label") == [0, 1]


def test_the_library_itself_writes_such_files(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "NA"])}
    )
    rows = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}, features=features)
    rows.to_parquet(str(tmp_path / "d.parquet"))
    assert cells(tmp_path / "d.parquet", "label") == ["no", "NA"]
