"""Write files and folders so that a reader never sees half of one, and replace nothing that is not ours.

Whatever is written first stands in a temporary folder beside its place. That folder has a mark of ours and a lock: a
later process removes what a killed one left, and touches no other folder of a similar name.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
import shutil
import stat
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from synthkd.errors import DiskFullError, StorageError
from synthkd.storage.ownership import (
    MARK,
    FolderKind,
    check_folder,
    has_mark,
    has_temporary_mark,
    sign,
    write_mark,
    write_temporary_mark,
)

try:
    import fcntl
except ImportError:  # Windows: what a killed process left stays
    fcntl = None  # type: ignore[assignment]

#: Beginning of the names of folders in the system's temporary directory.
PREFIX = "synthkd-"
_SCRATCH = re.compile(r"\.(?P<of>.+)\.(?P<id>[0-9a-f]{8})")
#: Between the two renames of systems that cannot exchange folders: the folder that was there before.
_NEW, _OLD = "new", "old"
#: Bytes of a name, and of a path, of most file systems.
_NAME, _PATH = 255, 4096
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
#: Number of the system call for C libraries without `renameat2`.
_SYSCALL = {"x86_64": 316, "aarch64": 276}


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
    """Replace a file whole. A symbolic link stays, its target is replaced; permission bits are kept."""
    with replaced_file(path) as temporary:
        temporary.write_text(text, "utf-8", newline="")


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file. Keys stay in their order."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path, shape: type[BaseModel] | None = None) -> Any:
    """Read a JSON file and check its shape. Raises `StorageError` for a file that was cut or altered."""
    with storage_errors(path):
        data = path.read_bytes()
    return parse_json(path, data, shape)


def parse_json(path: Path, data: bytes, shape: type[BaseModel] | None = None) -> Any:
    """The value in a JSON file's bytes. Raises `StorageError` for what is not JSON, or not of the shape."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise StorageError(f"{path}: not JSON ({reason}); it was cut or altered") from None
    if shape is not None:
        try:
            shape.model_validate(value, strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            said = f"{where}: {first['msg']}" if where else first["msg"]
            raise StorageError(f"{path}: not what synthkd writes there ({said}); it was altered") from None
    return value


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path; what the block writes there takes the place of ``path`` when it ends well.

    On an error ``path`` stays as it was. Something that is no regular file (a device, a pipe) is written into.
    """
    with storage_errors(path):
        target = target_of(path)
        if target.is_dir():
            raise StorageError(f"{path}: a folder; name a file")
        target.parent.mkdir(parents=True, exist_ok=True)
        with _scratch(target) as scratch:
            # A mark that is written must not take the place of the temporary folder's own.
            temporary = scratch / (_NEW if target.name == MARK else target.name)
            yield temporary
            _sync(temporary)
            before = target.stat() if target.exists() else None
            if before is not None and not stat.S_ISREG(before.st_mode):
                with temporary.open("rb") as source, target.open("wb") as out:
                    shutil.copyfileobj(source, out)
                return
            if before is not None:
                temporary.chmod(stat.S_IMODE(before.st_mode))
            temporary.replace(target)
            with suppress(OSError):  # A folder that may be written and not read.
                _sync(target.parent)


@contextmanager
def replaced_folder(path: Path, kind: FolderKind | None = None) -> Iterator[Path]:
    """Yield a new folder that takes the place of ``path`` when the block ends well.

    A reader finds the old folder or the new one at every instant (on Linux, by `renameat2`). All files are synced
    before. On an error ``path`` stays as it was.

    Args:
        path: The folder. Of a symbolic link the target is replaced; the link stays.
        kind: What the folder must be to be replaced; None: any folder that synthkd wrote.

    Raises:
        StorageError: If ``path`` holds anything that is not ours, before the block and again after it.
    """
    with storage_errors(path):
        target = target_of(path)
        check_folder(target, kind, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_released(target, kind)
        with _scratch(target) as scratch:
            new = scratch / _NEW
            new.mkdir()
            yield new
            sign(new, kind)
            for file in new.rglob("*"):
                _sync(file)
            _sync(new)
            check_folder(target, kind, path)
            if target.is_dir():
                new.chmod(stat.S_IMODE(target.stat().st_mode))
            _put(new, target, kind)
            _sync(target.parent)


def place_of(path: Path) -> Path:
    """Return where a path will stand that is being written within `replaced_folder`; any other path as it is."""
    for parent in (path, *path.parents):
        if parent.name == _NEW and (match := _SCRATCH.fullmatch(parent.parent.name)):
            return parent.parent.with_name(match["of"]) / path.relative_to(parent)
    return path


def remove_folder(path: Path, kind: FolderKind) -> None:
    """Remove a folder of ours whole: a kill meanwhile leaves it where it is, or under a temporary name.

    Raises:
        StorageError: If it holds anything that is not ours; nothing is removed then.
    """
    with storage_errors(path):
        if not os.path.lexists(path):
            return
        if path.is_symlink():
            raise StorageError(f"{path}: a symbolic link, where synthkd makes folders; remove it")
        check_folder(path, kind)
        with _scratch(path) as scratch:
            path.rename(scratch / _NEW)


def target_of(path: Path) -> Path:
    """The place that a path stands for, through symbolic links, also where nothing is there yet."""
    try:
        real = Path(os.path.realpath(path))
        loop = real.is_symlink()
    except (ValueError, OSError) as error:
        raise StorageError(f"{str(path)!r}: not a path ({error})") from None
    if loop:
        raise StorageError(f"{path}: a symbolic link that leads to itself; remove it, or name another place")
    return real


def check_place(path: Path) -> None:
    """Refuse a place where no folder or file can be made. Nothing is left there."""
    with storage_errors(path):
        target = target_of(path)
        there = target
        while not there.is_dir():
            if there.exists():
                raise StorageError(f"{there} is a file; {path} cannot be made in it")
            there = there.parent
        # The temporary folder beside the last one has a longer name.
        lengths = [len(os.fsencode(part)) for part in target.relative_to(there).parts]
        if (lengths and max([*lengths[:-1], lengths[-1] + 10]) > _NAME) or len(
            os.fsencode(target)
        ) + 32 > _PATH:
            raise StorageError(f"{path}: too long a name; name a shorter one")
        if target.is_dir() and os.path.ismount(target):
            raise StorageError(f"{path}: a file system is mounted there; name a folder in it")
        # Permission bits do not tell all: a file system may be read-only, or hold no folders.
        beside = target.parent if there == target else there
        probe = beside / f".{target.name[:200]}.{uuid.uuid4().hex[:8]}"
        probe.mkdir()
        probe.rmdir()


def check_output(path: Path, kind: FolderKind) -> None:
    """Refuse a folder that could not be replaced at the end of a job; clear what killed processes left there."""
    check_place(path)
    with storage_errors(path):
        target = target_of(path)
        clear_left(target.parent)
        clear_left(target)
        check_folder(target, kind, path)


def claim_folder(folder: Path, kind: FolderKind) -> None:
    """Make a folder that synthkd writes files into, and mark it. Raises `StorageError` for one that is not ours."""
    with storage_errors(folder):
        folder = target_of(folder)
        clear_left(folder)
        check_folder(folder, kind)
        folder.mkdir(parents=True, exist_ok=True)
        if not has_mark(folder, kind.name):
            with replaced_file(folder / MARK) as temporary:
                write_mark(temporary, kind.name)


class TemporaryFolder(tempfile.TemporaryDirectory[str]):
    """A folder in the system's temporary directory, removed when it is closed and when the process ends.

    One of a killed process is removed by `clear_temporary`, by its mark and its free lock.
    """

    def __init__(self) -> None:
        clear_temporary()
        self._lock: int | None = None
        while True:
            super().__init__(prefix=PREFIX, ignore_cleanup_errors=True)
            folder = Path(self.name)
            try:
                self._lock = _held(folder, folder.name)
                return
            except FileNotFoundError:
                self._finalizer.detach()  # type: ignore[attr-defined]

    def cleanup(self) -> None:
        """Remove the folder."""
        super().cleanup()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def clear_temporary() -> None:
    """Remove folders of killed processes from the system's temporary directory."""
    folder = Path(tempfile.gettempdir())
    with suppress(OSError):
        for left in [Path(entry.path) for entry in os.scandir(folder) if entry.name.startswith(PREFIX)]:
            _clear(left, left.name)


def clear_left(folder: Path) -> None:
    """Remove what killed processes left of their work on files and folders inside ``folder``.

    A folder that was taken away by a process that was killed between two renames is put back.
    """
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            if (found := _SCRATCH.fullmatch(entry.name)) is not None:
                _clear(Path(entry.path), found["id"], folder / found["of"])


def is_scratch(folder: Path) -> bool:
    """Whether a folder is a temporary one of ours."""
    found = _SCRATCH.fullmatch(folder.name)
    return found is not None and has_temporary_mark(folder, found["id"])


def left_of(path: Path) -> Path | None:
    """Where the folder ``path`` lies that a process took away and could not replace; None where there is none."""
    path = target_of(path)
    with suppress(OSError):
        for entry in os.scandir(path.parent):
            found = _SCRATCH.fullmatch(entry.name)
            if found and found["of"] == path.name and (old := Path(entry.path) / _OLD).is_dir():
                return old
    return next(iter(_released(path)), None)


def _released(target: Path) -> list[Path]:
    """Folders under the name that version 0.1.0 gave to one that it was replacing."""
    name = re.compile(re.escape(f".{target.name}.old-") + "[0-9a-f]{8}")
    with suppress(OSError):
        return sorted(
            Path(e.path) for e in os.scandir(target.parent) if name.fullmatch(e.name) and e.is_dir()
        )
    return []


def _clear_released(target: Path, kind: FolderKind | None) -> None:
    """Put back or remove what a killed process of version 0.1.0 left, where its content proves that it is ours."""
    for left in _released(target):
        with suppress(OSError, StorageError):
            check_folder(left, kind)
            if os.path.lexists(target):
                shutil.rmtree(left, ignore_errors=True)
            elif any(left.iterdir()):
                left.rename(target)


@contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    """A marked and locked folder beside ``target``, removed at the end."""
    if fcntl is not None:
        clear_left(target.parent)
    folder, lock = _marked(target)
    try:
        yield folder
    finally:
        _remove(folder)
        if lock is not None:
            os.close(lock)


def _marked(target: Path) -> tuple[Path, int | None]:
    """Make a temporary folder with mark and lock. Another process may remove an empty one before: then once more."""
    while True:
        name = uuid.uuid4().hex[:8]
        folder = target.with_name(f".{target.name}.{name}")
        folder.mkdir()
        try:
            return folder, _held(folder, name)
        except FileNotFoundError:
            continue
        except BaseException:
            _remove(folder)
            raise


def _held(folder: Path, name: str) -> int | None:
    """Lock and mark a new folder. Raises `FileNotFoundError` if another process is removing it."""
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
    """Hold a folder that is being written. Its lock is free when the process has ended, however it ended."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _clear(left: Path, name: str, path: Path | None = None) -> None:
    """Remove a temporary folder of ours whose process has ended; another process may be at the same."""
    with suppress(OSError):
        about = left.lstat()
        if fcntl is None or not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
            return
        descriptor = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if not _lock(descriptor) or not has_temporary_mark(left, name):
                return
            if path is not None and (left / _OLD).is_dir() and not os.path.lexists(path):
                (left / _OLD).rename(path)
            _remove(left)
        finally:
            os.close(descriptor)


def _remove(folder: Path) -> None:
    """Remove a marked folder; the mark goes last, so that a process that is killed meanwhile leaves it marked."""
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            elif entry.name != MARK:
                os.unlink(entry.path)
        if os.listdir(folder) == [MARK]:
            (folder / MARK).unlink()
        folder.rmdir()


def _put(new: Path, target: Path, kind: FolderKind | None) -> None:
    """Put a folder in its place; what was there comes into the temporary folder, and is looked at once more."""
    if not target.exists():
        new.rename(target)
        return
    if _exchange(new, target):
        try:
            check_folder(new, kind, shown=target)
        except StorageError:
            # Something came into it in the last instant.
            _exchange(new, target)
            raise
        return
    old = new.with_name(_OLD)
    target.rename(old)
    try:
        check_folder(old, kind, shown=target)
        new.rename(target)
    except BaseException:
        old.rename(target)
        raise


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step. Returns False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None, use_errno=True)
    paths = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), ctypes.c_uint(_RENAME_EXCHANGE))
    if hasattr(library, "renameat2"):
        result = library.renameat2(*paths)
    elif (number := _SYSCALL.get(os.uname().machine)) is not None:
        result = library.syscall(ctypes.c_long(number), *paths)
    else:
        return False
    if result == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM):
        return False
    raise OSError(code, os.strerror(code), str(other))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
