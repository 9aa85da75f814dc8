"""Temporary folders with a mark and a lock; a later process removes those of a killed one.

A new file or folder is written into a temporary folder beside its target, named ``.TARGET.RANDOM``.
The lock is free when the process has ended, however it ended; the mark tells the folder from any
other of a similar name.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from synthkd.errors import StorageError
from synthkd.storage.folder_kinds import FolderKind
from synthkd.storage.marks import MARK, has_temporary_mark, write_temporary_mark
from synthkd.storage.ownership import check_folder
from synthkd.storage.paths import target_of

try:
    import fcntl
except ImportError:  # On Windows, the folders of killed processes stay.
    fcntl = None  # type: ignore[assignment]

#: Names in a temporary folder: the folder that is written, and, between the two renames of systems
#: that cannot exchange folders, the folder that it replaces.
NEW, OLD = "new", "old"
#: Prefix of folders in the system's temporary directory, and their whole names.
_PREFIX = "synthkd-"
_TEMPORARY = re.compile(rf"{_PREFIX}[a-z0-9_]{{8}}")
_NAME = re.compile(r"\.(?P<target>.+)\.(?P<random>[0-9a-f]{8})")


@contextmanager
def temporary_beside(target: Path) -> Iterator[Path]:
    """Yield a marked and locked folder beside a target; it is removed at the end."""
    if fcntl is not None:
        clear_leftovers(target.parent)
    folder, lock = _make_beside(target)
    try:
        yield folder
    finally:
        _remove(folder)
        if lock is not None:
            os.close(lock)


def place_of(path: Path) -> Path:
    """Return the final path of something that is written within `replaced_folder`.

    Any other path unchanged.
    """
    for parent in (path, *path.parents):
        if parent.name == NEW and (match := _NAME.fullmatch(parent.parent.name)):
            return parent.parent.with_name(match["target"]) / path.relative_to(parent)
    return path


class TemporaryFolder(tempfile.TemporaryDirectory[str]):
    """A folder in the system's temporary directory, removed at the latest with the process.

    `clear_temporary` removes the folder of a process that was killed.
    """

    def __init__(self) -> None:
        clear_temporary()
        self._lock_descriptor: int | None = None
        while True:
            super().__init__(prefix=_PREFIX, ignore_cleanup_errors=True)
            folder = Path(self.name)
            try:
                self._lock_descriptor = _lock_and_mark(folder, folder.name)
                return
            except FileNotFoundError:
                self._finalizer.detach()  # type: ignore[attr-defined]

    def cleanup(self) -> None:
        """Remove the folder."""
        super().cleanup()
        if self._lock_descriptor is not None:
            os.close(self._lock_descriptor)
            self._lock_descriptor = None


def clear_temporary() -> None:
    """Remove folders of killed processes from the system's temporary directory."""
    with suppress(OSError):
        for entry in list(os.scandir(tempfile.gettempdir())):
            if _TEMPORARY.fullmatch(entry.name):
                _clear(Path(entry.path), entry.name)


def clear_leftovers(folder: Path) -> None:
    """Remove temporary folders of killed processes from a folder.

    A folder that such a process had moved aside, and not yet replaced, is put back.
    """
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            if (match := _NAME.fullmatch(entry.name)) is not None:
                _clear(Path(entry.path), match["random"], folder / match["target"])


def is_temporary_folder(folder: Path) -> bool:
    """Tell if a folder is a temporary one beside its target."""
    match = _NAME.fullmatch(folder.name)
    return match is not None and has_temporary_mark(folder, match["random"])


def displaced_folder(path: Path) -> Path | None:
    """Find the folder that a killed process had moved away from ``path``.

    None if there is none.
    """
    path = target_of(path)
    with suppress(OSError):
        for entry in os.scandir(path.parent):
            match = _NAME.fullmatch(entry.name)
            if match and match["target"] == path.name and (old := Path(entry.path) / OLD).is_dir():
                return old
    return next(iter(_displaced_by_0_1_0(path)), None)


def restore_displaced(target: Path, kind: FolderKind | None) -> None:
    """Put back or remove what a killed process of version 0.1.0 had moved away.

    The folder's content must prove its kind.
    """
    for folder in _displaced_by_0_1_0(target):
        with suppress(OSError, StorageError):
            check_folder(folder, kind)
            if os.path.lexists(target):
                shutil.rmtree(folder, ignore_errors=True)
            elif any(folder.iterdir()):
                folder.rename(target)


def _displaced_by_0_1_0(target: Path) -> list[Path]:
    name = re.compile(re.escape(f".{target.name}.old-") + "[0-9a-f]{8}")
    with suppress(OSError):
        return sorted(
            Path(entry.path)
            for entry in os.scandir(target.parent)
            if name.fullmatch(entry.name) and entry.is_dir()
        )
    return []


def _make_beside(target: Path) -> tuple[Path, int | None]:
    """Make a marked temporary folder; return it with the descriptor of its lock."""
    while True:
        name = uuid.uuid4().hex[:8]
        folder = target.with_name(f".{target.name}.{name}")
        folder.mkdir()
        try:
            return folder, _lock_and_mark(folder, name)
        except FileNotFoundError:
            continue  # Another process took the empty folder for a leftover.
        except BaseException:
            _remove(folder)
            raise


def _lock_and_mark(folder: Path, name: str) -> int | None:
    """Lock and mark a new folder. Raises FileNotFoundError if another process is removing it."""
    lock = None
    try:
        if fcntl is not None:
            lock = os.open(folder, os.O_RDONLY)
            if not _lock(lock):
                raise FileNotFoundError(folder)
        write_temporary_mark(folder, name)
    except BaseException:
        if lock is not None:
            os.close(lock)
        raise
    return lock


def _lock(descriptor: int) -> bool:
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _clear(folder: Path, name: str, target: Path | None = None) -> None:
    """Remove a temporary folder whose process has ended.

    Other processes may be doing the same.
    """
    with suppress(OSError):
        status = folder.lstat()
        if fcntl is None or not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            return
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if not _lock(descriptor) or not has_temporary_mark(folder, name):
                return
            if target is not None and (folder / OLD).is_dir() and not os.path.lexists(target):
                (folder / OLD).rename(target)
            _remove(folder)
        finally:
            os.close(descriptor)


def _remove(folder: Path) -> None:
    """Remove a marked folder.

    The mark goes last, so that a kill meanwhile leaves a marked folder.
    """
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            elif entry.name != MARK:
                os.unlink(entry.path)
        if os.listdir(folder) == [MARK]:
            (folder / MARK).unlink()
        folder.rmdir()
