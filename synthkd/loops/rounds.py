"""Rounds of a loop and their records.

    rounds/003/inputs.jsonl   the inputs of the round
    rounds/003/run/           working folder of its run
    rounds/003/corpus/        the rows of the run
    rounds/003/student/       student of all rows so far
    rounds/003/round.json     the record, written last

The key of a round is a hash of the recipe, the loop's rows and all earlier rounds, so a round that
changes invalidates the rounds after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from synthkd.artifacts.folder import file_hashes
from synthkd.corpora.read import load_corpus
from synthkd.errors import InputError, StorageError
from synthkd.keys import content_hash
from synthkd.loops.task import Row
from synthkd.recipe import Recipe
from synthkd.storage import read_json, write_json

RECORD, STUDENT, SECONDS = "round.json", "student", "seconds.json"
#: Version of the record.
FORMAT = 2


@dataclass(frozen=True)
class Round:
    """A finished round.

    Attributes:
        record: The content of `round.json`.
        rows: The rows that the round added.
        inputs: The inputs of the round.
    """

    folder: Path
    record: Mapping[str, Any]
    rows: Sequence[Row] = field(default=(), repr=False)
    inputs: Sequence[Row] = field(default=(), repr=False)

    @property
    def number(self) -> int:
        return int(self.record["round"])

    @property
    def key(self) -> str:
        return str(self.record["key"])

    @property
    def hash(self) -> str:
        """Hash of the record, which is part of the next round's key."""
        return str(self.record["hash"])

    @property
    def score(self) -> float:
        return float(self.record["figures"]["score"])

    @property
    def student(self) -> Path:
        """Folder of the student; a round that added no rows has that of an earlier round."""
        return self.folder.parent / str(self.record["student"])

    @property
    def corpora(self) -> list[Path]:
        """Folders of the corpora of the round's runs."""
        return [self.folder / name for name in self.record["corpora"]]


def best_round(rounds: Sequence[Round]) -> int:
    """Return the number of the round with the highest score, the first of equal ones."""
    return max(rounds, key=lambda one: (one.score, -one.number)).number


def rounds_since_best(rounds: Sequence[Round]) -> int:
    """Return the number of rounds since the best one."""
    return rounds[-1].number - best_round(rounds)


def failed_rounds(rounds: Sequence[Round]) -> int:
    """Return the number of consecutive rounds, up to the last, whose requests all failed."""
    count = 0
    for one in reversed(rounds):
        if not one.record["refused"]:
            break
        count += 1
    return count


def round_folder(recipe: Recipe, number: int) -> Path:
    """Return the folder of a round."""
    return recipe.work_dir / "rounds" / f"{number:03d}"


def round_key(settings: str, number: int, previous: str) -> str:
    """Return the key of a round.

    Args:
        settings: Hash of the recipe and the loop's rows.
        number: Number of the round.
        previous: Hash of the last record; "" for round 0.
    """
    return content_hash([FORMAT, settings, number, previous])


def write_record(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Write `round.json` atomically, with a hash of itself. Returns the record."""
    record = {**record, "hash": content_hash(record)}
    write_json(folder / RECORD, record)
    return record


def reopen(one: Round) -> Round:
    """Mark a round as incomplete, so that the next run repeats it."""
    record = {name: value for name, value in one.record.items() if name != "hash"}
    return replace(one, record=write_record(one.folder, {**record, "complete": False}))


def read_round(folder: Path, key: str) -> dict[str, Any] | None:
    """Read the record of a complete round with this key; None if the round must be done (again)."""
    try:
        record = read_json(folder / RECORD)
    except StorageError:
        return None
    if not isinstance(record, dict) or record.get("key") != key or not record.get("complete"):
        return None
    return record if _has_own_hash(record) and _is_intact(folder, record) else None


def read_round_records(folders: Iterable[Path]) -> list[Round]:
    """Read the records of rounds, without rows and inputs.

    Raises:
        StorageError: If a record is missing or was altered.
    """
    rounds = []
    for folder in folders:
        if not has_record(folder):
            raise StorageError(f"{folder / RECORD}: not the record of a round, or altered")
        rounds.append(Round(folder, read_json(folder / RECORD)))
    return rounds


def has_record(folder: Path) -> bool:
    """Return whether a folder has the unaltered record of a round."""
    try:
        record = read_json(folder / RECORD)
    except StorageError:
        return False
    required = {"round", "key", "student", "figures"}
    return isinstance(record, dict) and required <= set(record) and _has_own_hash(record)


def _has_own_hash(record: Mapping[str, Any]) -> bool:
    content = {name: value for name, value in record.items() if name != "hash"}
    return bool(record.get("hash") == content_hash(content))


def _is_intact(folder: Path, record: Mapping[str, Any]) -> bool:
    """Return whether student and corpora have the hashes of the record."""
    student = folder.parent / str(record["student"])
    if not student.is_dir() or folder_hash(student) != record["student_hash"]:
        return False
    try:
        for name, expected in record["corpora"].items():
            corpus = load_corpus(folder / name)
            corpus.verify()
            if corpus.hash != expected:
                return False
    except (InputError, StorageError):
        return False
    return True


def folder_hash(folder: Path) -> str:
    """Return a hash of the names and contents of all files below a folder."""
    return content_hash(file_hashes(folder))
