"""A classifier's own files: settings as JSON, arrays as safetensors. Nothing in them can run code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field

from synthkd.artifacts.arrays import Arrays, read_arrays, write_arrays
from synthkd.artifacts.folder import STUDENT_ARTIFACT
from synthkd.artifacts.settings import Name, PluginName, Settings, checked_settings, read_object
from synthkd.errors import StudentError
from synthkd.storage import write_json
from synthkd.students.classifiers.temperature import HIGHEST, LOWEST

SETTINGS, ARRAYS = "classifier.json", "classifier.safetensors"

Classes = Annotated[list[Name], Field(min_length=2, max_length=1_000_000)]
Temperature = Annotated[float, Field(ge=LOWEST / 2, le=HIGHEST * 2)]


class ClassifierSettings(Settings):
    """Settings of every classifier."""

    student: PluginName
    version: int
    classes: Classes
    seed: Annotated[int, Field(ge=0, lt=1 << 32)]
    options: dict[str, Any]
    temperature: Temperature


S = TypeVar("S", bound=ClassifierSettings)


def write(folder: Path, student: str, version: int, settings: dict[str, Any], arrays: Arrays) -> None:
    """Write both into an existing folder."""
    write_json(folder / SETTINGS, {"student": student, "version": version, **settings})
    write_arrays(folder / ARRAYS, arrays)


def read(folder: Path, student: str, version: int, model: type[S]) -> tuple[S, Arrays]:
    """Settings, as a ``model``, and arrays that `write` wrote."""
    path = folder / SETTINGS
    found = read_object(path, STUDENT_ARTIFACT)
    if found.get("student") != student:
        raise StudentError(f"{path}: not a student `{student}`")
    if found.get("version") != version:
        raise StudentError(
            f"{path}: written in format {found.get('version')!r}, this version of synthkd reads {version};"
            " train the student again"
        )
    settings = checked_settings(path, found, model, STUDENT_ARTIFACT)
    if len(set(settings.classes)) != len(settings.classes):
        raise STUDENT_ARTIFACT.refuse(path, "classes: one stands twice")
    return settings, read_arrays(folder / ARRAYS, STUDENT_ARTIFACT)
