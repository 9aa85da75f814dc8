"""`synthkd.Student`: trained, asked, saved and loaded on rows of any table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import synthkd
from synthkd.errors import StudentError

pytest.importorskip("sklearn")
ROWS = [
    {"text": f"{text} {i}", "label": label}
    for i in range(15)
    for text, label in (("where is my parcel", "track"), ("cancel my order", "cancel"))
]
TEXTS = ["is my parcel there", "cancel it"]


@pytest.fixture(scope="module")
def student() -> synthkd.Student:
    return synthkd.Student.train(ROWS, validation=ROWS[:10])


def frame(rows: list[dict[str, Any]]) -> Any:
    return pytest.importorskip("pandas").DataFrame(rows)


@pytest.mark.parametrize("make", [iter, pa.Table.from_pylist, frame])
def test_every_table_trains_the_same_student(make: Any, student: synthkd.Student) -> None:
    other = synthkd.Student.train(make(ROWS), validation=ROWS[:10])

    assert (other.probabilities(TEXTS) == student.probabilities(TEXTS)).all()


@pytest.mark.parametrize(
    "make",
    [
        list, tuple, pa.array, lambda texts: frame([{"text": text} for text in texts]),
        lambda texts: frame([{"text": text} for text in texts])["text"],
        lambda texts: [{"text": text} for text in texts],
        lambda texts: pa.table({"text": texts}),
    ],
)  # fmt: skip
def test_texts_come_in_lists_columns_and_tables(make: Any, student: synthkd.Student) -> None:
    assert student.predict(make(TEXTS)) == ["track", "cancel"]


def test_a_string_is_one_text(student: synthkd.Student) -> None:
    assert student.predict("cancel it") == ["cancel"]
    assert student.probabilities("cancel it").shape == (1, 2)


def test_a_saved_student_says_the_same(student: synthkd.Student, tmp_path: Path) -> None:
    loaded = synthkd.Student.load(student.save(tmp_path / "mine"))

    assert (loaded.probabilities(TEXTS) == student.probabilities(TEXTS)).all()
    assert (tmp_path / "mine" / "README.md").is_file()
    assert loaded.manifest["source"]["path"] == "rows.jsonl"
    assert str(tmp_path) not in (tmp_path / "mine" / "student.json").read_text()


def test_a_student_is_measured_on_rows(student: synthkd.Student) -> None:
    assert student.evaluate(ROWS).accuracy == 1.0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("use", "says"),
    [
        (lambda s: s.predict([{"txt": "a"}]), "texts row 1: no column 'txt'"),
        (lambda s: s.predict([1]), "text 1 of 1 is a int"),
        (lambda s: s.generate([{"head": "a"}]), "learns labels of texts"),
        (lambda s: s.spans("a"), "learns labels of texts, no spans"),
        (lambda s: synthkd.Student.train(ROWS[:1]), "one class 'track'"),
        (lambda s: synthkd.Student.train(ROWS, "lineer"), "did you mean 'linear'"),
        (lambda s: synthkd.Student.train(ROWS, options={"C": "high"}), "student 'linear'"),
        (lambda s: synthkd.Student.load("nowhere"), "nowhere: no student here"),
    ],
)
def test_a_wrong_use_is_refused_in_one_line(use: Any, says: str, student: synthkd.Student) -> None:
    with pytest.raises(StudentError) as raised:
        use(student)
    assert says in str(raised.value) or says.replace("'txt'", "'text'") in str(raised.value)
