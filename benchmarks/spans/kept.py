"""Finished trainings in a folder (`--keep`), so that a run that was ended goes on from there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_kept(folder: Path | None, name: str, settings: list[Any]) -> dict[str, Any] | None:
    """Return the result of an earlier training with the same settings."""
    if folder is None or not (path := folder / f"{name}.json").is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text())
    return content["result"] if content["settings"] == settings else None


def keep(folder: Path | None, name: str, settings: list[Any], result: dict[str, Any]) -> None:
    """Keep the result of a training, if a folder is named."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        content = {"settings": settings, "result": result}
        (folder / f"{name}.json").write_text(json.dumps(content))
