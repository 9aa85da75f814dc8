"""CSV files have no foreign formulas, and are read back unchanged."""

from __future__ import annotations

import csv
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.files import write_csv
from typer.testing import CliRunner

from synthkd.cli.app import app
from synthkd.critics.triples.negatives import write_negatives
from synthkd.labels.sheet import Sheet, read_sheet
from synthkd.rows import read_rows
from synthkd.students.serve import predict_file

EVIL = [
    "=1+1",
    "@SUM(A1)",
    "-2+3",
    "+1",
    "\t=1",
    "\r=1",
    " =1",
    '"=1',
    "＝1",
    "'=1",
    "''=1",
    "'\u2060=1",
    "a\rb",
    "a\nb",
    ",=1",
]
TEXTS = st.one_of(
    st.sampled_from(EVIL),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(
        lambda text: "\0" not in text
    ),
)
FORMULA = re.compile(r"[\s\"']*[=+\-@＝＋－＠]|[\t\r\n]")


def cells(path: Path) -> list[dict[str, str]]:
    """Return cells as a spreadsheet sees them."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [row for batch in read_rows(path) for row in batch]


def record(text: str, **more: str) -> dict[str, str]:
    return {
        "id": text,
        "head": text,
        "tail": text,
        "annotator": text,
        "why": text,
        "verdict": "accept",
    } | more


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(TEXTS, min_size=1, max_size=4), st.booleans())
def test_a_label_sheet_comes_back_as_it_was_written(texts: list[str], formulas: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.csv"
        for _ in range(2):
            with Sheet(path, ["head", "tail"], formulas) as sheet:
                for text in texts[len(sheet.records) :]:
                    sheet.append(record(text))
                sheet.rewrite()
                assert [each["head"] for each in sheet.records] == texts
        # A row without an id is no row of a sheet.
        if all(texts):
            found = read_sheet(path)
            assert [[each[name] for name in ("id", "head", "why")] for each in found] == [
                [text] * 3 for text in texts
            ]
        if not formulas:
            assert not any(FORMULA.match(cell) for row in cells(path) for cell in row.values())


def test_numbers_of_a_sheet_stay_numbers_and_texts_do_not(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    with Sheet(path, ["head", "tail", "score", "logprob"]) as sheet:
        sheet.append(record("-5", score="-0.3", logprob="=1"))
    (row,) = cells(path)
    assert row["score"] == "-0.3"
    assert row["logprob"].startswith("'")
    assert row["head"].startswith("'")
    assert {name: rows_of(path)[0][name] for name in ("head", "score", "logprob")} == {
        "head": "-5", "score": "-0.3", "logprob": "=1",
    }  # fmt: skip


def test_undo_takes_back_a_row_whose_cells_are_marked(tmp_path: Path) -> None:
    with Sheet(tmp_path / "labels.csv", ["head", "tail"]) as sheet:
        sheet.append(record("=1"))
        before = sheet.path.read_bytes()
        sheet.append(record("a\r=2"))
        assert sheet.undo("a\r=2")
        assert sheet.path.read_bytes() == before


class Model:
    classes = ("=cmd", "b")

    def probabilities(self, texts: list[str]) -> Any:
        return np.array([[0.75, 0.25]] * len(texts))


@pytest.mark.parametrize("formulas", [False, True])
def test_predictions_in_csv_are_marked_and_read_back(tmp_path: Path, formulas: bool) -> None:
    write_csv(tmp_path / "rows.csv", [{"id": text, "text": text} for text in EVIL])
    predict_file(
        Model(), tmp_path / "rows.csv", tmp_path / "out.csv", every=True, formulas=formulas
    )  # type: ignore[arg-type]
    read = rows_of(tmp_path / "out.csv")
    # `write_csv` is another writer: its cells that begin with our mark are read as ours.
    texts = [row["text"] for row in rows_of(tmp_path / "rows.csv")]
    assert [(row["id"], row["text"], row["label"]) for row in read] == [
        (text, text, "=cmd") for text in texts
    ]
    seen = cells(tmp_path / "out.csv")
    assert {row["probability"] for row in seen} == {"0.75"}
    assert any(FORMULA.match(row["text"]) for row in seen) is formulas


def test_predictions_in_json_lines_are_exact(tmp_path: Path) -> None:
    write_csv(tmp_path / "rows.csv", [{"text": "=1+1"}])
    predict_file(Model(), tmp_path / "rows.csv", tmp_path / "out.jsonl")  # type: ignore[arg-type]
    assert rows_of(tmp_path / "out.jsonl")[0]["text"] == "=1+1"


def test_made_negatives_are_marked_and_read_back(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    true = [{"head": f"={i}", "relation": "UsedFor", "tail": f"@{i}\rx"} for i in range(24)]
    write_csv(tmp_path / "true.csv", true)
    write_negatives(tmp_path / "true.csv", tmp_path / "out.csv")
    assert not any(
        FORMULA.match(cell) for row in cells(tmp_path / "out.csv") for cell in row.values()
    )
    read = [row for row in rows_of(tmp_path / "out.csv") if row["label"] == "true"]
    assert [row["head"] for row in read] == [row["head"] for row in true]


@pytest.mark.parametrize("formulas", [False, True])
def test_pairs_are_marked_and_read_back(tmp_path: Path, formulas: bool) -> None:
    names = ["=a", "-b", "c\rd", "plain"]
    write_csv(tmp_path / "things.csv", [{"name": name} for name in names])
    asked = [
        "pairs",
        str(tmp_path / "things.csv"),
        "--by",
        "random",
        "-o",
        str(tmp_path / "out.csv"),
    ]
    result = CliRunner().invoke(app, [*asked, *["--formulas"] * formulas])
    assert result.exit_code == 0, result.output
    assert {
        row[side] for row in rows_of(tmp_path / "out.csv") for side in ("left", "right")
    } <= set(names)
    found = [cell for row in cells(tmp_path / "out.csv") for cell in row.values()]
    assert any(FORMULA.match(cell) for cell in found) is formulas


def test_sheets_of_other_tools_are_read_as_they_are(tmp_path: Path) -> None:
    texts = ["'=1", "'-ism", "=1", "''x"]
    assert [
        row["text"]
        for row in rows_of(write_csv(tmp_path / "a.csv", [{"text": text} for text in texts]))
    ] == texts
