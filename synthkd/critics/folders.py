"""Folders inside a critic's folder: every file is named with its hash, and a stranger is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from synthkd.errors import CriticError, StorageError
from synthkd.keys import file_hash
from synthkd.storage import read_json, write_json

HASHES = "hashes.json"


def write_hashes(folder: Path, names: Iterable[str]) -> None:
    """Write the hashes of some files of a folder beside them."""
    write_json(folder / HASHES, {name: file_hash(folder / name) for name in names})


def check_hashes(folder: Path, names: Iterable[str]) -> None:
    """Refuse a folder in which one of these files is not as it was written."""
    try:
        known = read_json(folder / HASHES)
    except StorageError:
        known = None
    if not isinstance(known, dict):
        raise CriticError(f"{folder / HASHES}: missing, cut or altered; train the critic again")
    for name in names:
        if not (folder / name).is_file():
            raise CriticError(f"{folder / name}: missing; train the critic again")
        if file_hash(folder / name) != known.get(name):
            raise CriticError(f"{folder / name}: cut or altered since it was written; train the critic again")


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
