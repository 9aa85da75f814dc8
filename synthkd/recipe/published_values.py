"""Values as a published file may hold them.

Published values have no absolute path, and no name of a user, a folder or a private machine.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from synthkd.secrets import is_private

#: Stands for the host of an address that only means something in one's own network.
PRIVATE_HOST = "private-host"
#: Keys whose values are paths, or may be.
_PATH_KEYS = frozenset(
    [
        "path",
        "journal",
        "work",
        "ca_file",
        "python",
        "template",
        "labels",
        "model",
        "encoder",
        "relations",
        "taxonomy",
        "reference",
        "embedder",
        "base",
        "tokenizer",
        "folder",
        "checkpoint",
        "file",
    ]
)
#: An absolute path in a longer text, such as an identity or a message: two names at least, so that
#: `/v1` is none.
_WITHIN = re.compile(r"(?<![\w/.$}~*-])(?:file://)?(/[^\s/:@,;'\"`()\[\]{}<>|]+){2,}/?")
_WINDOWS = re.compile(r"(?:[A-Za-z]:[\\/]|\\\\)")
#: An address in an identity, with the colon that ends it there.
_ADDRESS = re.compile(
    r"\b[a-z][a-z0-9+.-]*://(?:\[[^\]\s]*\]|[^\s/:'\"]*)(?::\d+)?(?:/[^\s:'\"]*)?:?"
)
_HOST = re.compile(r"(https?://)([^/\s:@'\"]+|\[[^\]\s]+\])")


def published(value: Any, folder: Path, key: str = "") -> Any:
    """Return a tree of mappings, lists and texts without information on this machine.

    Args:
        value: The value to publish.
        folder: The recipe's folder; paths within it are given from there.
        key: The key at which the value stands.
    """
    if isinstance(value, dict):
        return {name: published(inner, folder, str(name)) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [published(inner, folder, key) for inner in value]
    if not isinstance(value, str):
        return value
    if _is_absolute(value) and (key in _PATH_KEYS or _looks_like_a_path(value)):
        return published_path(value, folder)
    return published_text(value, folder)


def published_path(text: str, folder: Path) -> str:
    """Return a path relative to the recipe's folder; the name of an absolute path outside.

    Relative paths, and paths that begin with `~/` or a variable, stay as they were written.
    """
    if not _is_absolute(text):
        return text
    plain = text.removeprefix("file://")
    if _WINDOWS.match(plain):
        return PureWindowsPath(plain).name or "path"
    if not plain.startswith("~"):
        # As it was written first: a link within the folder may lead elsewhere.
        for path in (os.path.normpath(plain), os.path.realpath(plain)):
            for root in _spellings(folder):
                if PurePosixPath(path).is_relative_to(root):
                    return PurePosixPath(path).relative_to(root).as_posix()
    return PurePosixPath(plain).name or "path"


def published_text(text: str, folder: Path) -> str:
    """Shorten absolute paths in a text, and leave out private hosts of addresses."""
    for root in sorted(_spellings(folder), key=len, reverse=True):
        if len(root) > 1:
            text = re.sub(rf"{re.escape(root)}(?:/(?=\S)|(?![\w.-]))", "", text)
    text = _WITHIN.sub(lambda match: PurePosixPath(match[0]).name, text)
    for home in {str(Path.home()), os.path.realpath(Path.home())} if "HOME" in os.environ else ():
        if len(home) > 1:
            text = text.replace(home + "/", "~/")
    return _HOST.sub(
        lambda match: match[1] + (PRIVATE_HOST if is_private(match[2].strip("[]")) else match[2]),
        text,
    )


def without_addresses(text: str) -> str:
    """Leave out the addresses of a text, such as the server in a teacher's identity."""
    return _ADDRESS.sub("", text)


def _is_absolute(text: str) -> bool:
    return text.startswith(("/", "file://")) or bool(
        re.match(r"~[^/\s]+(/|$)", text) or _WINDOWS.match(text)
    )


def _looks_like_a_path(text: str) -> bool:
    """Tell whether a text of any field is an absolute path: `/no_think` is none."""
    if _WINDOWS.match(text) or text.startswith(("file://", "~")):
        return "\n" not in text
    return "\n" not in text and len(PurePosixPath(text).parts) > 2


def _spellings(folder: Path) -> set[str]:
    return {str(folder), os.path.realpath(folder)}


def public_name(text: str | Path) -> str:
    """Return the last part of a path of this machine; another text unchanged."""
    path = Path(text).expanduser()
    is_path = isinstance(text, Path) or path.is_absolute() or text.startswith(("./", "../"))
    try:
        is_path = is_path or path.exists()
    except (OSError, ValueError):
        is_path = False
    return (path.name or path.resolve().name) if is_path else str(text)
