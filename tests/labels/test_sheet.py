"""The label sheet: durable, cut back safely, one writer at a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synthkd.errors import CriticError, InputError, StorageError, UserError
from synthkd.labels.sheet import Sheet, is_sheet, read_sheet, votes_by_row

COLUMNS = ["head", "relation", "tail"]


def record(
    name: str = "r1", verdict: str = "accept", who: str = "ann", **more: str
) -> dict[str, str]:
    return {
        "id": name,
        "head": "h",
        "relation": "IsA",
        "tail": "t",
        "verdict": verdict,
        "annotator": who,
    } | more


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels.csv"


def test_a_verdict_is_in_the_file_when_append_returns(path: Path) -> None:
    with Sheet(path, COLUMNS) as sheet:
        sheet.append(record())
        assert read_sheet(path)[0]["verdict"] == "accept"


def test_undo_takes_back_the_last_verdict_and_no_other(path: Path) -> None:
    with Sheet(path, COLUMNS) as sheet:
        sheet.append(record("r1"))
        before = path.read_bytes()
        sheet.append(record("r2", why='he said "no",\nthen left'))
        taken = sheet.undo("ann")
        assert taken is not None
        assert taken["id"] == "r2"
        assert path.read_bytes() == before
        sheet.append(record("r3"))
    assert [row["id"] for row in read_sheet(path)] == ["r1", "r3"]


def test_undo_leaves_what_another_annotator_said(path: Path) -> None:
    with Sheet(path, COLUMNS) as sheet:
        sheet.append(record(who="bob"))
        assert sheet.undo("ann") is None
    assert len(read_sheet(path)) == 1


def test_undo_works_on_the_rows_of_an_earlier_session(path: Path) -> None:
    with Sheet(path, COLUMNS) as sheet:
        sheet.append(record("r1"))
        sheet.append(record("r2"))
    with Sheet(path, COLUMNS) as sheet:
        found = sheet.undo("ann")
        assert found is not None
        assert found["id"] == "r2"
    assert [row["id"] for row in read_sheet(path)] == ["r1"]


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_row_that_was_half_written_is_cut_off_when_the_sheet_is_opened(
    path: Path, cut: int
) -> None:
    with Sheet(path, COLUMNS) as sheet:
        sheet.append(record("r1"))
        sheet.append(record("r2", why="a\nb"))
    path.write_bytes(path.read_bytes()[:-cut])
    with Sheet(path, COLUMNS) as sheet:
        assert [row["id"] for row in sheet.records] == ["r1"]
        sheet.append(record("r3"))
    assert [row["id"] for row in read_sheet(path)] == ["r1", "r3"]


def test_a_sheet_that_was_cut_in_its_header_begins_anew(path: Path) -> None:
    path.write_text("id,head,rel")
    with Sheet(path, COLUMNS) as sheet:
        sheet.append(record())
    assert len(read_sheet(path)) == 1


def test_a_file_that_is_no_sheet_is_left_as_it_is(path: Path) -> None:
    for text in ("some text without a line end", "id,head,tail\n1,a,b\n"):
        path.write_text(text)
        with pytest.raises(CriticError, match=r"labels\.csv"):
            Sheet(path, COLUMNS)
        assert path.read_text() == text


def test_a_verdict_that_is_none_is_refused_with_its_row(path: Path) -> None:
    with Sheet(path, COLUMNS) as sheet:
        sheet.append(record())
    path.write_text(path.read_text().replace("accept", "perhaps"))
    with pytest.raises(CriticError, match="row 2: verdict 'perhaps'"):
        Sheet(path, COLUMNS)


def test_two_processes_cannot_label_in_one_sheet(path: Path) -> None:
    with Sheet(path, COLUMNS), pytest.raises(StorageError, match="another process"):
        Sheet(path, COLUMNS)


def test_rewriting_keeps_rows_and_further_columns(path: Path) -> None:
    with Sheet(path, [*COLUMNS, "note"]) as sheet:
        sheet.append(record(note="mine"))
    with Sheet(path, COLUMNS) as sheet:
        sheet.records[0]["weight"] = "2.5"
        sheet.rewrite()
        sheet.append(record("r2"))
    one, two = read_sheet(path)
    assert (one["weight"], one["note"], two["note"]) == ("2.5", "mine", "")


def test_a_score_that_rows_have_got_since_becomes_a_column(path: Path) -> None:
    with Sheet(path, COLUMNS) as sheet:
        sheet.append(record())
    with Sheet(path, [*COLUMNS, "score"]) as sheet:
        sheet.append(record("r2", score="0.5"))
    assert [row["score"] for row in read_sheet(path)] == ["", "0.5"]


def test_a_sheet_of_another_kind_is_refused(path: Path) -> None:
    with Sheet(path, ["event"]):
        pass
    with pytest.raises(CriticError, match="no column 'head'"):
        Sheet(path, COLUMNS)


def test_votes_are_read_from_json_lines_and_parquet_too(tmp_path: Path) -> None:
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [record(), record(verdict="reject", who="bob"), record("r2", verdict="")]
    lines = tmp_path / "l.jsonl"
    lines.write_text("\n".join(map(json.dumps, rows)))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "l.parquet")
    for path in (lines, tmp_path / "l.parquet"):
        assert is_sheet(path)
        assert votes_by_row(read_sheet(path)) == {"r1": {"ann": "accept", "bob": "reject"}}


def test_a_missing_sheet_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.csv"):
        read_sheet(tmp_path / "gone.csv")


@pytest.mark.parametrize("column", ["id", "annotator"])
def test_an_id_or_annotator_that_is_a_list_is_refused_with_its_row(
    tmp_path: Path, column: str
) -> None:
    record = {"id": "a", "annotator": "ann", "verdict": "yes"}
    lines = [record, {**record, column: ["b"]}]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(UserError, match=rf"row 2: '{column}' is a list of 1"):
        read_sheet(tmp_path / "s.jsonl")
