"""Tests of shared folders: paths and addresses of fsspec alike."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from synthkd.cluster.shared_folder import SharedFolder
from synthkd.errors import StorageError


@pytest.fixture(params=["path", "file", "memory"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> SharedFolder:
    if request.param == "path":
        return SharedFolder(str(tmp_path / "shared"))
    pytest.importorskip("fsspec")
    if request.param == "file":
        return SharedFolder(f"file://{tmp_path}/shared")
    return SharedFolder(f"memory://{uuid.uuid4().hex}")


def test_files_come_back_as_they_were_put(shared: SharedFolder, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for name, content in (("a/b/one.bin", b"1\x00"), ("a/two.bin", b""), ("c/three.bin", b"3")):
        source.write_bytes(content)
        shared.put(source, name)
        shared.get(name, target)
        assert target.read_bytes() == shared.read(name) == content
    assert shared.names("a") == ["a/b/one.bin", "a/two.bin"]
    shared.remove("a")
    assert shared.names("a") == []
    assert shared.names("c") == ["c/three.bin"]


def test_a_file_can_be_replaced(shared: SharedFolder, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for content in (b"first", b"second"):
        source.write_bytes(content)
        shared.put(source, "x/file")
    assert shared.read("x/file") == b"second"
    assert shared.names("x") == ["x/file"]


def test_what_is_not_there_is_none_and_no_error_to_remove(shared: SharedFolder) -> None:
    assert shared.read("nothing/here") is None
    assert shared.names("nothing") == []
    shared.remove("nothing")


def test_a_missing_file_is_an_error_that_names_it(shared: SharedFolder, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"nothing\.bin: the shared folder cannot be read"):
        shared.get("nothing.bin", tmp_path / "target")


def test_an_unknown_kind_of_address_is_refused() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(StorageError, match="not an address of a shared folder"):
        SharedFolder("nosuchthing://bucket/folder")
