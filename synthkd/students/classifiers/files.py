"""A classifier's own files: settings as JSON, arrays as safetensors. Nothing in them can run code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from synthkd.errors import StorageError, StudentError
from synthkd.storage import read_json, write_json

SETTINGS, ARRAYS = "classifier.json", "classifier.safetensors"


def write(folder: Path, student: str, version: int, settings: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Write both into an existing folder."""
    from safetensors.numpy import save

    write_json(folder / SETTINGS, {"student": student, "version": version, **settings})
    # A view of another array would be written as the whole of it.
    data = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    (folder / ARRAYS).write_bytes(data)


def read(folder: Path, student: str, version: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings and arrays that `write` wrote."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        settings = read_json(folder / SETTINGS)
        data = (folder / ARRAYS).read_bytes()
    except (StorageError, OSError) as error:
        raise StudentError(f"{folder}: no whole student here ({error}); train it again") from None
    if not isinstance(settings, dict) or settings.get("student") != student:
        raise StudentError(f"{folder / SETTINGS}: not a student `{student}`")
    if settings.get("version") != version:
        raise StudentError(
            f"{folder / SETTINGS}: written in format {settings.get('version')!r}, this version of synthkd reads {version};"
            " train the student again"
        )
    try:
        return settings, load(data)
    except SafetensorError as error:
        raise StudentError(f"{folder / ARRAYS}: cut or altered ({error}); train the student again") from None


@contextmanager
def fitting(folder: Path) -> Iterator[None]:
    """Settings and arrays that lack something or contradict each other are said to."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise StudentError(
            f"{folder}: the files of the student do not fit together ({error!r}); train it again"
        ) from None
