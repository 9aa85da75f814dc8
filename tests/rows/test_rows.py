"""Reading rows of all formats, and errors with their place."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import tempfile
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.errors import InputError
from synthkd.rows import read_rows, read_tables

ROWS = [{"a": "x", "b": "1"}, {"a": 'ü, "q"', "b": "2"}]


def all_rows(path: Path, columns: list[str] | None = None) -> list[dict[str, object]]:
    return [row for rows in read_rows(path, columns, batch=1) for row in rows]


def test_csv_jsonl_and_parquet_give_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text('a,b\nx,1\n"ü, ""q""",2\n', "utf-8")
    (tmp_path / "r.jsonl").write_text(
        '{"a": "x", "b": "1"}\n\n{"a": "ü, \\"q\\"", "b": "2"}\n', "utf-8"
    )
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "r.parquet")
    for name in ("r.csv", "r.jsonl", "r.parquet"):
        assert all_rows(tmp_path / name) == ROWS


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("r.csv", b"a,b\nx,1,2\n", "line 2: more fields"),
        ("r.csv", b"a,b\nx\n", "line 2: fewer fields"),
        ("r.csv", b"", "empty"),
        ("r.csv", b"a,b\n\xff,1\n", "line 2: not UTF-8"),
        ("r.csv", b"a,b\nx,1\n\0,1\n", "line 3: a zero byte"),
        ("r.csv", b'a,b\nx,1\n"y,1\nz,1\n', "line 3: not valid CSV: a cell has no end"),
        ("r.csv", b'a,b\nx,"1\n2"\ny\n', "line 4: fewer fields"),
        ("r.csv", "a,b\n".encode("utf-16"), "UTF-16"),
        (
            "r.jsonl",
            b'{"a": 1}\n' * 3000 + b'{"a": "\xe9"}\n',
            r"line 3001: not UTF-8 \(byte 27007\)",
        ),
        ("r.jsonl", b'{"a": ' + b"9" * 5000 + b"}", "more than 4,300 digits"),
        ("r.jsonl", b"[" * 100_000, "nested deeper than 100"),
        ("r.yaml", b"- {a: 2024-99-99}", "YAML"),
        ("r.txt", b"one\ntwo \xff", "line 2: not UTF-8"),
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


def test_half_of_a_surrogate_pair_is_a_replacement_character_and_a_whole_pair_stays(
    tmp_path: Path,
) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "\\ud83d\\ude00 \\ud800 \\\\ud800"}\n')
    (rows,) = read_rows(tmp_path / "rows.jsonl")
    assert rows == [{"text": "\U0001f600 \ufffd \\ud800"}]


def test_a_cell_of_a_document_is_read_and_lines_after_it_are_counted_rightly(
    tmp_path: Path,
) -> None:
    path = tmp_path / "r.csv"
    text = "A line of a long document.\n" * 8000
    path.write_text(f'a,b\nx,"{text}"\ny,1\nz\n')
    rows = read_rows(path, batch=1)
    assert next(rows) == [{"a": "x", "b": text}]
    assert next(rows) == [{"a": "y", "b": "1"}]
    with pytest.raises(InputError, match="line 8004: fewer fields"):
        next(rows)


def test_brackets_in_texts_do_not_count_as_nesting(tmp_path: Path) -> None:
    text = '[{\\"' * 300
    (tmp_path / "r.jsonl").write_text(json.dumps({"a": text, "b": [[1]]}))
    assert all_rows(tmp_path / "r.jsonl") == [{"a": text, "b": [[1]]}]


def test_times_that_python_has_no_type_for_are_their_text_and_the_others_stay(
    tmp_path: Path,
) -> None:
    far = 253402300800
    table = pa.table(
        {
            "day": pa.array([0, far // 86400], pa.date32()),
            "second": pa.array([far, 0], pa.timestamp("s")),
            "duration": pa.array([2**62, 0], pa.duration("ms")),
        }
    )
    pq.write_table(table, tmp_path / "r.parquet")
    first, second = all_rows(tmp_path / "r.parquet")
    assert first["day"] == datetime.date(1970, 1, 1)
    assert second["second"] == datetime.datetime(1970, 1, 1)
    assert isinstance(first["second"], str)
    assert isinstance(second["day"], str)


def test_a_cell_that_cannot_be_read_is_named_with_row_and_column_where_it_is_used(
    tmp_path: Path,
) -> None:
    array = pa.array([b"a", b"\xff"]).view(pa.string())
    pq.write_table(pa.table({"a": [1, 2], "b": array}), tmp_path / "r.parquet")
    first, second = next(read_rows(tmp_path / "r.parquet"))
    assert (first["b"], second["a"]) == ("a", 2)
    with pytest.raises(InputError, match=r"r\.parquet row 2: column 'b': is not UTF-8"):
        str(second["b"])


def test_a_link_to_nothing_and_a_pipe_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "gone.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    for name, said in (
        ("link.csv", "a link to"),
        ("pipe.csv", "a pipe"),
        ("x" * 5000, "too long"),
        ("a\0b", "no such"),
    ):
        with pytest.raises(InputError, match=said):
            all_rows(tmp_path / name)


def test_a_file_name_that_is_no_utf8_gives_a_document_id_that_can_be_written(
    tmp_path: Path,
) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_text("Cats purr.")
    (row,) = all_rows(tmp_path)
    assert row["document_id"] == "caf\ufffd.txt"


def test_columns_of_mixed_types_are_text_in_tables_and_a_list_is_refused_with_its_row(
    tmp_path: Path,
) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(
        '{"a": 1}\n{"a": "x"}\n{"a": 2.0}\n{"a": true}\n{"a": NaN}\n{"a": 1%s}\n' % ("0" * 400)
    )
    (table,) = read_tables(path, ["a"])
    assert table.column("a").to_pylist() == ["1", "x", "2", "true", None, "1" + "0" * 400]
    path.write_text('{"a": "x"}\n{"a": ["x"]}\n')
    with pytest.raises(
        InputError, match=r"r\.jsonl row 2: 'a' is a list of 1, where a text is needed; give each"
    ):
        list(read_tables(path, ["a"]))


@pytest.mark.parametrize(
    "column",
    [
        pa.array([7, None]),
        pa.array([7.0, float("nan")]),
        pa.array(["7", None], pa.large_string()),
        pa.array([b"7", None]),
        pa.array(["7", None]).dictionary_encode(),
        pa.array([Decimal("7"), None]),
    ],
    ids=lambda column: str(column.type)[:12],
)
def test_a_parquet_column_of_any_plain_type_is_text_in_tables(
    tmp_path: Path, column: pa.Array
) -> None:
    pq.write_table(pa.table({"a": column, "other": [[1], [2]]}), tmp_path / "r.parquet")
    (table,) = read_tables(tmp_path / "r.parquet", ["a"])
    assert table.column("a").to_pylist() == ["7", None]
    assert table.column("other").to_pylist() == [[1], [2]]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("r.csv", b"head,relation,head\na,b,c\n", r"r\.csv line 1: two columns have the name"
            r" 'head'"),
        ("r.tsv", b"\n\nhead\thead\na\tb\n", r"r\.tsv line 3: two columns have the name 'head'"),
        ("r.jsonl", b'{"a": 1}\n{"head": "a", "head": "b"}\n', r"r\.jsonl line 2: the key 'head'"
            r" stands"),
        ("r.jsonl", b'{"a": {"b": 1, "b": 1}}\n',
        r"line 1: the key 'b' stands in one object twice"),
        ("r.yaml", b"- a: 1\n- {head: a, head: b}\n", r"r\.yaml line 2, column 13: .*the key 'head'"
            r" stands here twice"),
        ("r.csv", b"a,,\n1,,\n2,,x\n", r"r\.csv line 3: a cell of a column without a name"),
        ("r.yaml", b"- yes: a\n", r"r\.yaml row 1: the key True is no text; quote it"),
    ],
)  # fmt: skip
def test_a_name_that_stands_twice_is_refused(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        all_rows(tmp_path / name)


def test_a_doubled_parquet_column_is_refused_unless_nobody_asked_for_it(tmp_path: Path) -> None:
    table = pa.Table.from_arrays(
        [pa.array(["a"]), pa.array(["b"]), pa.array(["c"])], names=["x", "y", "x"]
    )
    pq.write_table(table, tmp_path / "r.parquet")
    assert list(read_rows(tmp_path / "r.parquet", ["y"])) == [[{"y": "b"}]]
    for columns in (None, ["x"]):
        with pytest.raises(InputError, match=r"r\.parquet: two columns have the name 'x'"):
            list(read_rows(tmp_path / "r.parquet", columns))


def test_empty_columns_without_a_name_that_a_spreadsheet_leaves_do_not_matter(
    tmp_path: Path,
) -> None:
    (tmp_path / "r.csv").write_text("a,,\n1,,\n")
    assert all_rows(tmp_path / "r.csv") == [{"a": "1", "": ""}]


def test_the_line_of_a_wrong_row_counts_blank_lines_and_lines_in_cells(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text('a,b\n"1\n2",3\n\n\nx\n')
    with pytest.raises(InputError, match=r"r\.csv line 6: fewer fields"):
        all_rows(tmp_path / "r.csv")


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet", "yaml", "txt"])
@given(
    data=st.one_of(
        st.binary(max_size=200), st.text('{}[]",:a1\n\t\\0é-&*', max_size=60).map(str.encode)
    )
)
def test_any_bytes_are_read_or_refused_in_one_line(suffix: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"r.{suffix}"
        path.write_bytes(data)
        said = path.name
        try:
            for rows in read_rows(path):
                assert all(isinstance(row, dict) for row in rows)
        except InputError as error:
            said = str(error)
        assert "\n" not in said
        assert path.name in said


@pytest.mark.slow
@given(st.integers(0, 1 << 16), st.integers(0, 255))
def test_a_parquet_file_with_a_wrong_byte_is_read_or_refused(place: int, byte: int) -> None:
    out = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": ["x", "y"], "b": [1.5, None], "c": [[1], []]}), out)
    data = bytearray(out.getvalue().to_pybytes())
    data[place % len(data)] = byte
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "r.parquet"
        path.write_bytes(data)
        with contextlib.suppress(InputError):
            list(read_rows(path))
