"""Folders inside a critic's folder: every file is named with its hash, and a stranger is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

from synthkd.errors import CriticError


def file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path there."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                found[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def check_files(folder: Path, expected: dict[str, str]) -> None:
    """Refuse a folder in which a file is missing, altered or added."""
    if not folder.is_dir():
        raise CriticError(f"{folder}: missing; train the critic again")
    found = file_hashes(folder)
    for name in sorted(set(found) | set(expected)):
        if name not in expected:
            raise CriticError(
                f"{folder / name}: not a file of this critic; remove it or train the critic again"
            )
        if found.get(name) != expected[name]:
            how = "missing" if name not in found else "cut or altered since it was trained"
            raise CriticError(f"{folder / name}: {how}; train the critic again")
