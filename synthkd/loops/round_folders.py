"""Ownership of the folders of rounds: nothing is replaced or removed that a loop did not write."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from synthkd.loops.round_run import INPUTS
from synthkd.loops.rounds import RECORD, SECONDS, STUDENT, has_record
from synthkd.recipe import Recipe
from synthkd.stages.places import find_foreign_in_run
from synthkd.storage import (
    CORPUS_FOLDER,
    MARK,
    STUDENT_FOLDER,
    FolderKind,
    check_folder,
    claim_folder,
    clear_leftovers,
    first_entry,
    has_mark,
    is_temporary_folder,
    remove_folder,
)

_MARK = "round of a loop"
_REPEAT = re.compile(r"again-\d+")
_NUMBER = re.compile(r"\d{3,}")
#: Folders in the folder of a round, and the checks that they are ours.
_CONTENTS = {
    "run": find_foreign_in_run,
    "corpus": CORPUS_FOLDER.find_foreign,
    STUDENT: STUDENT_FOLDER.find_foreign,
}


def round_folder_kind(files: Iterable[str] = ()) -> FolderKind:
    """Return the folder kind of rounds.

    ``files`` are the names of the files that the task writes.
    """
    names = {RECORD, INPUTS, SECONDS, MARK, *files}

    def strange(folder: Path) -> str | None:
        if not has_mark(folder, _MARK) and not has_record(folder):
            return f"has no mark of ours ({MARK}), and holds {first_entry(folder)}"
        return strange_content(folder)

    def strange_content(folder: Path) -> str | None:
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            path = Path(entry.path)
            if not entry.is_dir(follow_symlinks=False):
                if entry.name not in names:
                    return f"holds {entry.name}"
            elif any(path.iterdir()) and not is_temporary_folder(path):
                repeat = _REPEAT.fullmatch(entry.name)
                check = strange_content if repeat else _CONTENTS.get(entry.name)
                if check is None:
                    return f"holds {entry.name}"
                if (problem := check(path)) is not None:
                    return f"holds {entry.name}, which {problem}"
        return None

    return FolderKind(_MARK, strange, "name another folder in `work`")


def check_round_folders(recipe: Recipe, kind: FolderKind) -> None:
    """Refuse foreign folders under the names of rounds, before anything is bought."""
    rounds = recipe.work_dir / "rounds"
    if rounds.is_dir():
        for path in sorted(rounds.iterdir()):
            if _NUMBER.fullmatch(path.name):
                clear_leftovers(path)
                check_folder(path, kind)


def begin_round(folder: Path, kind: FolderKind) -> None:
    """Create the folder of a round.

    Remains of a killed process or of another recipe are removed first.
    """
    clear_leftovers(folder)
    remove_folder(folder, kind)
    # Create folder and mark together: after a kill a folder without a mark would be foreign.
    claim_folder(folder, kind)
