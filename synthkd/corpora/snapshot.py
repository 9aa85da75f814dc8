"""A snapshot of a corpus: its files stay open, so that versions are never mixed.

All files are opened through one descriptor of the folder, so they belong together and can be read
as long as needed. On systems without such descriptors, and for corpora of very many files, files
are opened by path, and the hash in each footer is compared with the manifest.
"""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as fs
import pyarrow.parquet as pq
from pydantic import BaseModel, field_validator

from synthkd.corpora.write import MANIFEST, parquet_errors
from synthkd.errors import InputError, StorageError
from synthkd.rows.checks import require_columns
from synthkd.rows.corpus_files import DATA, PROVENANCE, CorpusFile, provenance_name
from synthkd.storage import displaced_folder, parse_json, storage_errors

#: Maximum number of open files.
_MOST = 256
#: Attempts to open a folder that is being replaced.
_TRIES = 100
_FDS = Path("/proc/self/fd")
_CAN_KEEP_OPEN = os.open in os.supports_dir_fd and _FDS.is_dir()
_NAME = re.compile(r"(data/(accepted|rejected)|provenance/accepted)-\d{5,}\.parquet")
_REMEDY = "publish the corpus again"


class _Kind(BaseModel):
    name: str
    columns: list[str]


class _Counts(BaseModel):
    accepted: int
    candidates: int
    rejected: dict[str, int]


class _Teacher(BaseModel):
    identity: str


class _Recipe(BaseModel):
    journal: str
    kind: dict[str, Any]


class CorpusManifest(BaseModel):
    """The fields of a manifest that readers need."""

    manifest_version: int
    kind: _Kind
    counts: _Counts
    teacher: _Teacher
    recipe: _Recipe
    files: dict[str, str]
    corpus_hash: str

    @field_validator("files")
    @classmethod
    def _of_a_corpus(cls, files: dict[str, str]) -> dict[str, str]:
        for name in files:
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no file of a corpus")
        return files


class CorpusSnapshot:
    """The manifest and the open files of a corpus at one time."""

    def __init__(self, path: Path) -> None:
        """Open a corpus.

        Raises:
            InputError: If there is no corpus.
            StorageError: If its manifest is damaged.
        """
        self.path = path
        self.manifest: dict[str, Any] = {}
        self._files: dict[str, int] = {}
        weakref.finalize(self, _close, self._files)
        for _ in range(_TRIES):
            if self._open():
                return
        raise StorageError(
            f"{path}: replaced repeatedly while it was being opened; try again when nothing writes"
            " it"
        )

    def _open(self) -> bool:
        """Open manifest and files. Returns False if the folder was replaced meanwhile."""
        path = self.path / MANIFEST
        if not _CAN_KEEP_OPEN:
            with storage_errors(path):
                if not path.is_file():
                    raise InputError(_nothing(self.path))
                self.manifest = parse_json(path, path.read_bytes(), CorpusManifest)
            return True
        try:
            folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except (OSError, ValueError):
            raise InputError(_nothing(self.path)) from None
        try:
            try:
                with open(os.open(MANIFEST, os.O_RDONLY, dir_fd=folder), "rb") as file:
                    data = file.read()
            except OSError:
                if self._replaced(folder):
                    return False
                raise InputError(_nothing(self.path)) from None
            self.manifest = parse_json(path, data, CorpusManifest)
            return self._open_files(folder)
        finally:
            os.close(folder)

    def _open_files(self, folder: int) -> bool:
        names = self.manifest["files"]
        for name in names if len(names) <= _MOST else ():
            try:
                self._files[name] = os.open(name, os.O_RDONLY, dir_fd=folder)
            except FileNotFoundError:
                if self._replaced(folder):
                    _close(self._files)
                    return False
            except OSError:
                # Too many open files: read by path.
                _close(self._files)
                break
        return True

    def _replaced(self, folder: int) -> bool:
        try:
            current, opened = os.stat(self.path), os.fstat(folder)
        except OSError:
            return False
        return (current.st_dev, current.st_ino) != (opened.st_dev, opened.st_ino)

    def names(self, split: str) -> list[str]:
        """Return the names of a split's files, in order.

        Args:
            split: ``accepted``, ``rejected`` or ``provenance``; rows of older corpora have their
                provenance in them.
        """
        begin = f"{DATA}/{split}-"
        if split == PROVENANCE:
            begin = f"{DATA if self.is_whole else PROVENANCE}/accepted-"
        return sorted(name for name in self.manifest["files"] if name.startswith(begin))

    @property
    def is_whole(self) -> bool:
        """True if accepted rows have their provenance in them, as those of older corpora."""
        return not any(name.startswith(PROVENANCE) for name in self.manifest["files"])

    def batches(
        self, split: str, columns: Sequence[str] | None = None, size: int = 65_536
    ) -> Iterator[pa.RecordBatch]:
        """Yield whole rows of a split, accepted ones joined with their provenance by id.

        Args:
            split: ``accepted`` or ``rejected``.
            columns: Columns in the wanted order; None for all.
            size: Rows of a batch at most.

        Raises:
            StorageError: If a file is missing, damaged, or not of the manifest.
            InputError: If the rows have no such column.
        """
        for name in self._names_of(split):
            with parquet_errors(self.path / name, _REMEDY), ExitStack() as stack:
                rows = stack.enter_context(pq.ParquetFile(self.open_file(name)))
                beside, provenance = provenance_name(name), None
                if beside in self.manifest["files"]:
                    provenance = stack.enter_context(pq.ParquetFile(self.open_file(beside)))
                file = CorpusFile(rows, provenance, self.path / name)
                require_columns(self.path, columns, file.schema.names)
                for batch in file.batches(columns, size):
                    yield batch if columns is None else batch.select(list(columns))

    def schema(self, split: str) -> pa.Schema:
        """Return the schema of the whole rows of a split."""
        name = self._names_of(split)[0]
        beside = provenance_name(name)
        with ExitStack() as stack, parquet_errors(self.path / name, _REMEDY):
            opened = [
                stack.enter_context(pq.ParquetFile(self.open_file(one)))
                for one in (name, beside)
                if one in self.manifest["files"]
            ]
            file = CorpusFile(opened[0], opened[1] if opened[1:] else None, self.path / name)
            return file.schema.remove_metadata()

    def _names_of(self, split: str) -> list[str]:
        names = self.names(split)
        if not names:
            raise StorageError(f"{self.path}: its manifest names no {split} files; it was altered")
        return names

    def open_file(self, name: str) -> pa.NativeFile:
        """Open a file of the snapshot.

        Raises:
            StorageError: If the file is missing, damaged, or not of the manifest.
        """
        path = self.path / name
        with parquet_errors(path, _REMEDY):
            descriptor = self._files.get(name)
            file = pa.OSFile(str(path if descriptor is None else _FDS / str(descriptor)))
            metadata = pq.read_metadata(file).metadata or {}
        expected = self.manifest.get("manifest_hash")
        if (
            expected is not None
            and metadata.get(b"synthkd.manifest", b"").decode("utf-8", "replace") != expected
        ):
            raise StorageError(
                f"{path}: not of the manifest that was read; the corpus was replaced meanwhile"
                f" (read it again) or altered ({_REMEDY})"
            )
        return file

    def dataset(self, split: str) -> Any:
        """Return a split as a pyarrow dataset that reads the files of the snapshot only."""
        # Imported here, as it is slow to import, and imports pandas if that is installed.
        import pyarrow.dataset as ds

        names = self._names_of(split)
        for name in names:
            self.open_file(name).close()
        return ds.dataset(names, format="parquet", filesystem=fs.PyFileSystem(_SnapshotFiles(self)))

    def __reduce__(self) -> tuple[type[CorpusSnapshot], tuple[Path]]:
        return CorpusSnapshot, (self.path,)


class _SnapshotFiles(fs.FileSystemHandler):  # type: ignore[misc]
    """A file system of the files of a snapshot, for pyarrow."""

    def __init__(self, snapshot: CorpusSnapshot) -> None:
        self.snapshot = snapshot

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _SnapshotFiles) and other.snapshot is self.snapshot

    def __hash__(self) -> int:
        return id(self.snapshot)

    def __reduce__(self) -> tuple[type[_SnapshotFiles], tuple[CorpusSnapshot]]:
        return _SnapshotFiles, (self.snapshot,)

    def get_type_name(self) -> str:
        return "synthkd"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: Sequence[str]) -> list[fs.FileInfo]:
        return [
            fs.FileInfo(
                path,
                fs.FileType.File
                if path in self.snapshot.manifest["files"]
                else fs.FileType.NotFound,
            )
            for path in paths
        ]

    def open_input_file(self, path: str) -> pa.NativeFile:
        return self.snapshot.open_file(path)

    def open_input_stream(self, path: str) -> pa.NativeFile:
        return self.snapshot.open_file(path)

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("a corpus is read only")

    get_file_info_selector = create_dir = delete_dir = delete_dir_contents = (
        delete_root_dir_contents
    ) = _refuse
    delete_file = move = copy_file = open_output_stream = open_append_stream = _refuse


def _nothing(path: Path) -> str:
    message = f"{path}: no corpus here (no {MANIFEST})"
    with suppress(StorageError):
        if (old := displaced_folder(path)) is not None:
            message += (
                f"; a process that was replacing it has ended: it is in {old}, and the next run"
                " restores it"
            )
    return message


def _close(files: dict[str, int]) -> None:
    for descriptor in files.values():
        with suppress(OSError):
            os.close(descriptor)
    files.clear()
