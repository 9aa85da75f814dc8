"""Replace and remove folders whole: at every instant a reader finds the old or the new one."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synthkd.errors import StorageError
from synthkd.storage.files import replaced_file
from synthkd.storage.folder_kinds import FolderKind
from synthkd.storage.marks import MARK, has_mark, write_mark
from synthkd.storage.ownership import check_folder, sign_folder
from synthkd.storage.paths import check_place, storage_errors, sync, target_of
from synthkd.storage.temporary import NEW, OLD, clear_leftovers, restore_displaced, temporary_beside

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
#: Numbers of the system call `renameat2`, for C libraries that lack the function.
_RENAMEAT2 = {"x86_64": 316, "aarch64": 276}


@contextmanager
def replaced_folder(path: Path, kind: FolderKind | None = None) -> Iterator[Path]:
    """Yield a new folder that replaces ``path`` when the block ends.

    All files are synced first, and Linux exchanges the two folders in one step. If the block
    raises, ``path`` stays unchanged.

    Args:
        path: The folder. Of a symbolic link the target is replaced.
        kind: The kind that an existing folder must be of; None accepts any folder that synthkd
            wrote.

    Raises:
        StorageError: If the existing folder holds anything else, before the block or after it.
    """
    with storage_errors(path):
        target = target_of(path)
        check_folder(target, kind, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        restore_displaced(target, kind)
        with temporary_beside(target) as temporary:
            new = temporary / NEW
            new.mkdir()
            yield new
            sign_folder(new, kind)
            for file in new.rglob("*"):
                sync(file)
            sync(new)
            check_folder(target, kind, path)
            if target.is_dir():
                new.chmod(stat.S_IMODE(target.stat().st_mode))
            _put(new, target, kind)
            sync(target.parent)


def remove_folder(path: Path, kind: FolderKind) -> None:
    """Remove a folder whole: a kill meanwhile leaves it complete, or under a temporary name.

    Raises:
        StorageError: If it holds anything that does not belong to the kind; then nothing is
            removed.
    """
    with storage_errors(path):
        if not os.path.lexists(path):
            return
        if path.is_symlink():
            raise StorageError(f"{path}: a symbolic link, where synthkd makes folders; remove it")
        check_folder(path, kind)
        with temporary_beside(path) as temporary:
            path.rename(temporary / NEW)


def check_output(path: Path, kind: FolderKind) -> None:
    """Raise StorageError if a folder could not be replaced at the end of a job.

    Remove leftovers there.
    """
    check_place(path)
    with storage_errors(path):
        target = target_of(path)
        clear_leftovers(target.parent)
        clear_leftovers(target)
        check_folder(target, kind, path)


def claim_folder(folder: Path, kind: FolderKind) -> None:
    """Make a folder to write files into, and mark it.

    Raises StorageError for a folder of another kind.
    """
    with storage_errors(folder):
        folder = target_of(folder)
        clear_leftovers(folder)
        check_folder(folder, kind)
        folder.mkdir(parents=True, exist_ok=True)
        if not has_mark(folder, kind.name):
            with replaced_file(folder / MARK) as temporary:
                write_mark(temporary, kind.name)


def _put(new: Path, target: Path, kind: FolderKind | None) -> None:
    """Exchange the new folder and the target, and check once more what is replaced."""
    if not target.exists():
        new.rename(target)
        return
    if _exchange(new, target):
        try:
            check_folder(new, kind, shown=target)
        except StorageError:
            # Another program put a file into it after the last check.
            _exchange(new, target)
            raise
        return
    old = new.with_name(OLD)
    target.rename(old)
    try:
        check_folder(old, kind, shown=target)
        new.rename(target)
    except BaseException:
        old.rename(target)
        raise


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; return False if the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None, use_errno=True)
    paths = (
        _AT_FDCWD,
        os.fsencode(one),
        _AT_FDCWD,
        os.fsencode(other),
        ctypes.c_uint(_RENAME_EXCHANGE),
    )
    if hasattr(library, "renameat2"):
        result = library.renameat2(*paths)
    elif (number := _RENAMEAT2.get(os.uname().machine)) is not None:
        result = library.syscall(ctypes.c_long(number), *paths)
    else:
        return False
    if result == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM):
        return False
    raise OSError(code, os.strerror(code), str(other))
