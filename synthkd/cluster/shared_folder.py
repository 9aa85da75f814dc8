"""A folder that every node of a cluster reaches: a path, or any address that fsspec knows."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from synthkd.errors import StorageError, require_extra


class SharedFolder:
    """Files by name below an address.

    Args:
        address: A path, or an address such as ``s3://bucket/folder``; credentials come from the
            environment, as fsspec's file systems read them.

    Raises:
        StorageError: fsspec knows no such address, or lacks a package for it.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._local: Path | None = None
        if "://" not in address:
            self._local = Path(address)
            return
        require_extra("a shared folder at an address", "ray", "fsspec")
        import fsspec

        try:
            self._system, self._root = fsspec.core.url_to_fs(address)
        except (ImportError, ValueError) as error:
            raise StorageError(f"{address}: not an address of a shared folder: {error}") from None
        if address.startswith(("file://", "local://")):
            self._local = Path(self._root)

    def put(self, source: Path, name: str) -> None:
        """Copy a file into the folder. Readers see the whole file, or none."""
        with self._errors(name):
            if self._local is None:
                self._system.put_file(os.fspath(source), f"{self._root}/{name}")
                return
            target = self._local / name
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
            shutil.copyfile(source, temporary)
            os.replace(temporary, target)

    def get(self, name: str, target: Path) -> None:
        """Copy a file of the folder to a path."""
        with self._errors(name):
            if self._local is None:
                self._system.get_file(f"{self._root}/{name}", os.fspath(target))
            else:
                shutil.copyfile(self._local / name, target)

    def names(self, folder: str) -> list[str]:
        """Return the names of all files below a folder in it, sorted; none if it is not there."""
        names: list[str] = []
        with self._errors(folder), suppress(FileNotFoundError):
            if self._local is not None:
                found = (path for path in (self._local / folder).rglob("*") if path.is_file())
                names = [path.relative_to(self._local).as_posix() for path in found]
            else:
                # Listings of object stores are cached.
                self._system.invalidate_cache()
                begin = len(self._root.rstrip("/")) + 1
                names = [path[begin:] for path in self._system.find(f"{self._root}/{folder}")]
        return sorted(name for name in names if not name.rpartition("/")[2].startswith("."))

    def read(self, name: str) -> bytes | None:
        """Return the content of a small file; None if there is none."""
        content: bytes | None = None
        with self._errors(name), suppress(FileNotFoundError):
            if self._local is not None:
                content = (self._local / name).read_bytes()
            else:
                content = self._system.cat_file(f"{self._root}/{name}")
        return content

    def remove(self, folder: str) -> None:
        """Remove a file or folder in it; nothing happens if it is not there."""
        with self._errors(folder), suppress(FileNotFoundError):
            if self._local is None:
                self._system.rm(f"{self._root}/{folder}", recursive=True)
            elif (self._local / folder).is_dir():
                shutil.rmtree(self._local / folder)
            else:
                (self._local / folder).unlink()

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        """Raise errors of file systems, each of which has its own, as ours."""
        try:
            yield
        except Exception as error:  # noqa: BLE001
            problem = (str(error).splitlines() or [type(error).__name__])[0]
            raise StorageError(
                f"{self.address}/{name}: the shared folder cannot be read or written: {problem}"
            ) from None
