"""Refuse to replace folders and files that synthkd did not write."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from synthkd.errors import StorageError
from synthkd.storage.folder_kinds import FOLDER_KINDS, FolderKind, parquet_columns
from synthkd.storage.marks import (
    DESKTOP_FILES,
    LARGEST,
    MARK,
    foreign_to_mark,
    list_files,
    write_mark,
)


def check_folder(path: Path, kind: FolderKind | None = None, shown: Path | None = None) -> None:
    """Refuse to replace a folder of another kind. A missing or empty folder is fine.

    Args:
        path: The folder.
        kind: The kind that the folder must be of; None accepts any kind.
        shown: The path in messages, if it is another one.

    Raises:
        StorageError: If the folder holds anything that does not belong to the kind.
    """
    shown = shown or path
    remedy = kind.remedy if kind else "name another folder"
    if not os.path.lexists(path):
        return
    if not path.is_dir():
        raise StorageError(f"{shown} is a file, and a folder is needed; {remedy}")
    if not any(entry.name not in DESKTOP_FILES for entry in os.scandir(path)):
        return
    if kind is not None:
        foreign, noun = kind.find_foreign(path), kind.name
    else:
        ours = any(one.find_foreign(path) is None for one in FOLDER_KINDS)
        foreign, noun = (None if ours else foreign_to_mark(path)), "folder of synthkd"
    if foreign is not None:
        article = "an" if noun[0] in "aeiou" else "a"
        raise StorageError(
            f"{shown}: not {article} {noun}: it {foreign}. It is not replaced; {remedy}, or move"
            " it away"
        )


def check_file(path: Path, is_ours: Callable[[Path], bool], noun: str) -> None:
    """Refuse to replace a file that synthkd did not write. A missing or empty file is fine.

    Args:
        path: The file.
        is_ours: Recognises a file of synthkd, such as `has_columns` of some names.
        noun: What synthkd writes there, with its article.

    Raises:
        StorageError: If the file is not recognised.
    """
    if not os.path.lexists(path) or (
        path.is_file() and (path.stat().st_size == 0 or is_ours(path))
    ):
        return
    raise StorageError(
        f"{path}: exists already, and is not {noun}; name another place, or move it away"
    )


def has_columns(*names: str) -> Callable[[Path], bool]:
    """Return a test for `check_file`: a Parquet file with these columns."""
    return lambda path: set(names) <= parquet_columns(path)


def has_fields(*names: str) -> Callable[[Path], bool]:
    """Return a test for `check_file`: a table of any format with these fields."""

    def is_ours(path: Path) -> bool:
        if path.suffix.lower() == ".parquet":
            return set(names) <= parquet_columns(path)
        with suppress(ValueError, RecursionError), path.open("rb") as file:
            first = file.readline(LARGEST).decode("utf-8-sig")
            row = json.loads(first) if first.startswith("{") else next(csv.reader([first]), [])
            return set(names) <= set(row)
        return False

    return is_ours


def has_text(text: str) -> Callable[[Path], bool]:
    """Return a test for `check_file`: a file that contains this text."""

    def is_ours(path: Path) -> bool:
        with path.open("rb") as file:
            return text.encode() in file.read(LARGEST)

    return is_ours


def sign_folder(folder: Path, kind: FolderKind | None = None) -> None:
    """Write a mark with all files of a folder, unless its manifest or card proves the kind."""
    if kind is None:
        if any(one.find_foreign(folder) is None for one in FOLDER_KINDS):
            return
        name = "folder"
    elif kind.signed:
        name = kind.name
    else:
        return
    write_mark(folder / MARK, name, [file for file in list_files(folder) if file != MARK])
