"""Temporary files of batches, on a disk that may be full."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from synthkd.errors import DiskFullError

#: Errors of a full disk; the second is of file systems with quotas.
_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def full_disk_errors(content: str) -> Iterator[None]:
    """Raise `DiskFullError` with advice if the disk of temporary files is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFullError(
            f"{tempfile.gettempdir()}: the disk is full, and {content} go there; free some space,"
            " or set TMPDIR to a folder elsewhere, and run again: batches at the provider are kept"
            " there"
        ) from None


def close_quietly(file: IO[bytes]) -> None:
    """Close a temporary file; on a full disk, the flush of its buffer fails once more."""
    with suppress(OSError):
        file.close()
