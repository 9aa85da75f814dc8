"""Files of labelled texts: equal labels, invalid cells, text files."""

from __future__ import annotations

import csv
import json
import unicodedata
import warnings
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.files import write_csv

pytest.importorskip("sklearn")

from synthkd.errors import InputError, StudentError
from synthkd.students.base import LabelledTexts, normal_class_name
from synthkd.students.classifiers.linear import LinearStudent
from synthkd.students.folders import load_student
from synthkd.students.rows import read_labelled_texts
from synthkd.students.serve import open_classifier, predict_file
from synthkd.students.train import TrainingRequest, train_student

NAMES = {"refund": "give me my money back", "track": "where is my parcel"}


def labelled(names: dict[str, str] | None = None) -> list[dict[str, Any]]:
    return [
        {"text": f"{text} {i}", "label": label}
        for i in range(4)
        for label, text in zip(names or NAMES, NAMES.values(), strict=True)
    ]


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


NAME = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")),
    min_size=1,
    max_size=12,
)


@pytest.mark.slow
@given(NAME, st.sampled_from([" ", "\u00a0", "\t", "\u200b", "\ufeff", "  "]))
def test_blanks_and_unicode_forms_make_no_other_class(name: str, blank: str) -> None:
    plain = normal_class_name(name)
    assert normal_class_name(plain) == plain
    assert normal_class_name(blank + name + blank) == plain
    assert normal_class_name(unicodedata.normalize("NFD", name)) == plain
    assert normal_class_name(plain.replace(" ", "\u00a0")) == plain


@pytest.mark.parametrize(
    "other",
    ["refund ", " refund", "refund\u00a0", "\tref\u00adund", "ref\u200bund", "\ufeffrefund"],
)
def test_labels_that_differ_in_blanks_alone_are_one_class_with_a_warning(
    tmp_path: Path, other: str, caplog: pytest.LogCaptureFixture
) -> None:
    rows = labelled()
    rows[0]["label"] = other
    found = read_labelled_texts(write_csv(tmp_path / "l.csv", rows))
    assert set(found.labels) == {"refund", "track"}
    assert "labels of 1 row differ in blanks or Unicode form alone" in caplog.text


def test_labels_that_differ_in_unicode_form_are_one_class(tmp_path: Path) -> None:
    rows = labelled({"suivi é": "", "refund": ""})
    rows[0]["label"] = "suivi e\u0301"
    assert set(read_labelled_texts(write_csv(tmp_path / "l.csv", rows)).labels) == {
        "suivi é",
        "refund",
    }


def test_labels_that_differ_in_case_are_two_classes_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = labelled()
    rows[0]["label"] = "Refund"
    assert len(set(read_labelled_texts(write_csv(tmp_path / "l.csv", rows)).labels)) == 3
    assert "'Refund' and 'refund'" in caplog.text


@pytest.mark.parametrize(
    "name", ["NA", "None", "nan", "null", "N/A", 'say "no", please', "a,b", "7", "1.0", "-5", "=x"]
)
def test_unusual_class_names_survive_from_file_to_prediction(tmp_path: Path, name: str) -> None:
    path = write_csv(tmp_path / "l.csv", labelled({name: "", "other": ""}))
    train_student(TrainingRequest(path, tmp_path / "s"))
    predict_file(open_classifier(tmp_path / "s"), path, tmp_path / "out.csv", formulas=True)
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        assert {row["label"] for row in csv.DictReader(file)} == {name, "other"}


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (["refund"], "a list of 1"), ({"name": "refund"}, "an object"), (None, "an empty label"),
        (" ", "an empty label"),
        (float("nan"), "an empty label"), ([], "an empty list"), ("\u200b", "an empty label"),
    ],
)  # fmt: skip
def test_a_label_that_is_none_is_refused_with_its_row(tmp_path: Path, cell: Any, said: str) -> None:
    rows = labelled()
    rows[3]["label"] = cell
    with pytest.raises(InputError, match=rf"l\.jsonl row 4: .*{said}"):
        read_labelled_texts(jsonl(tmp_path / "l.jsonl", rows))


@pytest.mark.parametrize("cell", [["a"], {"a": "b"}, None, float("nan"), ""])
def test_a_text_that_is_none_is_refused_with_its_row(tmp_path: Path, cell: Any) -> None:
    rows = labelled()
    rows[3]["text"] = cell
    path = jsonl(tmp_path / "l.jsonl", rows)
    train_student(TrainingRequest(write_csv(tmp_path / "good.csv", labelled()), tmp_path / "s"))
    with pytest.raises(InputError, match=r"l\.jsonl row 4: .*text"):
        read_labelled_texts(path)
    with pytest.raises(InputError, match=r"l\.jsonl row 4: .*text"):
        predict_file(open_classifier(tmp_path / "s"), path, tmp_path / "out.csv")


def test_numbers_are_labels_and_a_whole_one_has_one_spelling(tmp_path: Path) -> None:
    rows = labelled()
    for i, row in enumerate(rows):
        row["label"] = [1, 2.0, 1.0, 2][i % 4]
    assert set(read_labelled_texts(jsonl(tmp_path / "l.jsonl", rows)).labels) == {"1", "2"}


@pytest.mark.parametrize("other", ["refund ", "ref\u200bund", "refund\u00a0"])
def test_labels_in_memory_that_read_the_same_are_refused(other: str) -> None:
    texts = LabelledTexts(("a b", "b c", "c d", "d e"), ("refund", other, "track", "track"))
    with pytest.raises(StudentError, match="reads the same as"):
        LinearStudent().fit(texts)
    with pytest.raises(StudentError, match="reads the same as"):
        LinearStudent(("refund", other))


# One string, one line


@pytest.fixture(scope="module")
def student() -> LinearStudent:
    rows = labelled()
    return LinearStudent().fit(
        LabelledTexts(tuple(row["text"] for row in rows), tuple(row["label"] for row in rows))
    )


@pytest.mark.parametrize("given", [{"text": "a"}, b"a", None, 5, pa.table({"text": ["a"]})])
def test_tables_and_other_objects_are_refused_as_texts(student: LinearStudent, given: Any) -> None:
    with pytest.raises(StudentError, match="give a text, a list of texts or one column"):
        student.predict(given)


def test_one_string_is_one_text(student: LinearStudent) -> None:
    assert student.predict("where is my parcel") == ["track"]
    assert student.probabilities("where is my parcel").shape == (1, 2)
    assert student.predict(text for text in NAMES.values()) == ["refund", "track"]
    assert student.predict([]) == []


@pytest.mark.parametrize("wrong", [[None], ["a", 3], [b"a"], [["a"]], [float("nan")]])
def test_an_item_that_is_no_text_is_refused_with_its_place(
    student: LinearStudent, wrong: list[Any]
) -> None:
    with pytest.raises(StudentError, match=rf"text {len(wrong)} of {len(wrong)} is"):
        student.predict(wrong)


def test_a_file_of_texts_has_one_on_each_line(tmp_path: Path) -> None:
    train_student(TrainingRequest(write_csv(tmp_path / "l.csv", labelled()), tmp_path / "s"))
    (tmp_path / "t.txt").write_bytes(
        "\ufeffmy money back\r\n\r\nwhere is it, my parcel\r\n".encode()
    )
    assert (
        predict_file(open_classifier(tmp_path / "s"), tmp_path / "t.txt", tmp_path / "o.jsonl") == 2
    )
    found = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text("utf-8").splitlines()]
    assert [(row["line"], row["text"], row["label"]) for row in found] == [
        (1, "my money back", "refund"),
        (3, "where is it, my parcel", "track"),
    ]


def test_few_rows_of_a_class_give_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    texts = tuple(f"word{c} thing{c * 7 + i} please" for c in range(40) for i in range(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LinearStudent().fit(
            LabelledTexts(texts, tuple(f"intent {c}" for c in range(40) for _ in range(2)))
        )


# Rows of the training


def test_a_folder_has_hashes_of_the_training_rows_and_no_text(tmp_path: Path) -> None:
    train_student(TrainingRequest(write_csv(tmp_path / "l.csv", labelled()), tmp_path / "s"))
    assert len(load_student(tmp_path / "s").training_hashes) == 8
    assert pq.read_schema(tmp_path / "s" / "trained_on.parquet").names == ["row"]


def test_altered_hashes_of_rows_are_refused(tmp_path: Path) -> None:
    from synthkd.artifacts.folder import write_hashes

    train_student(TrainingRequest(write_csv(tmp_path / "l.csv", labelled()), tmp_path / "s"))
    pq.write_table(pa.table({"row": ["text"]}), tmp_path / "s" / "trained_on.parquet")
    write_hashes(tmp_path / "s")
    with pytest.raises(StudentError, match="not hashes of rows"):
        load_student(tmp_path / "s")
