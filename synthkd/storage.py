"""Write files so that a reader never sees half of one."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from synthkd.errors import DiskFullError, StorageError

try:
    import fcntl
except ImportError:  # Windows: what a killed process left stays
    fcntl = None  # type: ignore[assignment]


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

    All its files are synced before the rename; on an error it is removed and ``path`` stays as it was. What a process
    that was killed could not remove is removed by the next one.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if fcntl is not None:
            _clear(path)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        temporary.mkdir()
        lock = os.open(temporary, os.O_RDONLY) if fcntl is not None else None
        try:
            if lock is not None:
                _lock(lock)
            yield temporary
            for file in temporary.rglob("*"):
                _sync(file)
            _sync(temporary)
            _swap(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            if lock is not None:
                os.close(lock)


def _lock(descriptor: int) -> bool:
    """Hold a folder that is being written. Its lock is free when the process has ended, however it ended."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _clear(path: Path) -> None:
    """Remove what killed processes left of their work on ``path``. One that was killed between the two renames took it
    away: it is put back."""
    ours = re.compile(re.escape(f".{path.name}.") + r"(old-)?[0-9a-f]{8}")
    for left in [folder for folder in path.parent.iterdir() if ours.fullmatch(folder.name)]:
        # Another process may be clearing the same.
        with suppress(FileNotFoundError, NotADirectoryError):
            if ".old-" in left.name and not path.exists():
                left.rename(path)
                continue
            descriptor = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
            try:
                if _lock(descriptor):
                    shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(descriptor)


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
