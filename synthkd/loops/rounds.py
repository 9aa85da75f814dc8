"""One round: an ordinary run in a folder of its own, and `round.json`, which is written last.

rounds/003/inputs.jsonl   what was asked       rounds/003/run/       the run's working folder
rounds/003/corpus/        what came of it      rounds/003/student/   the student of all rows so far
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from synthkd import pipeline
from synthkd.artifacts.folder import file_hashes
from synthkd.corpora.read import Corpus, load_corpus
from synthkd.errors import InputError, StorageError, TeacherError
from synthkd.journal import Journal
from synthkd.keys import content_hash, file_hash
from synthkd.loops.task import Row
from synthkd.recipe import InputsPart, Recipe
from synthkd.stages.places import run_strange
from synthkd.stages.plan import plan_run
from synthkd.storage import (
    CORPUS_FOLDER,
    MARK,
    FolderKind,
    check_folder,
    claim_folder,
    clear_leftovers,
    first_entry,
    has_mark,
    is_temporary_folder,
    read_json,
    remove_folder,
    write_json,
    write_text,
)
from synthkd.storage import STUDENT_FOLDER as STUDENT_KIND


def best_round(rounds: Sequence[Round]) -> int:
    """Number of the round with the best figure; of equal ones the first."""
    return max(rounds, key=lambda one: (one.score, -one.number)).number


def rounds_since_best(rounds: Sequence[Round]) -> int:
    """Rounds since the best one."""
    return rounds[-1].number - best_round(rounds)


def failed_rounds(rounds: Sequence[Round]) -> int:
    """Rounds in a row, up to the last, of which every request failed."""
    count = 0
    for one in reversed(rounds):
        if not one.record["refused"]:
            break
        count += 1
    return count


RECORD, INPUTS, STUDENT, SECONDS = "round.json", "inputs.jsonl", "student", "seconds.json"
FORMAT = 1
#: A further asking of a round moves the sampling seed on by so many: an equal prompt is answered anew, and not as in a later round.
AGAIN = 1000
_AGAIN = re.compile(r"again-\d+")
_NUMBER = re.compile(r"\d{3,}")
_MARK = "round of a loop"


@dataclass(frozen=True)
class RoundRun:
    """What one asking came to. ``stopped``: which cap ended it early, "" where none did."""

    folder: Path
    counts: Mapping[str, Any]
    stopped: str = ""
    corpus: Corpus | None = None

    @property
    def refused(self) -> bool:
        """Whether something was asked, and every request failed."""
        return self.corpus is None and bool(self.counts.get("failed")) and not self.stopped


@dataclass(frozen=True)
class Round:
    """A round that is done: its record as it stands in `round.json`, the rows that it added, and its inputs."""

    folder: Path
    record: Mapping[str, Any]
    rows: Sequence[Row] = field(default=(), repr=False)
    asked: Sequence[Row] = field(default=(), repr=False)

    @property
    def number(self) -> int:
        return int(self.record["round"])

    @property
    def key(self) -> str:
        return str(self.record["key"])

    @property
    def hash(self) -> str:
        """Of its record: with it the next round's key is made, so that a round that came out otherwise is followed anew."""
        return str(self.record["hash"])

    @property
    def score(self) -> float:
        return float(self.record["figures"]["score"])

    @property
    def student(self) -> Path:
        """Folder of its student; of an earlier round where it added no row."""
        return self.folder.parent / str(self.record["student"])

    @property
    def corpora(self) -> list[Path]:
        """Folders of what came of its askings."""
        return [self.folder / name for name in self.record["corpora"]]


def round_folder(recipe: Recipe, number: int) -> Path:
    return recipe.work_dir / "rounds" / f"{number:03d}"


def round_key(settings: str, number: int, before: str) -> str:
    """What a round is: the recipe and rows of the loop, and all rounds before it (``before``: hash of the last record)."""
    return content_hash([FORMAT, settings, number, before])


def round_recipe(recipe: Recipe, number: int, folder: Path, anew: bool = True, attempt: int = 0) -> Recipe:
    """The recipe of a round's run: the same name and journal, so that limits count over all rounds; its own inputs and
    folders; and with ``anew`` its own sampling seed, so that an equal prompt is answered anew. ``attempt`` counts the askings
    of one round."""
    sampling = recipe.teacher.sampling
    seed = sampling.seed + number + AGAIN * attempt if anew and sampling.seed is not None else sampling.seed
    teacher = recipe.teacher.model_copy(update={"sampling": sampling.model_copy(update={"seed": seed})})
    own = InputsPart(path=recipe_path(recipe, folder / INPUTS), count=None, id=None, limit=None)
    return recipe.with_parts(
        inputs=own,
        teacher=teacher,
        work=recipe_path(recipe, folder / "run"),
        corpus=recipe.corpus.model_copy(update={"path": recipe_path(recipe, folder / "corpus")}),
    )


def recipe_path(recipe: Recipe, path: Path) -> str:
    """A path as a recipe writes it, from its own folder: the same wherever the folder lies."""
    return Path(os.path.relpath(path, recipe.folder)).as_posix()


def write_inputs(folder: Path, inputs: Sequence[Row]) -> str:
    """Write what is asked; returns the file's hash."""
    lines = [json.dumps(row, ensure_ascii=False) for row in inputs]
    write_text(folder / INPUTS, "\n".join(lines) + "\n")
    return file_hash(folder / INPUTS)


def read_inputs(folder: Path) -> list[Row]:
    """What `write_inputs` wrote."""
    lines = (folder / INPUTS).read_text("utf-8").split("\n")
    return [json.loads(line) for line in lines if line]


def run_round(recipe: Recipe, folder: Path, quiet: bool = True) -> RoundRun:
    """Run a round's recipe. That nothing came is no error here: a cap was reached, or every request was refused."""
    try:
        done = pipeline.run(recipe, quiet, measure=False)
    except TeacherError as error:
        # Those below it say that no request can be answered: the key is wrong, nobody is there.
        if type(error) is not TeacherError:
            raise
        stopped = str(read_json(recipe.work_dir / pipeline.GENERATED)["stopped"])
        failures = _failures(recipe)
        number = sum(failures.values())
        return RoundRun(
            folder, {**empty_counts(), "asked": number, "failed": number, "failures": failures}, stopped
        )
    return RoundRun(folder, done.counts, done.generated.stopped, done.corpus)


def _failures(recipe: Recipe) -> dict[str, int]:
    """Reasons of the requests that failed, as the journal has them: the same in the run that asked and in a later one."""
    plan = plan_run(recipe)
    found: Counter[str] = Counter()
    with Journal(recipe.journal_path, must_exist=True) as journal:
        for batch in plan.batches():
            failed = journal.failures([one.request.request_id for one in batch])
            found.update(failure.reason for each in failed.values() for failure in each.values())
    return dict(sorted(found.items()))


def empty_counts() -> dict[str, Any]:
    """Of a round that asked nothing."""
    return {
        "asked": 0, "completed": 0, "failed": 0, "missing": 0, "failures": {}, "malformed": 0, "candidates": 0,
        "rejected": {}, "accepted": 0, "tokens": 0, "cost": None,
    }  # fmt: skip


def total_counts(counts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts of several askings together."""
    total = empty_counts()
    for one in counts:
        for name in (
            "asked",
            "completed",
            "failed",
            "missing",
            "malformed",
            "candidates",
            "accepted",
            "tokens",
        ):
            total[name] += one.get(name) or 0
        for name in ("failures", "rejected"):
            for reason, number in one.get(name, {}).items():
                total[name][reason] = total[name].get(reason, 0) + number
        if one.get("cost") is not None:
            total["cost"] = (total["cost"] or 0.0) + one["cost"]
    return total


def write_record(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Write `round.json`, whole and last, with a hash of itself."""
    record = {**record, "hash": content_hash(record)}
    write_json(folder / RECORD, record)
    return record


def reopen(one: Round) -> Round:
    """The round, to be done again by the next run."""
    record = {name: value for name, value in one.record.items() if name != "hash"}
    return replace(one, record=write_record(one.folder, {**record, "complete": False}))


def read_round(folder: Path, key: str) -> dict[str, Any] | None:
    """The record of a round that is done, whole, and this one; None where it must be done (again)."""
    try:
        record = read_json(folder / RECORD)
    except StorageError:
        return None
    if not isinstance(record, dict) or record.get("key") != key or not record.get("complete"):
        return None
    rest = {name: value for name, value in record.items() if name != "hash"}
    if record.get("hash") != content_hash(rest):
        return None
    return record if _whole(folder, record) else None


def read_round_records(folders: Iterable[Path]) -> list[Round]:
    """Read the records of rounds, without their rows. Raises `StorageError` for one that is none."""
    rounds = []
    for folder in folders:
        if not _is_record(folder / RECORD):
            raise StorageError(f"{folder / RECORD}: not the record of a round, or altered")
        rounds.append(Round(folder, read_json(folder / RECORD)))
    return rounds


def _whole(folder: Path, record: Mapping[str, Any]) -> bool:
    """Whether corpora and student are as they were written."""
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


def round_folder_kind(files: Iterable[str] = ()) -> FolderKind:
    """A round's folder, as it may be removed; ``files``: what the task writes into it."""
    known = {RECORD, INPUTS, SECONDS, MARK, *files}

    def strange(folder: Path) -> str | None:
        if not has_mark(folder, _MARK) and not _is_record(folder / RECORD):
            return f"has no mark of ours ({MARK}), and holds {first_entry(folder)}"
        return inside(folder)

    def inside(folder: Path) -> str | None:
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            path = Path(entry.path)
            if not entry.is_dir(follow_symlinks=False):
                if entry.name not in known:
                    return f"holds {entry.name}"
            elif any(path.iterdir()) and not is_temporary_folder(path):
                look = inside if _AGAIN.fullmatch(entry.name) else _INSIDE.get(entry.name)
                if look is None:
                    return f"holds {entry.name}"
                if (said := look(path)) is not None:
                    return f"holds {entry.name}, which {said}"
        return None

    return FolderKind(_MARK, strange, "name another folder in `work`")


#: Folders in a round's folder, and what shows that they are not ours.
_INSIDE = {"run": run_strange, "corpus": CORPUS_FOLDER.find_foreign, STUDENT: STUDENT_KIND.find_foreign}


def _is_record(path: Path) -> bool:
    try:
        record = read_json(path)
    except StorageError:
        return False
    if not isinstance(record, dict) or not {"round", "key", "student", "figures"} <= set(record):
        return False
    return bool(record.get("hash") == content_hash({k: v for k, v in record.items() if k != "hash"}))


def check_round_folders(recipe: Recipe, kind: FolderKind) -> None:
    """Refuse, before anything is bought, folders under the names of rounds that are not ours."""
    rounds = recipe.work_dir / "rounds"
    if rounds.is_dir():
        for path in sorted(rounds.iterdir()):
            if _NUMBER.fullmatch(path.name):
                clear_leftovers(path)
                check_folder(path, kind)


def begin_round(folder: Path, kind: FolderKind) -> None:
    """Remove what a killed process or another recipe left in a round's folder, and make it anew."""
    clear_leftovers(folder)
    remove_folder(folder, kind)
    # Marked whole or not at all: a half mark would be a stranger's after a kill.
    claim_folder(folder, kind)


def folder_hash(folder: Path) -> str:
    """Of all files below a folder, by their paths."""
    return content_hash(file_hashes(folder))
