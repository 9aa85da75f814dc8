"""The files and folders that a run writes: checked before anything is bought, and when replaced."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from synthkd.errors import RecipeError, StorageError
from synthkd.recipe import Recipe
from synthkd.storage import (
    CORPUS_FOLDER,
    CRITIC_FOLDER,
    FILTERED_FOLDER,
    MARK,
    STUDENT_FOLDER,
    FolderKind,
    check_output,
    check_place,
    claim_folder,
    has_mark,
    is_address,
    is_temporary_folder,
    read_json,
    target_of,
)

#: Files and folders that synthkd writes into the folder of a run.
GENERATED, REPORT, FILTERED_ROWS, ROUNDS, STEPS, LOCK, TARGET, CLUSTER = (
    "generated.json",
    "filtered.json",
    "filtered",
    "rounds",
    "steps",
    "run.lock",
    "target.json",
    "cluster.json",
)
#: The shared folder of a run on a cluster, unless another address is named.
EXPORTS = "cluster"
#: Names in the folder of a step.
STEP_INPUTS, PARENTS, STEP_CORPUS = "inputs.jsonl", "parents.jsonl", "corpus"
#: What a loop writes when it has ended.
LOOP = "distill.json"
_KNOWN = {
    GENERATED, REPORT, FILTERED_ROWS, ROUNDS, STEPS, LOCK, TARGET, MARK, "student", "critic", LOOP,
    "rows.parquet", "report.md", "curve.svg", CLUSTER, EXPORTS,
}  # fmt: skip
_INSIDE = {FILTERED_ROWS: FILTERED_FOLDER, "student": STUDENT_FOLDER, "critic": CRITIC_FOLDER}
_WORK = "folder of a run"


class GeneratedShape(BaseModel):
    """The fields of `generated.json` that are read."""

    asked: int
    completed: int
    failed: int


class ReportShape(BaseModel):
    """The fields of `filtered.json`."""

    counts: dict[str, Any]
    diversity: dict[str, Any]
    critic: dict[str, Any] | None
    recipe_hash: str
    inputs: dict[str, Any]


class TargetShape(BaseModel):
    """The fields of `target.json`."""

    format: int
    key: str
    rounds: list[dict[str, Any]]


class LoopShape(BaseModel):
    """The fields of `distill.json` that are read."""

    format: int
    best: int
    ended: str
    manifest_hash: str


def find_foreign_in_work(folder: Path) -> str | None:
    """Name what shows that a folder is not the folder of a run; None if it is one."""
    if has_mark(folder, _WORK):
        return None
    for name, shape in (
        (GENERATED, GeneratedShape),
        (REPORT, ReportShape),
        (LOOP, LoopShape),
        (TARGET, TargetShape),
    ):
        if (folder / name).is_file():
            try:
                read_json(folder / name, shape)
            except StorageError:
                return f"has a {name} that is not ours"
            return None
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        inner = Path(entry.path)
        if is_temporary_folder(inner):
            continue
        if entry.is_dir(follow_symlinks=False):
            # Folders of other runs, and what version 0.1.0 wrote when it was killed before its
            # first report.
            if entry.name in _INSIDE and _INSIDE[entry.name].find_foreign(inner) is None:
                continue
            if entry.name not in _KNOWN and (
                not any(inner.iterdir()) or find_foreign_in_work(inner) is None
            ):
                continue
        elif entry.name == LOCK and entry.stat(follow_symlinks=False).st_size == 0:
            continue
        return f"holds {entry.name}"
    return None


def find_foreign_in_run(folder: Path) -> str | None:
    """Name what a run's folder holds beside the files of a run; None if it can be removed."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        if not entry.is_dir(follow_symlinks=False):
            if entry.name not in _RUN_FILES:
                return f"holds {entry.name}"
        elif not is_temporary_folder(path):
            check = _RUN_FOLDERS.get(entry.name)
            if check is None:
                return f"holds {entry.name}"
            if (problem := check(path)) is not None:
                return f"holds {entry.name}, which {problem}"
    return None


def _find_foreign_in_steps(folder: Path) -> str | None:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if not entry.is_dir(follow_symlinks=False):
            return f"holds {entry.name}"
        if (problem := find_foreign_in_run(Path(entry.path))) is not None:
            return f"holds {entry.name}, which {problem}"
    return None


#: Files and folders of a run, or of one of its steps, that can be removed.
_RUN_FILES = frozenset({GENERATED, REPORT, LOCK, TARGET, MARK, STEP_INPUTS, PARENTS})
_RUN_FOLDERS: dict[str, Callable[[Path], str | None]] = {
    FILTERED_ROWS: FILTERED_FOLDER.find_foreign,
    STEPS: _find_foreign_in_steps,
    STEP_CORPUS: CORPUS_FOLDER.find_foreign,
}
WORK = FolderKind(_WORK, find_foreign_in_work, "name a folder of its own in `work`")


def claim_work(folder: Path) -> None:
    """Make the folder of a run and mark it. Raises `StorageError` for a folder with other files."""
    claim_folder(folder, WORK)


def check_places(recipe: Recipe, student: bool = False) -> None:
    """Check the places that a run writes to, and remove what killed processes left there.

    Args:
        recipe: The run's recipe.
        student: Whether a student is written, too.

    Raises:
        RecipeError: For places that hold one another, such as a corpus above its recipe.
        StorageError: For a folder that is not ours, or a place where nothing can be written.
    """
    _check_apart(recipe, student)
    work = recipe.work_dir
    places = [
        (work, WORK),
        (work / FILTERED_ROWS, FILTERED_FOLDER),
        (recipe.corpus_path, CORPUS_FOLDER),
    ]
    if student:
        places.append((recipe.student_path, STUDENT_FOLDER))
    for path, kind in places:
        check_output(path, kind)
    check_place(recipe.journal_path.parent)
    if is_address(recipe.corpus.path):
        from synthkd.corpora.addresses import check_address

        check_address(recipe.corpus.path)


def _check_apart(recipe: Recipe, student: bool) -> None:
    """Refuse a folder that is replaced whole and holds, or lies in, another place of the run."""
    work, inputs, home = (
        target_of(recipe.work_dir),
        recipe.inputs.path,
        Path(os.path.expanduser("~")),
    )
    kept = {
        "the recipe's folder": recipe.folder,
        "the journal": recipe.journal_path,
        "the home folder": target_of(home),
        **({} if inputs is None else {"the inputs": recipe.resolve(inputs)}),
    }
    for name, path in (
        ("the root of the file system", Path(work.anchor)),
        ("the home folder", kept["the home folder"]),
    ):
        if work == path:
            raise RecipeError(f"work: {work} is {name}; name a folder of its own")
    replaced = {"corpus.path": target_of(recipe.corpus_path)}
    if student:
        replaced["student.path"] = target_of(recipe.student_path)
    for key, path in replaced.items():
        for name, other in {**kept, "the run's folder (work)": work}.items():
            if path == target_of(other) or path in target_of(other).parents:
                raise RecipeError(
                    f"{key}: {path} is replaced whole, and {name}, {other}, lies in it; name"
                    " another folder"
                )
    for key, path in {**replaced, "journal": target_of(recipe.journal_path)}.items():
        for name in _KNOWN - ({"student"} if key == "student.path" else set()):
            if work / name in (path, *path.parents):
                raise RecipeError(
                    f"{key}: {path} is a place of the run itself (work); name another"
                )
    if student:
        one, other = replaced.values()
        if one == other or one in other.parents or other in one.parents:
            raise RecipeError(
                f"student.path: {other} and corpus.path: {one} lie in each other; name separate"
                " folders"
            )
