"""`hashes.json`: the SHA-256 hash of every file in the folder of an artefact.

The hashes protect against damage and careless edits. They are no signature: whoever alters a file
on purpose can write new hashes. The schemas of the files (`artifacts.settings`, `artifacts.arrays`)
bound what a folder of unknown origin can do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from synthkd.errors import CriticError, StudentError, UserError
from synthkd.keys import content_hash, sha256_hash
from synthkd.storage import HASHES

FORMAT = 2
#: Folder in an artefact for an optional copy of its frozen encoder, which is compared by content
#: when it is loaded.
ENCODER = "encoder"
#: Suffixes and names of files for people: no loader reads these, so they may be edited, added and
#: removed.
_DOCUMENTS = {".md", ".svg", ".png", ".jpg", ".html"}
_NAMED_DOCUMENTS = ("LICENSE", "LICENCE", "NOTICE", "CITATION")
#: Bounds of a `hashes.json`.
_BYTES, _FILES = 1 << 24, 20_000


@dataclass(frozen=True)
class Artifact:
    """A kind of artefact.

    Attributes:
        noun: Its noun in messages.
        error: The error for one that cannot be read.
        remedy: What to do then.
    """

    noun: str
    error: type[UserError]
    remedy: str

    def refuse(self, where: Path | str, problem: str) -> UserError:
        """Return the error for a folder or file, in one line."""
        return self.error(f"{where}: {' '.join(problem.split())}; {self.remedy}")

    @contextmanager
    def fitting(self, folder: Path) -> Iterator[None]:
        """Raise the artefact's error if its files contradict each other."""
        try:
            yield
        except (
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            ArithmeticError,
            RuntimeError,
        ) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise self.refuse(folder, f"its files do not fit together ({reason[:200]})") from None


CRITIC_ARTIFACT = Artifact("critic", CriticError, "train the critic again")
STUDENT_ARTIFACT = Artifact("student", StudentError, "train the student again")
ONNX_ARTIFACT = Artifact("exported student", StudentError, "export the student again")


def write_hashes(folder: Path) -> None:
    """Write the hash of every file below a folder into its `hashes.json`.

    Call after all other writes.
    """
    (folder / HASHES).unlink(missing_ok=True)
    (folder / HASHES).write_text(_text(file_hashes(folder)), "utf-8")


def _text(files: dict[str, str]) -> str:
    """Return the text of `hashes.json`: the hashes, and a hash over all of them."""
    content = {"format": FORMAT, "id": content_hash(files), "files": files}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def file_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 hash of every file below a folder, by its path in the folder."""
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in _files(folder)}


def check_hashes(folder: Path, artifact: Artifact) -> None:
    """Refuse a folder in which a file is missing, altered or foreign.

    Documents (a card, pictures, a licence) and hidden files may differ, since no loader reads them.
    The folder may contain a folder with hashes of its own (an export), or a copy of a frozen
    encoder.
    """
    if not folder.is_dir():
        raise artifact.refuse(folder, "missing")
    expected = _expected(folder, artifact)
    for name, digest in expected.items():
        path = folder / name
        if _is_document(path):
            continue
        if not path.is_file():
            raise artifact.refuse(path, "missing")
        if _sha256(path) != digest:
            raise artifact.refuse(path, "cut or altered since it was written")
    inside = {str(parent) for name in expected for parent in PurePosixPath(name).parents}
    for path in _files(folder):
        place = path.relative_to(folder)
        if place.as_posix() in expected or place.as_posix() == HASHES or _is_document(path):
            continue
        if not _stands_apart(folder, place, inside):
            raise artifact.error(
                f"{path}: not a file of this {artifact.noun}; remove it, or {artifact.remedy}"
            )


def _expected(folder: Path, artifact: Artifact) -> dict[str, str]:
    path = folder / HASHES
    if not path.is_file():
        raise artifact.refuse(path, "missing")
    try:
        if path.stat().st_size > _BYTES:
            raise ValueError("too large")
        text = path.read_text("utf-8")
        content: Any = json.loads(text)
    except (OSError, ValueError, RecursionError):
        raise artifact.refuse(path, "cut or altered: not JSON") from None
    if isinstance(content, dict) and content and "files" not in content and "format" not in content:
        raise artifact.refuse(
            path, "of an earlier version of synthkd, whose hashes leave files out"
        )
    if (
        not isinstance(content, dict)
        or set(content) != {"format", "id", "files"}
        or content["format"] != FORMAT
    ):
        raise artifact.refuse(path, f"cut or altered: not hashes of format {FORMAT}")
    files = content["files"]
    if (
        not isinstance(files, dict)
        or len(files) > _FILES
        or not all(map(_is_entry, files, files.values()))
    ):
        raise artifact.refuse(
            path, "cut or altered: `files` must map paths inside the folder to SHA-256"
        )
    if text != _text(files):
        raise artifact.refuse(path, "cut or altered since it was written")
    return dict(files)


def _is_entry(name: str, digest: Any) -> bool:
    parts = PurePosixPath(name).parts
    inside = bool(parts) and not name.startswith("/") and not set(parts) & {"..", "."}
    return inside and not set(name) & set("\\:\0") and isinstance(digest, str) and len(digest) == 64


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder in order, without hidden ones.

    A link to a folder counts as a file.
    """
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and (path.is_file() or path.is_symlink() or not path.is_dir()):
            yield path


def _is_document(path: Path) -> bool:
    return path.suffix.lower() in _DOCUMENTS or path.name.upper().startswith(_NAMED_DOCUMENTS)


def _stands_apart(folder: Path, name: Path, inside: set[str]) -> bool:
    """Tell if a file is in a folder with its own hashes, or in the copy of an encoder."""
    for parent in [name, *name.parents]:
        if parent.as_posix() in (".", *inside) or not (folder / parent).is_dir():
            continue
        if parent.name == ENCODER or (folder / parent / HASHES).is_file():
            return True
    return False


def _sha256(path: Path) -> str:
    return sha256_hash(path) if path.is_file() else ""
