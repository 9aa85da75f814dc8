"""The lock of a run: two processes at one run would buy the same completions twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synthkd.errors import StorageError
from synthkd.stages.places import LOCK, claim_work
from synthkd.storage import storage_errors

try:
    import fcntl
except ImportError:  # Windows: without this protection
    fcntl = None  # type: ignore[assignment]


@contextmanager
def run_lock(folder: Path) -> Iterator[int]:
    """Hold the lock of a run's folder.

    The descriptor may be handed to worker processes: the lock is released when the last of them has
    ended, however it ended.

    Raises:
        StorageError: Another process is at this run.
    """
    claim_work(folder)
    with storage_errors(folder):
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if fcntl is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise StorageError(
                    f"{folder}: another process is at this run; wait for it, or give the recipe"
                    " another name"
                ) from None
        yield descriptor
    finally:
        os.close(descriptor)
