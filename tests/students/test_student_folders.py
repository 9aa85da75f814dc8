"""A student's folder: saving, loading, and refusals of damaged folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthkd.artifacts.folder import write_hashes
from synthkd.errors import StorageError, StudentError
from synthkd.students.base import LabelledTexts
from synthkd.students.classifiers.linear import LinearStudent
from synthkd.students.folders import load_student, read_manifest, save_student

ROWS = LabelledTexts(
    ("red apple \udcff", "green apple", "red car", "blue car"),
    ("fruit", "fruit", "vehicle", "vehicle"),
)
TEXTS = ["apple", "a car", "something"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_student(LinearStudent().fit(ROWS), tmp_path / "student", {"corpus": "abc"})


@pytest.mark.parametrize("features", ["tfidf", "hashing"])
def test_a_loaded_student_gives_the_probabilities_of_the_saved_one(
    tmp_path: Path, features: Any
) -> None:
    student = LinearStudent(("fruit", "vehicle", "other"), features=features).fit(ROWS)
    loaded = load_student(save_student(student, tmp_path / "s"))
    assert isinstance(loaded, LinearStudent)
    assert loaded.classes == student.classes
    np.testing.assert_array_equal(loaded.probabilities(TEXTS), student.probabilities(TEXTS))


def test_the_manifest_comes_back(folder: Path) -> None:
    assert read_manifest(folder) == {"corpus": "abc"}


def test_saving_again_replaces_the_student_and_leaves_nothing_beside_it(folder: Path) -> None:
    save_student(LinearStudent(features="hashing").fit(ROWS), folder)
    assert load_student(folder).recorded_options()["features"] == "hashing"  # type: ignore[attr-defined]
    assert [path.name for path in folder.parent.iterdir()] == ["student"]


def test_a_folder_that_holds_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(StorageError, match="not a student"):
        save_student(LinearStudent().fit(ROWS), tmp_path)
    assert (tmp_path / "letters.txt").is_file()


def test_an_error_while_saving_leaves_the_old_student(folder: Path) -> None:
    with pytest.raises(StudentError, match="not trained"):
        save_student(LinearStudent(), folder)
    assert load_student(folder)


def test_documents_beside_a_students_files_are_ignored(folder: Path) -> None:
    (folder / "README.md").write_text("hello")
    assert load_student(folder)


@pytest.mark.parametrize("name", ["classifier.json", "classifier.safetensors"])
@pytest.mark.parametrize("harm", ["gone", "cut", "altered"])
def test_a_changed_file_is_refused_by_name(folder: Path, name: str, harm: str) -> None:
    path = folder / name
    data = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-9] if harm == "cut" else data[:-1] + b"~")
    with pytest.raises(StudentError, match=name):
        load_student(folder)


def test_a_folder_without_a_student_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudentError, match=r"no student here"):
        load_student(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "format 99"),
        ({"student": "nobody"}, "unknown student 'nobody'"),
        ({"student": "encoder"}, "not a student `encoder`"),
        ({"files": {}}, "files: an unknown field"),
    ],
)
def test_a_card_of_something_else_is_refused(
    folder: Path, change: dict[str, Any], message: str
) -> None:
    card = json.loads((folder / "student.json").read_text())
    (folder / "student.json").write_text(json.dumps(card | change))
    write_hashes(folder)
    with pytest.raises(StudentError, match=message):
        load_student(folder)


def test_a_truncated_card_is_refused(folder: Path) -> None:
    (folder / "student.json").write_text('{"format": 1, "stud')
    with pytest.raises(StudentError, match="cut or altered"):
        load_student(folder)
