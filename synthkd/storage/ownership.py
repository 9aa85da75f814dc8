"""Know a folder that synthkd wrote by its content, never by its name.

Each kind of folder has a function that says what in a folder is not ours. A corpus, a student and an exported student
prove themselves by their manifest or card; other folders have the file `.synthkd.json`, which lists their files and has a
hash over the list as its id. Folders of version 0.1.0, which had no such file, are known by what their files hold.
"""

from __future__ import annotations

import csv
import json
import os
import re
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from synthkd._version import __version__
from synthkd.errors import StorageError
from synthkd.keys import content_hash, file_hash, sha256_hash

MARK = ".synthkd.json"
#: Hashes of all files of a critic, a student or an export (`synthkd.artifacts`).
HASHES = "hashes.json"
FORMAT = 1
#: Files that desktops leave everywhere.
_HARMLESS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
#: Bytes of a card or mark that are read at most.
_MOST = 64 << 20
_DATA = re.compile(r"data/(accepted|rejected)-\d{5,}\.parquet")
_PART = re.compile(r"part-\d{4,}\.parquet")
#: Columns that only filtered candidates have.
_FILTERED_COLUMNS = {"id", "input_id", "completion_key", "recurrence", "rejected_by", "reason"}

#: Says what in a folder is not ours; None where all of it is.
Strange = Callable[[Path], "str | None"]


@dataclass(frozen=True)
class FolderKind:
    """A kind of folder that synthkd replaces or removes.

    ``remedy``: what to do about a folder that is not ours. ``signed``: whether `.synthkd.json` is its proof.
    """

    name: str
    strange: Strange
    remedy: str = "name another folder"
    signed: bool = False


def check_folder(path: Path, kind: FolderKind | None = None, shown: Path | None = None) -> None:
    """Refuse to replace a folder that is not of this kind (None: of any). A missing or empty one is fine.

    Raises:
        StorageError: With the folder (``shown``: its name in the message) and what was found in it.
    """
    shown = shown or path
    remedy = kind.remedy if kind else "name another folder"
    if not os.path.lexists(path):
        return
    if not path.is_dir():
        raise StorageError(f"{shown} is a file, and a folder is needed; {remedy}")
    if not any(entry.name not in _HARMLESS for entry in os.scandir(path)):
        return
    if kind is not None:
        said, wanted = kind.strange(path), kind.name
    else:
        found = [one.strange(path) for one in KNOWN]
        said, wanted = (None if None in found else signed_strange(path)), "folder of synthkd"
    if said is not None:
        article = "an" if wanted[0] in "aeiou" else "a"
        raise StorageError(
            f"{shown}: not {article} {wanted}, since it {said}; it is not replaced: {remedy}, or move that away"
        )


def check_file(path: Path, ours: Callable[[Path], bool], what: str) -> None:
    """Refuse to replace a file that is not ours. ``what``: the thing that synthkd writes there, with its article."""
    if not os.path.lexists(path) or (path.is_file() and (path.stat().st_size == 0 or ours(path))):
        return
    raise StorageError(f"{path}: is there already, and is not {what}; name another place, or move it away")


def has_columns(*names: str) -> Callable[[Path], bool]:
    """A proof for `check_file`: a Parquet file with these columns."""
    return lambda path: set(names) <= _columns(path)


def has_fields(*names: str) -> Callable[[Path], bool]:
    """A proof for `check_file`: rows with these fields, in a Parquet, CSV or JSONL file."""

    def found(path: Path) -> bool:
        if path.suffix.lower() == ".parquet":
            return set(names) <= _columns(path)
        with suppress(ValueError, RecursionError), path.open("rb") as file:
            first = file.readline(_MOST).decode("utf-8-sig")
            row = json.loads(first) if first.startswith("{") else next(csv.reader([first]), [])
            return set(names) <= set(row)
        return False

    return found


def has_text(text: str) -> Callable[[Path], bool]:
    """A proof for `check_file`: a text that stands in the file."""

    def found(path: Path) -> bool:
        with path.open("rb") as file:
            return text.encode() in file.read(_MOST)

    return found


def sign(folder: Path, kind: FolderKind | None = None) -> None:
    """Write the mark of a folder that has no other proof, with all that it holds."""
    if kind is None:
        if any(one.strange(folder) is None for one in KNOWN):
            return
        name = "folder"
    elif kind.signed:
        name = kind.name
    else:
        return
    files = [one for one in _files(folder) if one != MARK]
    write_mark(folder / MARK, name, files)


def write_mark(path: Path, kind: str, files: Iterable[str] | None = None) -> None:
    """Write `.synthkd.json`; ``files``: all that the folder holds, None if it does not say."""
    listed = None if files is None else sorted(files)
    mark = {"synthkd": __version__, "format": FORMAT, "kind": kind, "files": listed}
    mark["id"] = content_hash([FORMAT, kind, listed])
    path.write_text(json.dumps(mark, indent=1) + "\n", "utf-8")


def has_mark(folder: Path, kind: str) -> bool:
    """Whether a folder has a mark of this kind, with the right id."""
    mark = _read(folder / MARK)
    return _is_mark(mark) and mark["kind"] == kind


def signed_strange(folder: Path, kind: str | None = None) -> str | None:
    """Name what a folder holds beside the files that its mark lists; None if there is nothing."""
    mark = _read(folder / MARK)
    if not _is_mark(mark) or (kind is not None and mark["kind"] != kind) or mark["files"] is None:
        return f"has no mark of ours ({MARK}), and holds {first_of(folder)}"
    return unlisted(folder, {MARK, *mark["files"]})


def write_temporary_mark(folder: Path, name: str) -> None:
    """Mark a temporary folder; ``name``: the part of its own name that is the same in no other."""
    mark = {"synthkd": __version__, "format": FORMAT, "kind": "temporary", "id": name}
    descriptor = os.open(folder / MARK, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        os.write(descriptor, json.dumps(mark).encode())
    finally:
        os.close(descriptor)


def has_temporary_mark(folder: Path, name: str) -> bool:
    """Whether a folder is a temporary one of ours, or one in which a killed process had not written anything yet."""
    mark = _read(folder / MARK)
    if isinstance(mark, dict):
        return mark.get("kind") == "temporary" and mark.get("format") == FORMAT and mark.get("id") == name
    names = os.listdir(folder)
    return not names or (names == [MARK] and (folder / MARK).lstat().st_size == 0)


def unlisted(folder: Path, names: Iterable[str]) -> str | None:
    """The first thing in a folder that is none of these files, in words."""
    known = set(names)
    for name in _files(folder):
        if name not in known and name.rpartition("/")[2] not in _HARMLESS:
            return f"holds {name}"
    return None


def first_of(folder: Path) -> str:
    """Something that a folder holds, for a message."""
    names = sorted(os.listdir(folder))
    return next((name for name in names if not name.startswith(".")), names[0] if names else "nothing")


def _files(folder: Path) -> list[str]:
    """Everything below a folder that is no folder, and empty folders (``name/``), in order. Links are not followed."""
    found: list[str] = []

    def walk(path: Path, before: str) -> None:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                walk(Path(entry.path), f"{before}{entry.name}/")
            else:
                found.append(f"{before}{entry.name}")
        if not entries and before:
            found.append(before)

    walk(folder, "")
    return found


def _read(path: Path) -> Any:
    """The JSON of a small regular file; None where there is none."""
    with suppress(OSError, ValueError, RecursionError):
        about = path.lstat()
        if stat.S_ISREG(about.st_mode) and about.st_size <= _MOST:
            return json.loads(path.read_bytes())
    return None


def _is_mark(mark: Any) -> bool:
    if not isinstance(mark, dict) or mark.get("format") != FORMAT or not isinstance(mark.get("kind"), str):
        return False
    files = mark.get("files")
    if files is not None and not (isinstance(files, list) and all(isinstance(name, str) for name in files)):
        return False
    return bool(mark.get("id") == content_hash([FORMAT, mark["kind"], files]))


def _texts(value: Any) -> TypeGuard[dict[str, str]]:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


def _corpus_strange(folder: Path) -> str | None:
    manifest = _read(folder / "manifest.json")
    if not isinstance(manifest, dict):
        return f"has no manifest.json of a corpus, and holds {first_of(folder)}"
    files = manifest.get("files")
    if not isinstance(manifest.get("manifest_version"), int) or not _texts(files):
        return "has a manifest.json that is not a corpus' (no manifest_version, files)"
    if manifest.get("corpus_hash") != content_hash(files) or not all(map(_DATA.fullmatch, files)):
        return "has a manifest.json that was altered, or is not a corpus' (its corpus_hash is not that of its files)"
    return unlisted(folder, {"manifest.json", "README.md", *files})


def _filtered_strange(folder: Path) -> str | None:
    if os.path.lexists(folder / MARK):
        return signed_strange(folder, "folder of filtered rows")
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name in _HARMLESS:
            continue
        if not _PART.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
            return f"holds {entry.name}"
        if not _columns(Path(entry.path)) >= _FILTERED_COLUMNS:
            return f"holds {entry.name}, which is cut or has other columns than filtered rows"
    return None


def _columns(path: Path) -> set[str]:
    """Names of the columns of a Parquet file; none where it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return set(pq.read_schema(path).names)
    except (OSError, pa.ArrowException):
        return set()


def _onnx_strange(folder: Path) -> str | None:
    settings = _read(folder / "onnx.json")
    if not isinstance(settings, dict) or not isinstance(settings.get("version"), int):
        return f"has no onnx.json of an exported student, and holds {first_of(folder)}"
    files = _hashed(folder, settings)
    if not _texts(files) or not {"classes", "temperature", "max_length"} <= set(settings):
        return "has an onnx.json that is not an exported student's"
    return unlisted(folder, {"onnx.json", HASHES, *files})


def _hashed(folder: Path, card: dict[str, Any]) -> Any:
    """Files by their hashes: of `hashes.json`, or of the card as version 0.1.0 wrote it."""
    hashes = _read(folder / HASHES)
    return hashes.get("files") if isinstance(hashes, dict) else card.get("files")


def _student_strange(folder: Path) -> str | None:
    card = _read(folder / "student.json")
    if not isinstance(card, dict):
        return f"has no student.json of a student, and holds {first_of(folder)}"
    files = _hashed(folder, card)
    if (
        not isinstance(card.get("format"), int)
        or not isinstance(card.get("student"), str)
        or not _texts(files)
    ):
        return "has a student.json that is not a student's (no format, student, files)"
    exports = [
        f"{entry.name}/{name}"
        for entry in os.scandir(folder)
        if entry.is_dir(follow_symlinks=False) and _onnx_strange(Path(entry.path)) is None
        for name in _files(Path(entry.path))
    ]
    return unlisted(folder, {"student.json", HASHES, "README.md", *files, *exports})


#: Files of critics that version 0.1.0 trained, which has no list of them.
_CRITIC = re.compile(
    r"facts\.json|hashes\.json|held_out\.parquet|trained_on\.parquet|README\.md|(precision|reliability)\.svg"
    r"|((member-\d+-[\w-]+|fold-\d+)/)*(critic\.(json|safetensors)|template\.j2|hashes\.json"
    r"|encoder/[\w.-]+\.(json|safetensors|txt|model|jinja))"
)


def _critic_strange(folder: Path) -> str | None:
    if os.path.lexists(folder / MARK):
        return signed_strange(folder, "critic")
    facts, hashes = _read(folder / "facts.json"), _read(folder / "hashes.json")
    if not isinstance(facts, dict) or not isinstance(hashes, dict):
        return f"has no facts.json of a critic, and holds {first_of(folder)}"
    listed = hashes.get("files", hashes)
    known = [file_hash(folder / "facts.json"), sha256_hash(folder / "facts.json")]
    if not {"critic", "kind"} <= set(facts) or not _texts(listed) or listed.get("facts.json") not in known:
        return "has a facts.json that is not a critic's, or was altered"
    return unlisted(folder, (name for name in _files(folder) if _CRITIC.fullmatch(name)))


CORPUS = FolderKind("corpus", _corpus_strange, "name another folder in corpus.path")
FILTERED = FolderKind(
    "folder of filtered rows", _filtered_strange, "name another folder in `work`", signed=True
)
STUDENT = FolderKind("student", _student_strange)
ONNX = FolderKind("exported student", _onnx_strange)
CRITIC = FolderKind("critic", _critic_strange, signed=True)
KNOWN = (CORPUS, FILTERED, STUDENT, ONNX, CRITIC)
