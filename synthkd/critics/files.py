"""Files that every critic writes: arrays, settings, and hashes of all files.

Nothing in them can run code. Altered or damaged files are refused, and a schema bounds their
contents.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field

from synthkd.artifacts.arrays import Arrays
from synthkd.artifacts.folder import CRITIC_ARTIFACT, check_hashes, write_hashes
from synthkd.artifacts.model_files import ModelFiles
from synthkd.artifacts.settings import Columns, Name, PluginName, Settings
from synthkd.errors import CriticError

ARRAYS, CONFIG = "critic.safetensors", "critic.json"
_FILES = ModelFiles(CRITIC_ARTIFACT, "critic", CONFIG, ARRAYS)


class CriticSettings(Settings):
    """Settings that all critics share; each critic adds its own fields."""

    critic: PluginName
    version: int
    kind: Name = ""
    columns: Columns = Field(default_factory=list)


S = TypeVar("S", bound=CriticSettings)


def write_files(folder: Path, arrays: Arrays, config: dict[str, Any]) -> None:
    """Write arrays and settings into an existing folder, then the hashes of all its files."""
    _FILES.write(folder, config, arrays)
    write_hashes(folder)


def read_files(folder: Path, critic: str, version: int, settings: type[S]) -> tuple[Arrays, S]:
    """Read arrays and settings, the latter as a model.

    Refuse another critic, another version or altered files.
    """
    if not (folder / CONFIG).is_file():
        raise CriticError(f"{folder}: no critic here (no {CONFIG})")
    check_hashes(folder, CRITIC_ARTIFACT)
    checked, arrays = _FILES.read(folder, critic, version, settings)
    return arrays, checked


def check_columns(folder: Path, settings: CriticSettings, kind: Any) -> None:
    """Refuse a critic that was trained for another kind or on other columns."""
    if settings.kind != kind.name:
        raise CriticError(f"{folder}: trained for the kind {settings.kind!r}, not {kind.name!r}")
    if settings.columns != list(kind.columns):
        raise CriticError(
            f"{folder}: trained on the columns {settings.columns}, the kind has"
            f" {list(kind.columns)}"
        )
