"""The files of a trained model: settings as JSON, arrays as safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from synthkd.artifacts.arrays import Arrays, read_arrays, write_arrays
from synthkd.artifacts.folder import Artifact
from synthkd.artifacts.settings import checked_settings, read_object
from synthkd.storage import write_json

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True)
class ModelFiles:
    """The two files that all models of a sort have.

    Attributes:
        artifact: The sort of artefact, whose errors are raised.
        plugin: The field of the settings with the name of the plug-in.
        settings: Name of the settings file.
        arrays: Name of the file of arrays.
    """

    artifact: Artifact
    plugin: str
    settings: str
    arrays: str

    def write(self, folder: Path, settings: Mapping[str, Any], arrays: Arrays) -> None:
        """Write both files into an existing folder."""
        write_arrays(folder / self.arrays, arrays)
        write_json(folder / self.settings, dict(settings))

    def read(self, folder: Path, name: str, version: int, model: type[S]) -> tuple[S, Arrays]:
        """Read the settings as a `model`, and the arrays.

        Raises:
            UserError: The artefact's error: a file is missing or altered, or was written by another
                plug-in or version.
        """
        path = folder / self.settings
        settings = read_object(path, self.artifact)
        if settings.get(self.plugin) != name:
            raise self.artifact.error(f"{path}: not a {self.artifact.noun} `{name}`")
        if settings.get("version") != version:
            raise self.artifact.refuse(
                path,
                f"written in format {settings.get('version')!r}, this version of synthkd reads"
                f" {version}",
            )
        checked = checked_settings(path, settings, model, self.artifact)
        return checked, read_arrays(folder / self.arrays, self.artifact)
