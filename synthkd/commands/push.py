"""`synthkd push`: send a corpus, a student or a critic to the Hugging Face hub, after a gate."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from synthkd import safeyaml
from synthkd.corpora.card import CARD
from synthkd.corpora.read import Corpus, load_corpus
from synthkd.corpora.write import MANIFEST
from synthkd.errors import InputError, StorageError, UserError, require_extra
from synthkd.secrets import mask_tokens
from synthkd.storage import CORPUS_FOLDER, CRITIC_FOLDER, MARK, STUDENT_FOLDER, FolderKind
from synthkd.storage.marks import DESKTOP_FILES, list_files

#: Texts of a folder that are searched for addresses, paths and keys.
_TEXTS = frozenset({".md", ".json", ".svg", ".txt"})
_PRIVATE = re.compile(
    r"https?://(?:localhost|private-host|127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|\[)"
)
_PATH = re.compile(
    r"(?<![\w/.:$}~*-])(?:/(?:home|Users|root|tmp|mnt|srv|opt|var|work)/[\w.-]+|[A-Z]:\\)"
)
#: Ends of the names of environment variables that hold secrets, and the fewest characters of one.
_SECRET_NAMES, _SHORTEST = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD"), 8
#: Fields of a dataset card's head without which a corpus is not sent.
_NEEDED = {
    "license": "corpus.license", "language": "corpus.language", "task_categories": "",
    "size_categories": "", "configs": "", "dataset_info": "",
}  # fmt: skip
_REJECTED = "rejected"


class PushRefusedError(UserError):
    """The gate refuses a folder."""


@dataclass(frozen=True)
class Pushed:
    """Record of what a push sent.

    Attributes:
        repository: Name of the repository.
        kind: ``dataset`` or ``model``.
        revision: The commit that holds the files.
        files: Number of files of the folder.
        rejected: What was sent to the repository of rejected rows, if they were split off.
    """

    repository: str
    kind: str
    revision: str
    files: int
    rejected: Pushed | None = None


def push(
    path: Path, repository: str, private: bool = False, split_rejected: bool = False
) -> Pushed:
    """Send a folder to a repository in one commit, which readers find whole or not at all.

    A push that was cut short is resumed: large files that have arrived are not sent again.

    Args:
        path: The folder of a corpus, a student or a critic.
        repository: ``OWNER/NAME``; made if it is not there.
        private: Make a new repository private.
        split_rejected: Send the rejected rows of a corpus to a repository of their own,
            ``OWNER/NAME-rejected``.

    Raises:
        PushRefusedError: The gate found something; every problem is named.
        InputError: The folder is none of these.
        StorageError: The hub refuses or cannot be reached.
    """
    require_extra("synthkd push", "hub", "huggingface_hub")
    kind = _kind_of(path)
    if split_rejected and kind is not CORPUS_FOLDER:
        raise InputError(f"{path}: a {kind.name} has no rejected rows to split off")
    if problems := list(gate(path)):
        shown = "; ".join(problems)
        raise PushRefusedError(f"{path}: not sent: {shown}")
    files: dict[str, Path | bytes] = {
        name: path / name
        for name in list_files(path)
        if name.rpartition("/")[2] not in {*DESKTOP_FILES, MARK} and not name.endswith("/")
    }
    if kind is not CORPUS_FOLDER:
        return _send(repository, "model", private, files)
    rejected = None
    if split_rejected:
        own = {name: file for name, file in files.items() if name.startswith(f"data/{_REJECTED}-")}
        files = {name: file for name, file in files.items() if name not in own}
        card = (path / CARD).read_text("utf-8")
        own[CARD] = _rejected_card(card, repository).encode()
        files[CARD] = _without_rejected(card, repository).encode()
        rejected = _send(f"{repository}-{_REJECTED}", "dataset", private, own)
    done = _send(repository, "dataset", private, files)
    return Pushed(done.repository, done.kind, done.revision, done.files, rejected)


def _kind_of(path: Path) -> FolderKind:
    for name, kind in (
        (MANIFEST, CORPUS_FOLDER), ("student.json", STUDENT_FOLDER), ("facts.json", CRITIC_FOLDER),
    ):  # fmt: skip
        if (path / name).is_file():
            if foreign := kind.find_foreign(path):
                raise InputError(f"{path}: no {kind.name} alone: it {foreign}; remove that first")
            return kind
    raise InputError(f"{path}: neither a corpus, nor a student, nor a critic")


# The gate


def gate(path: Path) -> Iterator[str]:
    """Yield what stands against publishing a folder, each in a line with its remedy.

    A corpus needs a complete card, an outcome for every row, and a guarantee that was not
    withdrawn; no text of any folder may name a private address, a path of this machine or a key.
    """
    if (path / MANIFEST).is_file():
        yield from _corpus_problems(load_corpus(path))
    elif not _head(path):
        yield f"{CARD} has no head; write the card again (train again, or add one)"
    yield from _private_texts(path)


def _corpus_problems(corpus: Corpus) -> Iterator[str]:
    try:
        corpus.verify()
    except InputError as error:
        yield str(error)
        return
    head = _head(corpus.path)
    for name, key in _NEEDED.items():
        if not head.get(name):
            remedy = f"set {key} in the recipe" if key else "publish the corpus again"
            yield f"the card has no {name} ({remedy} and run `synthkd publish`)"
    critic = corpus.manifest.get("critic") or {}
    if critic.get("guarantee") == "withdrawn" and not critic.get("publish_anyway"):
        yield "the critic's guarantee was withdrawn: rows differ from those it was calibrated on"
    yield from _rows_without_outcome(corpus)


def _rows_without_outcome(corpus: Corpus) -> Iterator[str]:
    counts = corpus.manifest["counts"]
    wanted = {
        "accepted": counts["accepted"],
        "rejected": sum(counts["rejected"].values()) + counts.get("malformed", 0),
    }
    for split, count in wanted.items():
        files = sorted((corpus.path / "data").glob(f"{split}-*.parquet"))
        there = sum(pq.read_metadata(file).num_rows for file in files)
        if there != count:
            yield f"{there:,} {split} rows, and {count:,} in the manifest; publish the corpus again"
    for batch in corpus.batches("rejected", ["rejected_by"]):
        if missing := batch.num_rows - pc.count(batch.column(0)).as_py():
            yield f"{missing:,} rejected rows without an outcome; publish the corpus again"
            return


def _private_texts(path: Path) -> Iterator[str]:
    """Name files whose text has a private address, a path of this machine or a key."""
    secrets = [
        value
        for name, value in os.environ.items()
        if name.endswith(_SECRET_NAMES) and len(value) >= _SHORTEST
    ]
    own = {str(Path.home()), socket.gethostname(), str(path.resolve().parent)} - {"/", ""}
    for name in list_files(path):
        file = path / name
        if file.suffix not in _TEXTS or not file.is_file():
            continue
        text = file.read_text("utf-8", "replace")
        found = _PRIVATE.search(text) or _PATH.search(text)
        if found:
            yield f"{name} names {found[0]!r}, a place of this machine or its network"
        elif any(place in text for place in own if len(place) > 4):
            yield f"{name} names a folder or the host of this machine"
        if any(value in text for value in secrets) or mask_tokens(text) != text:
            yield f"{name} holds a key"


def _head(path: Path) -> dict[str, Any]:
    """Return the head of a folder's card; empty without one."""
    try:
        head, _ = _parts((path / CARD).read_text("utf-8"))
    except (OSError, safeyaml.YamlError):
        return {}
    return head


def _parts(card: str) -> tuple[dict[str, Any], str]:
    match = re.match(r"---\n(.*?)^---\n?", card, re.DOTALL | re.MULTILINE)
    head = safeyaml.load_yaml(match[1]) if match else {}
    return (head if isinstance(head, dict) else {}), card[match.end() :] if match else card


# Rejected rows in a repository of their own


def _without_rejected(card: str, repository: str) -> str:
    head, body = _parts(card)
    for part in ("configs", "dataset_info"):
        head[part] = [one for one in head[part] if one["config_name"] != _REJECTED]
    return f"{_head_text(head)}\n\nRejected rows: `{repository}-{_REJECTED}`.\n{body}"


def _rejected_card(card: str, repository: str) -> str:
    head, _ = _parts(card)
    for part in ("configs", "dataset_info"):
        head[part] = [
            {**one, "config_name": "default"}
            for one in head[part]
            if one["config_name"] == _REJECTED
        ]
    head["pretty_name"] = f"{head.get('pretty_name', repository)}: rejected rows"
    return (
        f"{_head_text(head)}\n\n# Rejected rows of `{repository}`\n\nEach row has the name of what"
        " rejected it in `rejected_by`, and why in `reason`.\n"
    )


def _head_text(head: Mapping[str, Any]) -> str:
    return f"---\n{yaml.safe_dump(dict(head), sort_keys=False, allow_unicode=True)}---"


# The hub


def _send(repository: str, kind: str, private: bool, files: Mapping[str, Path | bytes]) -> Pushed:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    api = HfApi(library_name="synthkd")
    try:
        name = api.create_repo(repository, repo_type=kind, private=private, exist_ok=True).repo_id
        there = set(api.list_repo_files(name, repo_type=kind))
        stale = sorted(one for one in there - files.keys() if _is_ours(one))
        adds = [
            CommitOperationAdd(one, file if isinstance(file, bytes) else str(file))
            for one, file in sorted(files.items())
        ]
        # Large files first and each by itself: what has arrived is not sent again.
        api.preupload_lfs_files(name, adds, repo_type=kind)
        done = api.create_commit(
            name,
            [*adds, *(CommitOperationDelete(one) for one in stale)],
            commit_message="synthkd push",
            repo_type=kind,
        )
    except HFValidationError as error:
        raise InputError(f"{repository}: no name of a repository: {error}") from None
    except (HfHubHTTPError, OSError, RuntimeError) as error:
        # The client tells of a large file that did not arrive by a RuntimeError.
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise StorageError(
            f"{repository}: the hub did not take it ({mask_tokens(reason)}); the same command"
            " resumes; `hf auth login` or HF_TOKEN gives the right to write"
        ) from None
    return Pushed(name, kind, str(done.oid), len(files))


def _is_ours(name: str) -> bool:
    """Tell if a file of the repository is of an earlier push, rather than the owner's own."""
    return bool(
        re.fullmatch(r"(data|provenance|prompts)/.+|lineage\.parquet|(steps|flow)\.svg", name)
    )
