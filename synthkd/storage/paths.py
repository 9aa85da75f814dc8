"""Errors of the operating system as errors of synthkd, and checks of output paths."""

from __future__ import annotations

import errno
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synthkd.errors import DiskFullError, StorageError

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://.+")

#: Bytes of a name, and of a whole path, on most file systems.
_LONGEST_NAME, _LONGEST_PATH = 255, 4096
#: Bytes that the name of a temporary folder adds to the name of its target.
_TEMPORARY_NAME, _TEMPORARY_PATH = 10, 32


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Raise errors of the operating system as StorageError, with the path and the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
            raise DiskFullError(
                f"{path}: the disk is full; make room and run again: what was committed is kept"
            ) from None
        raise StorageError(f"{path}: {error.strerror or error}") from None


def target_of(path: Path) -> Path:
    """Resolve the symbolic links of a path, which need not exist.

    Raises:
        StorageError: If the path is not valid, or is a link that leads to itself.
    """
    try:
        real = Path(os.path.realpath(path))
        loop = real.is_symlink()
    except (ValueError, OSError) as error:
        raise StorageError(f"{str(path)!r}: not a path ({error})") from None
    if loop:
        raise StorageError(
            f"{path}: a symbolic link that leads to itself; remove it, or name another place"
        )
    return real


def check_place(path: Path) -> None:
    """Raise StorageError if no file or folder can be made at a path.

    The check leaves nothing behind.
    """
    with storage_errors(path):
        target = target_of(path)
        existing = target
        while not existing.is_dir():
            if existing.exists():
                raise StorageError(f"{existing} is a file; {path} cannot be made in it")
            existing = existing.parent
        lengths = [len(os.fsencode(part)) for part in target.relative_to(existing).parts]
        longest_name = max([*lengths[:-1], lengths[-1] + _TEMPORARY_NAME]) if lengths else 0
        if (
            longest_name > _LONGEST_NAME
            or len(os.fsencode(target)) + _TEMPORARY_PATH > _LONGEST_PATH
        ):
            raise StorageError(f"{path}: the name is too long; choose a shorter one")
        if target.is_dir() and os.path.ismount(target):
            raise StorageError(f"{path}: a file system is mounted there; name a folder in it")
        # Permission bits do not tell everything: a file system may be read-only, or hold no
        # folders.
        beside = target.parent if existing == target else existing
        probe = beside / f".{target.name[:200]}.{uuid.uuid4().hex[:8]}"
        probe.mkdir()
        probe.rmdir()


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_address(text: str) -> bool:
    """Return True for an address such as ``s3://bucket/corpus``; a path is none."""
    return bool(_ADDRESS.fullmatch(text)) and not text.startswith("file://")
