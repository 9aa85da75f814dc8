"""The mark of a folder, `.synthkd.json`: its kind, its files, and a hash over both.

A mark proves that synthkd wrote a folder that has no manifest or card. Temporary folders have a
mark too, whose id is the random part of their name.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from synthkd._version import __version__
from synthkd.keys import content_hash

MARK = ".synthkd.json"
FORMAT = 1
#: Files that desktops leave in every folder.
DESKTOP_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
#: Bytes of a mark, a manifest or a card that are read at most.
LARGEST = 64 << 20


def write_mark(path: Path, kind: str, files: Iterable[str] | None = None) -> None:
    """Write a mark.

    Args:
        path: The file to write.
        kind: Name of the folder's kind.
        files: All files of the folder, by their paths in it; None if the mark does not list them.
    """
    listed = None if files is None else sorted(files)
    mark = {"synthkd": __version__, "format": FORMAT, "kind": kind, "files": listed}
    mark["id"] = content_hash([FORMAT, kind, listed])
    path.write_text(json.dumps(mark, indent=1) + "\n", "utf-8")


def has_mark(folder: Path, kind: str) -> bool:
    """Tell if a folder has a valid mark of this kind."""
    mark = read_small_json(folder / MARK)
    return _is_mark(mark) and mark["kind"] == kind


def foreign_to_mark(folder: Path, kind: str | None = None) -> str | None:
    """Name something in a folder that its mark does not list, as a predicate ("holds x").

    None if all is listed.
    """
    mark = read_small_json(folder / MARK)
    if not _is_mark(mark) or (kind is not None and mark["kind"] != kind) or mark["files"] is None:
        return f"has no mark of synthkd ({MARK}), and holds {first_entry(folder)}"
    return unlisted_file(folder, {MARK, *mark["files"]})


def write_temporary_mark(folder: Path, name: str) -> None:
    """Mark a new temporary folder; ``name`` is the random part of its own name."""
    mark = {"synthkd": __version__, "format": FORMAT, "kind": "temporary", "id": name}
    descriptor = os.open(folder / MARK, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        os.write(descriptor, json.dumps(mark).encode())
    finally:
        os.close(descriptor)


def has_temporary_mark(folder: Path, name: str) -> bool:
    """Tell if a folder is a temporary one of synthkd, or empty after an early kill."""
    mark = read_small_json(folder / MARK)
    if isinstance(mark, dict):
        return (
            mark.get("kind") == "temporary"
            and mark.get("format") == FORMAT
            and mark.get("id") == name
        )
    names = os.listdir(folder)
    return not names or (names == [MARK] and (folder / MARK).lstat().st_size == 0)


def unlisted_file(folder: Path, names: Iterable[str]) -> str | None:
    """Name the first file in a folder that is not one of ``names``, as a predicate ("holds x").

    None if none is.
    """
    listed = set(names)
    for name in list_files(folder):
        if name not in listed and name.rpartition("/")[2] not in DESKTOP_FILES:
            return f"holds {name}"
    return None


def first_entry(folder: Path) -> str:
    """Return the name of something in a folder for a message, preferably of a visible file."""
    names = sorted(os.listdir(folder))
    return next(
        (name for name in names if not name.startswith(".")), names[0] if names else "nothing"
    )


def list_files(folder: Path) -> list[str]:
    """List the files and the empty folders (``name/``) below a folder, in order.

    Links are not followed.
    """
    names: list[str] = []

    def walk(path: Path, prefix: str) -> None:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                walk(Path(entry.path), f"{prefix}{entry.name}/")
            else:
                names.append(f"{prefix}{entry.name}")
        if not entries and prefix:
            names.append(prefix)

    walk(folder, "")
    return names


def read_small_json(path: Path) -> Any:
    """Read the JSON of a small regular file.

    None if there is no such file, or it is not JSON.
    """
    with suppress(OSError, ValueError, RecursionError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and status.st_size <= LARGEST:
            return json.loads(path.read_bytes())
    return None


def _is_mark(mark: Any) -> bool:
    if (
        not isinstance(mark, dict)
        or mark.get("format") != FORMAT
        or not isinstance(mark.get("kind"), str)
    ):
        return False
    files = mark.get("files")
    if files is not None and not (
        isinstance(files, list) and all(isinstance(name, str) for name in files)
    ):
        return False
    return bool(mark.get("id") == content_hash([FORMAT, mark["kind"], files]))
