"""The kinds of folders that synthkd writes, recognised by their content, never by name.

A corpus, a student and an exported student prove themselves by their manifest or card, other
folders by their mark (`storage.marks`). Folders of version 0.1.0, which had no mark, are recognised
by the contents of their files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from synthkd.keys import content_hash, file_hash, sha256_hash
from synthkd.storage.marks import (
    DESKTOP_FILES,
    MARK,
    first_entry,
    foreign_to_mark,
    list_files,
    read_small_json,
    unlisted_file,
)

#: File with the hashes of all files of a critic, a student or an export (`synthkd.artifacts`).
HASHES = "hashes.json"
_CORPUS_FILE = re.compile(r"(data/(accepted|rejected)|provenance/accepted)-\d{5,}\.parquet")
_PARTITION_FILE = re.compile(r"part-\d{4,}\.parquet")
#: Columns that only filtered candidates have.
_FILTERED_COLUMNS = {"id", "input_id", "completion_key", "recurrence", "rejected_by", "reason"}
#: Files of critics that version 0.1.0 trained, which has no list of them.
_CRITIC_FILE = re.compile(
    r"facts\.json|hashes\.json|held_out\.parquet|trained_on\.parquet|README\.md|(precision|reliability)\.svg"
    r"|((member-\d+-[\w-]+|fold-\d+)/)*(critic\.(json|safetensors)|template\.j2|hashes\.json"
    r"|encoder/[\w.-]+\.(json|safetensors|txt|model|jinja))"
)

#: Names something in a folder that synthkd did not write, as a predicate ("holds x"); None if there
#: is nothing.
FindForeign = Callable[[Path], "str | None"]


@dataclass(frozen=True)
class FolderKind:
    """A kind of folder that synthkd replaces or removes.

    Attributes:
        name: The noun of messages, such as ``corpus``.
        find_foreign: Names something in a folder that does not belong to this kind.
        remedy: What to do about a folder of another kind.
        signed: Whether the mark is the folder's proof, rather than a manifest or card.
    """

    name: str
    find_foreign: FindForeign
    remedy: str = "name another folder"
    signed: bool = False


def parquet_columns(path: Path) -> set[str]:
    """Return the names of a Parquet file's columns; an empty set if the file cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return set(pq.read_schema(path).names)
    except (OSError, pa.ArrowException):
        return set()


#: Folder of a corpus' templates and relations.
PROMPTS_FOLDER = "prompts"
#: Files of a corpus besides its rows, its manifest and its card.
_FURTHER_FILE = re.compile(
    rf"(lineage\.parquet|(steps|flow)\.svg|croissant\.json|{PROMPTS_FOLDER}/.+)", re.DOTALL
)


def _foreign_to_corpus(folder: Path) -> str | None:
    manifest = read_small_json(folder / "manifest.json")
    if not isinstance(manifest, dict):
        return f"has no manifest.json of a corpus, and holds {first_entry(folder)}"
    files = manifest.get("files")
    if not isinstance(manifest.get("manifest_version"), int) or not _is_text_mapping(files):
        return "has a manifest.json that is not a corpus' (no manifest_version, files)"
    if manifest.get("corpus_hash") != content_hash(files) or not all(
        map(_CORPUS_FILE.fullmatch, files)
    ):
        return (
            "has a manifest.json that was altered, or is not a corpus' (its corpus_hash is not"
            " that of its files)"
        )
    further = manifest.get("further_files") or {}
    if not _is_text_mapping(further) or not all(map(_FURTHER_FILE.fullmatch, further)):
        return "has a manifest.json that is not a corpus' (further_files)"
    return unlisted_file(folder, {"manifest.json", "README.md", *files, *further})


def _foreign_to_filtered_rows(folder: Path) -> str | None:
    if os.path.lexists(folder / MARK):
        return foreign_to_mark(folder, "folder of filtered rows")
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name in DESKTOP_FILES:
            continue
        if not _PARTITION_FILE.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
            return f"holds {entry.name}"
        if not parquet_columns(Path(entry.path)) >= _FILTERED_COLUMNS:
            return f"holds {entry.name}, which is cut or has other columns than filtered rows"
    return None


def _foreign_to_onnx(folder: Path) -> str | None:
    settings = read_small_json(folder / "onnx.json")
    if not isinstance(settings, dict) or not isinstance(settings.get("version"), int):
        return f"has no onnx.json of an exported student, and holds {first_entry(folder)}"
    files = _hashed_files(folder, settings)
    if not _is_text_mapping(files) or not {"classes", "temperature", "max_length"} <= set(settings):
        return "has an onnx.json that is not an exported student's"
    return unlisted_file(folder, {"onnx.json", HASHES, *files})


def _foreign_to_student(folder: Path) -> str | None:
    card = read_small_json(folder / "student.json")
    if not isinstance(card, dict):
        return f"has no student.json of a student, and holds {first_entry(folder)}"
    files = _hashed_files(folder, card)
    has_fields = isinstance(card.get("format"), int) and isinstance(card.get("student"), str)
    if not has_fields or not _is_text_mapping(files):
        return "has a student.json that is not a student's (no format, student, files)"
    exports = [
        f"{entry.name}/{name}"
        for entry in os.scandir(folder)
        if entry.is_dir(follow_symlinks=False) and _foreign_to_onnx(Path(entry.path)) is None
        for name in list_files(Path(entry.path))
    ]
    return unlisted_file(folder, {"student.json", HASHES, "README.md", *files, *exports})


def _foreign_to_critic(folder: Path) -> str | None:
    if os.path.lexists(folder / MARK):
        return foreign_to_mark(folder, "critic")
    facts, hashes = read_small_json(folder / "facts.json"), read_small_json(folder / HASHES)
    if not isinstance(facts, dict) or not isinstance(hashes, dict):
        return f"has no facts.json of a critic, and holds {first_entry(folder)}"
    listed = hashes.get("files", hashes)
    valid = [file_hash(folder / "facts.json"), sha256_hash(folder / "facts.json")]
    if (
        not {"critic", "kind"} <= set(facts)
        or not _is_text_mapping(listed)
        or listed.get("facts.json") not in valid
    ):
        return "has a facts.json that is not a critic's, or was altered"
    return unlisted_file(
        folder, (name for name in list_files(folder) if _CRITIC_FILE.fullmatch(name))
    )


def _hashed_files(folder: Path, card: dict[str, Any]) -> Any:
    """Return the hashes of a folder's files, from `hashes.json` or the card of version 0.1.0."""
    hashes = read_small_json(folder / HASHES)
    return hashes.get("files") if isinstance(hashes, dict) else card.get("files")


def _is_text_mapping(value: Any) -> TypeGuard[dict[str, str]]:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


CORPUS_FOLDER = FolderKind("corpus", _foreign_to_corpus, "name another folder in corpus.path")
FILTERED_FOLDER = FolderKind(
    "folder of filtered rows",
    _foreign_to_filtered_rows,
    "name another folder in `work`",
    signed=True,
)
STUDENT_FOLDER = FolderKind("student", _foreign_to_student)
ONNX_FOLDER = FolderKind("exported student", _foreign_to_onnx)
CRITIC_FOLDER = FolderKind("critic", _foreign_to_critic, signed=True)
FOLDER_KINDS = (CORPUS_FOLDER, FILTERED_FOLDER, STUDENT_FOLDER, ONNX_FOLDER, CRITIC_FOLDER)
