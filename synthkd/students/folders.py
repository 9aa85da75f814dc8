"""A student's folder: its files, `student.json`, and the hashes of all files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from synthkd import plugins
from synthkd._version import __version__
from synthkd.artifacts.folder import STUDENT_ARTIFACT, check_hashes, write_hashes
from synthkd.artifacts.settings import PluginName, Settings, checked_settings, read_object
from synthkd.errors import StudentError
from synthkd.storage import STUDENT_FOLDER, replaced_folder, write_json
from synthkd.students.base import Classifier, SpanStudent, StudentModel, TextStudent
from synthkd.students.training_hashes import read_training_hashes, write_training_hashes

CARD = "student.json"
FORMAT = 2
#: The class of students by what they learn.
SORTS: Mapping[str, Any] = {
    "labels": Classifier,
    "text": TextStudent,
    "spans": SpanStudent,
}


class _Card(Settings):
    format: Literal[2]
    student: PluginName
    learns: Literal["labels", "text", "spans"]
    synthkd: Annotated[str, Field(max_length=100)]
    manifest: dict[str, Any]


def save_student(
    student: StudentModel, folder: Path | str, manifest: Mapping[str, Any] | None = None
) -> Path:
    """Write a student, over an earlier one.

    Args:
        student: The student.
        folder: Its folder.
        manifest: What it was trained on, for `read_manifest`.

    Returns:
        The folder.

    Raises:
        StorageError: The folder holds something other than a student.
    """
    folder = Path(folder)
    with replaced_folder(folder, STUDENT_FOLDER) as new:
        student.save(new)
        write_training_hashes(new, student.training_hashes)
        card = {
            "format": FORMAT,
            "student": student.name,
            "learns": student.learns,
            "synthkd": __version__,
        }
        write_json(new / CARD, {**card, "manifest": dict(manifest or {})})
        write_hashes(new)
    return folder


def load_student(folder: Path | str, encoder: str | Path | None = None) -> StudentModel:
    """Load the student of a folder.

    Args:
        folder: The folder.
        encoder: Folder or hub name of the frozen encoder of a student on embeddings, if it is not
            found by itself.

    Raises:
        StudentError: A file is missing, altered, or of another version.
    """
    folder = Path(folder)
    card = read_card(folder)
    check_hashes(folder, STUDENT_ARTIFACT)
    student_class: type[StudentModel] = plugins.find("students", card["student"])
    options: dict[str, Any] = {} if encoder is None else {"encoder": str(encoder)}
    for name in options:
        if name not in student_class.load_options:
            raise StudentError(
                f"{folder}: the student {student_class.name!r} has no frozen encoder; leave"
                f" `{name}` out"
            )
    with STUDENT_ARTIFACT.fitting(folder):
        student: StudentModel = student_class.load(folder, **options)
    fits: bool = isinstance(student, SORTS[card["learns"]])
    if not fits:
        raise StudentError(
            f"{folder}: {card['student']!r} is no student that learns {card['learns']}"
        )
    student.training_hashes = read_training_hashes(folder, STUDENT_ARTIFACT)
    return student


def read_card(folder: Path | str) -> dict[str, Any]:
    """Read `student.json`: format, student, learns, synthkd (version), manifest."""
    path = Path(folder) / CARD
    if not path.is_file():
        raise StudentError(f"{folder}: no student here (no {CARD})")
    card = read_object(path, STUDENT_ARTIFACT)
    if isinstance(card.get("format"), int) and card["format"] != FORMAT:
        raise StudentError(
            f"{path}: format {card['format']}, this version of synthkd reads {FORMAT}; train the"
            " student again"
        )
    checked = checked_settings(path, card, _Card, STUDENT_ARTIFACT)
    plugins.find("students", checked.student)
    return card


def read_manifest(folder: Path | str) -> dict[str, Any]:
    """Read the manifest that was given to `save_student`."""
    manifest: dict[str, Any] = read_card(folder)["manifest"]
    return manifest
