"""Reading rows, good and bad."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthkd.errors import InputError
from synthkd.rows import read_rows

ROWS = [{"a": "x", "b": "1"}, {"a": 'ü, "q"', "b": "2"}]


def all_rows(path: Path, columns: list[str] | None = None) -> list[dict[str, object]]:
    return [row for rows in read_rows(path, columns, batch=1) for row in rows]


def test_csv_jsonl_and_parquet_give_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text('a,b\nx,1\n"ü, ""q""",2\n', "utf-8")
    (tmp_path / "r.jsonl").write_text('{"a": "x", "b": "1"}\n\n{"a": "ü, \\"q\\"", "b": "2"}\n', "utf-8")
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "r.parquet")
    for name in ("r.csv", "r.jsonl", "r.parquet"):
        assert all_rows(tmp_path / name) == ROWS


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("r.csv", b"a,b\nx,1,2\n", "line 2: more fields"),
        ("r.csv", b"a,b\nx\n", "line 2: fewer fields"),
        ("r.csv", b"", "empty"),
        ("r.csv", b"a,b\n\xff,1\n", "not UTF-8"),
        ("r.jsonl", b'{"a": 1}\n{"a":\n', "line 2: not valid JSON"),
        ("r.jsonl", b"[1]\n", "line 1: a JSON object"),
        ("r.jsonl", b'{"a": "\xff"}\n', "not UTF-8"),
        ("r.parquet", b"PAR1 broken", "not readable as Parquet"),
        ("r.xlsx", b"", "unknown format"),
    ],
)
def test_a_broken_file_is_refused_with_the_place(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        all_rows(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["r.csv", "r.jsonl", "r.parquet"])
def test_a_missing_column_is_named_with_the_nearest(tmp_path: Path, name: str) -> None:
    (tmp_path / "r.csv").write_text("head,b\nx,1\n")
    (tmp_path / "r.jsonl").write_text('{"head": 1}\n')
    pq.write_table(pa.table({"head": [1]}), tmp_path / "r.parquet")
    with pytest.raises(InputError, match="did you mean 'head'"):
        all_rows(tmp_path / name, ["haed"])


def test_a_truncated_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    pq.write_table(pa.table({"a": list(range(1000))}), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="not readable as Parquet"):
        all_rows(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.csv: no such file"):
        all_rows(tmp_path / "gone.csv")


def test_half_of_a_surrogate_pair_is_a_replacement_character_and_a_whole_pair_stays(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "\\ud83d\\ude00 \\ud800 \\\\ud800"}\n')
    (rows,) = read_rows(tmp_path / "rows.jsonl")
    assert rows == [{"text": "\U0001f600 \ufffd \\ud800"}]
