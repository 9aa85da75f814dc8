"""A critic's files: named arrays (safetensors) and a JSON of settings that holds the arrays' hash.

Nothing in them can run code, and what was altered or cut is refused.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from synthkd.errors import CriticError

ARRAYS, CONFIG = "critic.safetensors", "critic.json"
Arrays = dict[str, np.ndarray[Any, Any]]


def write_files(folder: Path, arrays: Arrays, config: dict[str, Any]) -> None:
    """Write both into an existing folder."""
    from safetensors.numpy import save

    # A view of another array would be written as the whole of it.
    data = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    (folder / ARRAYS).write_bytes(data)
    config = {**config, "arrays_sha256": _sha256(data)}
    (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def read_files(folder: Path, critic: str, version: int, keys: set[str]) -> tuple[Arrays, dict[str, Any]]:
    """Read what `write_files` wrote. ``keys`` must be in the settings."""
    config = _config(folder)
    missing = ({"critic", "version", "arrays_sha256"} | keys) - set(config)
    if missing or config["critic"] != critic or config["version"] != version:
        raise CriticError(f"{folder / CONFIG}: not a critic `{critic}` of this version; train it again")
    try:
        data = (folder / ARRAYS).read_bytes()
    except OSError:
        raise CriticError(f"{folder}: {ARRAYS} is missing; train the critic again") from None
    if _sha256(data) != config["arrays_sha256"]:
        raise CriticError(f"{folder / ARRAYS}: cut or altered since it was trained; train the critic again")
    from safetensors.numpy import load

    return load(data), config


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
    except OSError:
        raise CriticError(f"{folder}: no critic here (no {CONFIG})") from None
    except ValueError:
        raise CriticError(
            f"{folder / CONFIG}: not JSON; it was cut or altered; train the critic again"
        ) from None
    if not isinstance(config, dict):
        raise CriticError(f"{folder / CONFIG}: not a critic's settings; train the critic again")
    return config


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
