"""Write files so that a reader never sees half of one."""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synthkd.errors import DiskFullError, StorageError


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Put the operating system's errors into ours, with the place and the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
            raise DiskFullError(
                f"{path}: the disk is full; make room and run again: what was committed is kept"
            ) from None
        raise StorageError(f"{path}: {error.strerror or error}") from None


def write_text(path: Path, text: str) -> None:
    """Replace a file: temporary name, sync, rename."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        try:
            with temporary.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file. Keys stay in their order."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; one that was cut or altered is said to be so."""
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise StorageError(f"{path}: no such file") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise StorageError(f"{path}: not JSON ({error}); it was cut or altered") from None


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """A new folder under a temporary name that takes the place of ``path`` when the block ends well.

    All its files are synced before the rename; on an error it is removed and ``path`` stays as it was.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        temporary.mkdir()
        try:
            yield temporary
            for file in temporary.rglob("*"):
                _sync(file)
            _sync(temporary)
            _swap(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _swap(temporary: Path, path: Path) -> None:
    old = path.with_name(f".{path.name}.old-{uuid.uuid4().hex[:8]}")
    if path.exists():
        path.rename(old)
    temporary.rename(path)
    _sync(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
