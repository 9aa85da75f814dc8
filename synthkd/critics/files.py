"""Files that every critic writes: arrays, settings, and hashes of all files.

Nothing in them can run code. Altered or damaged files are refused, and a schema bounds their
contents.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field

from synthkd.artifacts.arrays import Arrays, read_arrays, write_arrays
from synthkd.artifacts.folder import CRITIC_ARTIFACT, check_hashes, write_hashes
from synthkd.artifacts.settings import (
    Columns,
    Name,
    PluginName,
    Settings,
    checked_settings,
    read_object,
)
from synthkd.errors import CriticError
from synthkd.storage import write_json

ARRAYS, CONFIG = "critic.safetensors", "critic.json"


class CriticSettings(Settings):
    """Settings that all critics share; each critic adds its own fields."""

    critic: PluginName
    version: int
    kind: Name = ""
    columns: Columns = Field(default_factory=list)


S = TypeVar("S", bound=CriticSettings)


def write_files(folder: Path, arrays: Arrays, config: dict[str, Any]) -> None:
    """Write arrays and settings into an existing folder, then the hashes of all its files."""
    write_arrays(folder / ARRAYS, arrays)
    write_json(folder / CONFIG, config)
    write_hashes(folder)


def read_files(folder: Path, critic: str, version: int, settings: type[S]) -> tuple[Arrays, S]:
    """Read arrays and settings, the latter as a model.

    Refuse another critic, another version or altered files.
    """
    if not (folder / CONFIG).is_file():
        raise CriticError(f"{folder}: no critic here (no {CONFIG})")
    check_hashes(folder, CRITIC_ARTIFACT)
    found = read_object(folder / CONFIG, CRITIC_ARTIFACT)
    if found.get("critic") != critic or found.get("version") != version:
        raise CriticError(f"{folder / CONFIG}: not a critic `{critic}` of this version; train it again")
    checked = checked_settings(folder / CONFIG, found, settings, CRITIC_ARTIFACT)
    return read_arrays(folder / ARRAYS, CRITIC_ARTIFACT), checked


def check_columns(folder: Path, settings: CriticSettings, kind: Any) -> None:
    """Refuse a critic that was trained for another kind or on other columns."""
    if settings.kind != kind.name:
        raise CriticError(f"{folder}: trained for the kind {settings.kind!r}, not {kind.name!r}")
    if settings.columns != list(kind.columns):
        raise CriticError(
            f"{folder}: trained on the columns {settings.columns}, the kind has {list(kind.columns)}"
        )
