"""A classifier's own files: settings as JSON, arrays as safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field

from synthkd.artifacts.arrays import Arrays
from synthkd.artifacts.folder import STUDENT_ARTIFACT
from synthkd.artifacts.model_files import ModelFiles
from synthkd.artifacts.settings import Name, PluginName, Settings
from synthkd.students.base import Classifier
from synthkd.students.classifiers.temperature import HIGHEST, LOWEST

SETTINGS, ARRAYS = "classifier.json", "classifier.safetensors"
CLASSIFIER_FILES = ModelFiles(STUDENT_ARTIFACT, "student", SETTINGS, ARRAYS)

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


def read_classifier(
    folder: Path, student: type[Classifier], version: int, model: type[S]
) -> tuple[S, Arrays]:
    """Read the settings of a `student` as a `model`, and the arrays.

    Raises:
        StudentError: A file does not fit, an option is wrong, or two classes have the same name.
    """
    settings, arrays = CLASSIFIER_FILES.read(folder, student.name, version, model)
    student.checked(settings.options, f"{folder / SETTINGS}: options")
    if len(set(settings.classes)) != len(settings.classes):
        raise STUDENT_ARTIFACT.refuse(folder / SETTINGS, "classes: two have the same name")
    return settings, arrays
