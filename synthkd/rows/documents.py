"""Rows of text files: each file is one row with the columns ``document_id`` and ``text``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from synthkd.errors import InputError
from synthkd.rows.checks import Rows, reading_errors, require_columns

#: Suffixes of text files.
TEXT_SUFFIXES = (".txt", ".md", ".rst")
#: Characters of a batch, about.
_BATCH_CHARACTERS = 1 << 22


def text_files(folder: Path) -> list[Path]:
    """Return the text files in and below a folder, without hidden ones, in order."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in TEXT_SUFFIXES
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )


def document_rows(
    path: Path, files: list[Path], columns: list[str] | None, batch: int
) -> Iterator[Rows]:
    """Yield batches of one row a file; a batch ends early if its texts are long.

    Args:
        path: The file, or the folder from which a ``document_id`` is the path.
        files: The files.
        columns: Columns to return; None returns both.
        batch: Rows of a batch.
    """
    group: Rows = []
    characters = 0
    for file in files:
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        # The bytes of a file name need not be UTF-8.
        name = os.fsencode(name).decode("utf-8", "replace")
        row = {"document_id": name, "text": read_text(file)}
        require_columns(file, columns, list(row))
        group.append({column: row[column] for column in columns or row})
        characters += len(row["text"])
        if len(group) == batch or characters > _BATCH_CHARACTERS:
            yield group
            group, characters = [], 0
    if group:
        yield group


def read_text(path: Path) -> str:
    """Read a text file as it stands, line ends included.

    Raises InputError if it is empty or not UTF-8 text.
    """
    with reading_errors(path):
        text = path.read_bytes().decode("utf-8-sig")
    if (place := text.find("\0")) >= 0:
        raise InputError(f"{path}: binary, not text (a zero byte at {place})")
    if not text.strip():
        raise InputError(f"{path}: empty; leave the file out")
    return text
