"""Tests of replaced files and of places that cannot be written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from pydantic import BaseModel
from support.folders import names

from synthkd.errors import StorageError
from synthkd.storage import (
    check_place,
    read_json,
    replaced_file,
    write_text,
)


def test_permission_bits_of_a_file_are_kept_and_new_ones_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "new", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    (tmp_path / "new").chmod(0o604)
    write_text(tmp_path / "new", "other")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o604
    assert names(tmp_path) == ["new"]


def test_a_file_behind_a_link_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_device_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_text(tmp_path / "pipe", "text")
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_file_stays_as_it_was_when_its_writer_fails(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "old")
    with pytest.raises(RuntimeError), replaced_file(tmp_path / "file") as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise RuntimeError
    assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path) == ["file"]


class Shape(BaseModel):
    counts: dict[str, int]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", "{}", '{"counts": 3}', '{"counts": {"a": "b"}}', '{"counts": {"a":'
        ' true}}', "[" * 100_000,
     "9" * 5_000, '"\\ud800"', "\xff"],
)  # fmt: skip
def test_a_cut_or_altered_json_file_is_named_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text, "latin-1")
    with pytest.raises(StorageError, match=r"report\.json: .*altered") as error:
        read_json(tmp_path / "report.json", Shape)
    assert "\n" not in str(error.value)


def test_places_that_cannot_be_written_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, said in (
        (tmp_path / "file" / "below" / "out", "is a file"),
        (tmp_path / ("n" * 250), "too long"),
        (tmp_path / "m" / ("n" * 300) / "out", "too long"),
        (Path("/proc/out"), "/proc/out"),
        (tmp_path / "a\0b", "not a path"),
    ):
        with pytest.raises(StorageError, match=said):
            check_place(path)
    check_place(tmp_path / "new" / "deep" / "out")
    assert names(tmp_path) == ["file"]
