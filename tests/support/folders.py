"""Folders as synthkd and others write them."""

from __future__ import annotations

from pathlib import Path

from synthkd.storage import (
    MARK,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def foreign_folder(path: Path) -> None:
    path.mkdir()
    (path / "thesis.txt").write_text("years of work")


def forged_folder(path: Path) -> None:
    foreign_folder(path)
    (path / MARK).write_text('{"format": 1, "kind": "temporary", "id": "of another"}')
