"""Tests of replaced folders: whole at every instant, leftovers, and foreign content."""

from __future__ import annotations

import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.folders import foreign_folder, forged_folder, names

from synthkd.errors import StorageError
from synthkd.storage import (
    MARK,
    claim_folder,
    has_mark,
    remove_folder,
    replaced_folder,
    write_text,
)
from synthkd.storage import folders as storage

KILLED = """
import os, signal, sys
from pathlib import Path
from synthkd.storage import replaced_folder
with replaced_folder(Path(sys.argv[1])) as temporary:
    (temporary / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


WRITER = """
import sys
from pathlib import Path
from synthkd.storage import replaced_folder
root = Path(sys.argv[1])
number = 0
print("ready", flush=True)
while True:
    with replaced_folder(root) as new:
        for name in ("a", "b", "c"):
            (new / name).write_text(str(number))
    number += 1
"""


def made(folder: Path, text: str = "row") -> Path:
    """Write a folder as synthkd does."""
    with replaced_folder(folder) as new:
        (new / "row").write_text(text)
    return folder


def killed(place: Path) -> None:
    """Kill a process while it replaces a folder."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(place)])
    assert done.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_leftovers_of_a_killed_process_are_removed_by_the_next_one(tmp_path: Path) -> None:
    killed(tmp_path / "judged")
    assert len(names(tmp_path)) == 1
    with replaced_folder(tmp_path / "judged") as temporary:
        (temporary / "whole").write_text("whole")
    assert names(tmp_path) == ["judged"]
    assert names(tmp_path / "judged") == [MARK, "whole"]


def test_a_temporary_folder_of_a_living_process_stays(tmp_path: Path) -> None:
    with replaced_folder(tmp_path / "judged") as first:
        with replaced_folder(tmp_path / "judged"):
            pass
        assert first.is_dir()
    assert names(tmp_path) == ["judged"]


def _old(path: Path) -> None:
    path.mkdir()
    foreign_folder(path / "old")


def _link(path: Path) -> None:
    foreign_folder(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


@pytest.mark.parametrize("name", [".corpus.1234abcd", ".corpus.old-1234abcd", ".corpus.new"])
@pytest.mark.parametrize(
    "make", [foreign_folder, forged_folder, _old, _link, lambda path: path.write_text("a file")]
)
def test_something_else_under_the_name_of_a_temporary_folder_stays(
    tmp_path: Path, name: str, make: object
) -> None:
    make(tmp_path / name)  # type: ignore[operator]
    before = {path.relative_to(tmp_path) for path in tmp_path.rglob("*")}
    made(tmp_path / "corpus")
    assert before <= {path.relative_to(tmp_path) for path in tmp_path.rglob("*")}


def test_a_folder_displaced_by_a_kill_between_two_renames_is_put_back(tmp_path: Path) -> None:
    made(tmp_path / "corpus")
    with pytest.raises(RuntimeError), replaced_folder(tmp_path / "corpus") as new:  # noqa: PT012
        (tmp_path / "corpus").rename(new.parent / "old")
        scratch = new.parent
        # As a killed process leaves it: nothing is cleaned up.
        scratch.rename(tmp_path / "kept")
        raise RuntimeError
    (tmp_path / "kept").rename(scratch)
    with pytest.raises(RuntimeError), replaced_folder(tmp_path / "corpus"):
        raise RuntimeError
    assert names(tmp_path) == ["corpus"]
    assert (tmp_path / "corpus" / "row").read_text() == "row"


def test_a_folder_displaced_by_version_0_1_0_is_put_back_if_it_is_ours(tmp_path: Path) -> None:
    made(tmp_path / "corpus").rename(tmp_path / ".corpus.old-0123abcd")
    with pytest.raises(RuntimeError), replaced_folder(tmp_path / "corpus"):
        raise RuntimeError
    assert names(tmp_path) == ["corpus"]


def test_a_folder_with_a_file_that_we_did_not_write_is_refused_and_stays(tmp_path: Path) -> None:
    place = made(tmp_path / "out")
    (place / "notes.txt").write_text("mine")
    with (
        pytest.raises(StorageError, match=r"out: .*holds notes\.txt.*not replaced"),
        replaced_folder(place),
    ):
        pytest.fail("begun")
    assert names(place) == [MARK, "notes.txt", "row"]


def test_a_file_that_comes_while_the_folder_is_made_is_kept(tmp_path: Path) -> None:
    place = made(tmp_path / "out")
    with pytest.raises(StorageError, match=r"notes\.txt"), replaced_folder(place) as new:  # noqa: PT012
        (new / "row").write_text("new")
        (place / "notes.txt").write_text("mine")
    assert (place / "row").read_text() == "row"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("exchange", [True, False])
def test_a_file_that_comes_in_the_last_instant_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool
) -> None:
    place = made(tmp_path / "out")
    put, exchanged = storage._put, storage._exchange

    def late(new: Path, target: Path, kind: object) -> None:
        (target / "notes.txt").write_text("mine")
        put(new, target, None)

    monkeypatch.setattr(storage, "_put", late)
    monkeypatch.setattr(storage, "_exchange", exchanged if exchange else lambda *_: False)
    with pytest.raises(StorageError, match=r"notes\.txt"), replaced_folder(place) as new:
        (new / "row").write_text("new")
    assert names(place) == [MARK, "notes.txt", "row"]
    assert (place / "row").read_text() == "row"
    assert names(tmp_path) == ["out"]


def test_an_empty_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    made(tmp_path / "out")
    assert names(tmp_path) == ["out"]


def test_an_altered_mark_is_not_valid(tmp_path: Path) -> None:
    place = made(tmp_path / "out")
    (place / "mine").write_text("mine")
    mark = (place / MARK).read_text().replace('"row"', '"row", "mine"')
    (place / MARK).write_text(mark)
    with pytest.raises(StorageError, match="no mark of synthkd"), replaced_folder(place):
        pytest.fail("begun")


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    made(tmp_path / "disk" / "target")
    (tmp_path / "link").symlink_to("disk/target")
    made(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "target" / "row").read_text() == "new"
    assert names(tmp_path / "disk") == ["target"]


def test_a_link_to_nothing_is_followed_and_a_loop_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("disk/target")
    made(tmp_path / "link")
    assert (tmp_path / "disk" / "target" / "row").is_file()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(StorageError, match="leads to itself"):
        made(tmp_path / "loop")
    with pytest.raises(StorageError, match="leads to itself"):
        write_text(tmp_path / "loop", "text")


def test_a_link_to_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    foreign_folder(tmp_path / "mine")
    (tmp_path / "link").symlink_to("mine")
    with pytest.raises(StorageError, match=r"thesis\.txt"):
        made(tmp_path / "link")


def test_links_in_a_folder_of_ours_are_not_followed(tmp_path: Path) -> None:
    foreign_folder(tmp_path / "mine")
    with replaced_folder(tmp_path / "out") as new:
        (new / "link").symlink_to(tmp_path / "mine")
    made(tmp_path / "out")
    assert names(tmp_path / "mine") == ["thesis.txt"]


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_is_replaced_where_folders_cannot_be_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool
) -> None:
    if not exchange:
        monkeypatch.setattr(storage, "_exchange", lambda *_: False)
    made(tmp_path / "out")
    (tmp_path / "out").chmod(0o750)
    made(tmp_path / "out", "new")
    assert (tmp_path / "out" / "row").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o750
    assert names(tmp_path) == ["out"]


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs renameat2")
def test_a_folder_is_there_at_every_instant_whenever_its_writer_is_killed(tmp_path: Path) -> None:
    place, draws = tmp_path / "out", random.Random(0)
    for _ in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(place)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        while not place.exists():
            time.sleep(0.001)
        end = time.monotonic() + draws.uniform(0.02, 0.15)
        while time.monotonic() < end:
            assert (place / "a").read_text()
        writer.kill()
        writer.wait()
        assert len({(place / name).read_text() for name in ("a", "b", "c")}) == 1
    with replaced_folder(place):
        pass
    assert names(tmp_path) == ["out"]


def test_a_folder_is_removed_whole_or_not_at_all(tmp_path: Path) -> None:
    from synthkd.storage import FolderKind, foreign_to_mark

    kind = FolderKind("folder", foreign_to_mark)
    place = made(tmp_path / "out")
    (place / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match=r"notes\.txt"):
        remove_folder(place, kind)
    assert (place / "row").is_file()
    (place / "notes.txt").unlink()
    remove_folder(place, kind)
    remove_folder(place, kind)
    assert names(tmp_path) == []


def test_a_folder_is_claimed_once_and_a_foreign_one_never(tmp_path: Path) -> None:
    from synthkd.storage import FolderKind

    kind = FolderKind(
        "folder of tests", lambda path: None if has_mark(path, "folder of tests") else "is foreign"
    )
    claim_folder(tmp_path / "new", kind)
    (tmp_path / "new" / "more").write_text("more")
    claim_folder(tmp_path / "new", kind)
    foreign_folder(tmp_path / "mine")
    with pytest.raises(StorageError, match="is foreign"):
        claim_folder(tmp_path / "mine", kind)
    assert names(tmp_path / "mine") == ["thesis.txt"]
