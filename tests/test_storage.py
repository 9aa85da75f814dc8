"""Folders that are replaced whole, and what killed processes leave of them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from synthkd.storage import replaced_folder

KILLED = """
import os, signal, sys
from pathlib import Path
from synthkd.storage import replaced_folder
with replaced_folder(Path(sys.argv[1])) as temporary:
    (temporary / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "judged")])
    assert done.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 1
    with replaced_folder(tmp_path / "judged") as temporary:
        (temporary / "whole").write_text("whole")
    assert names(tmp_path) == ["judged"]
    assert names(tmp_path / "judged") == ["whole"]


def test_what_a_living_process_writes_and_what_is_not_ours_is_let_alone(tmp_path: Path) -> None:
    (tmp_path / ".judged.notes").mkdir()
    (tmp_path / ".judged.0123abcd").write_text("a file")
    with replaced_folder(tmp_path / "judged") as first:
        with replaced_folder(tmp_path / "judged"):
            pass
        assert first.is_dir()
    assert names(tmp_path) == [".judged.0123abcd", ".judged.notes", "judged"]


def test_a_folder_that_was_taken_away_by_a_kill_between_the_renames_is_put_back(tmp_path: Path) -> None:
    (tmp_path / ".corpus.old-0123abcd").mkdir()
    (tmp_path / ".corpus.old-0123abcd" / "row").write_text("row")
    with pytest.raises(RuntimeError), replaced_folder(tmp_path / "corpus"):
        raise RuntimeError
    assert names(tmp_path) == ["corpus"]
    assert names(tmp_path / "corpus") == ["row"]
