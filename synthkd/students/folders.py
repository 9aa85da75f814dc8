"""A student's folder: its own files, and `student.json` that names the student and the hash of every file.

What is written is whole or not there; what is read is what was written, or is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthkd import plugins
from synthkd._version import __version__
from synthkd.critics.folders import file_hashes
from synthkd.errors import StorageError, StudentError
from synthkd.marks import STUDENT
from synthkd.storage import read_json, replaced_folder, write_json
from synthkd.students.base import Student

CARD = "student.json"
FORMAT = 1


def save_student(student: Student, folder: Path | str, manifest: Mapping[str, Any] | None = None) -> Path:
    """Write a student, replacing one that is there. ``manifest``: what it was trained on, for `read_manifest`.

    Raises `StorageError` where the folder holds something else than a student.
    """
    folder = Path(folder)
    with replaced_folder(folder, STUDENT) as new:
        student.save(new)
        card = {"format": FORMAT, "student": student.name, "learns": student.learns, "synthkd": __version__}
        write_json(new / CARD, {**card, "files": file_hashes(new), "manifest": dict(manifest or {})})
    return folder


def load_student(folder: Path | str) -> Student:
    """The student that stands in a folder. Raises `StudentError` for what is missing, cut, altered or of another version."""
    folder = Path(folder)
    card = read_card(folder)
    _check_files(folder, card["files"])
    student = plugins.find("students", card["student"]).load(folder)
    if not isinstance(student, Student):
        raise StudentError(f"{folder}: {card['student']!r} is no student")
    return student


def read_card(folder: Path | str) -> dict[str, Any]:
    """`student.json`: format, student, learns, synthkd (version), files (hashes), manifest."""
    path = Path(folder) / CARD
    if not path.is_file():
        raise StudentError(f"{folder}: no student here (no {CARD})")
    try:
        card = read_json(path)
    except StorageError as error:
        raise StudentError(f"{error}; train the student again") from None
    keys = {"format": int, "student": str, "files": dict, "manifest": dict}
    if not isinstance(card, dict) or any(not isinstance(card.get(key), kind) for key, kind in keys.items()):
        raise StudentError(f"{path}: not a student's card; train the student again")
    if card["format"] != FORMAT:
        raise StudentError(
            f"{path}: format {card['format']}, this version of synthkd reads {FORMAT}; train the student again"
        )
    return card


def read_manifest(folder: Path | str) -> dict[str, Any]:
    """What `save_student` was told of the student's making."""
    manifest: dict[str, Any] = read_card(folder)["manifest"]
    return manifest


def _check_files(folder: Path, expected: dict[str, str]) -> None:
    """Refuse a folder in which a file of the student is missing or altered. Others' files (a read-me, an export) may stand
    beside them."""
    found = file_hashes(folder)
    for name, digest in expected.items():
        if found.get(name) != digest:
            how = "missing" if name not in found else "cut or altered since it was written"
            raise StudentError(f"{folder / name}: {how}; train the student again")
