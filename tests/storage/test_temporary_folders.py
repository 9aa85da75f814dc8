"""Tests of temporary folders of the system, which go with their process or after it."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.folders import foreign_folder, forged_folder, names

from synthkd.storage import (
    MARK,
    TemporaryFolder,
    clear_temporary,
    has_mark,
    is_temporary_folder,
    replaced_file,
    replaced_folder,
    write_mark,
)

TEMPORARY = """
import os, signal
from pathlib import Path
from synthkd.storage import TemporaryFolder
folder = TemporaryFolder()
(Path(folder.name) / "half").write_text("half")
print(folder.name, flush=True)
{}
"""


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a temporary directory of the system's, for this test."""
    import tempfile

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield tmp_path
    monkeypatch.undo()
    tempfile.tempdir = None


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["", "raise SystemExit(3)", "raise RuntimeError"])
def test_a_temporary_folder_goes_with_its_process(system: Path, ending: str) -> None:
    subprocess.run([sys.executable, "-c", TEMPORARY.format(ending)], capture_output=True)
    assert names(system) == []


@pytest.mark.slow
def test_a_temporary_folder_of_a_killed_process_is_removed_by_the_next_one(system: Path) -> None:
    foreign_folder(system / "synthkd-thesis")
    forged_folder(system / "synthkd-forged")
    subprocess.run([sys.executable, "-c", TEMPORARY.format("os.kill(os.getpid(), signal.SIGKILL)")])
    assert len(names(system)) == 3
    with TemporaryFolder() as living:
        clear_temporary()
        assert names(system) == sorted(["synthkd-forged", "synthkd-thesis", Path(living).name])
    assert names(system) == ["synthkd-forged", "synthkd-thesis"]


@pytest.mark.slow
def test_every_command_removes_temporary_folders_of_killed_ones(system: Path) -> None:
    subprocess.run([sys.executable, "-c", TEMPORARY.format("os.kill(os.getpid(), signal.SIGKILL)")])
    assert names(system) != []
    subprocess.run([sys.executable, "-m", "synthkd", "--version"], check=True, capture_output=True)
    assert names(system) == []


def _make_many(folder: str) -> None:
    for _ in range(40):
        with suppress(RuntimeError), replaced_folder(Path(folder) / "out") as new:
            (new / "row").write_text("row")
            raise RuntimeError


@pytest.mark.slow
def test_processes_that_clear_and_write_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    team = [context.Process(target=_make_many, args=(str(tmp_path),)) for _ in range(3)]
    for one in team:
        one.start()
    for one in team:
        one.join()
    assert [one.exitcode for one in team] == [0, 0, 0]
    assert names(tmp_path) == []


def test_the_temporary_folder_of_a_mark_keeps_its_own_mark(tmp_path: Path) -> None:
    with replaced_file(tmp_path / MARK) as temporary:
        write_mark(temporary, "run")
        assert is_temporary_folder(temporary.parent)
    assert has_mark(tmp_path, "run")
    assert [path.name for path in tmp_path.iterdir()] == [MARK]


def test_an_empty_folder_of_another_program_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "synthkd-my-data").mkdir()
    clear_temporary()
    assert (tmp_path / "synthkd-my-data").is_dir()
