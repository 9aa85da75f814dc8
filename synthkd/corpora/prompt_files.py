"""The templates and relations of a corpus as files, made of its manifest alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import yaml

from synthkd.storage import PROMPTS_FOLDER


def prompt_files(manifest: dict[str, Any]) -> dict[str, str]:
    """Return the text of each file by its path in the corpus: those of every step.

    A template lies beside what it includes, so that `load_prompt` reads it there.
    """
    files: dict[str, str] = {}
    for step in manifest.get("steps") or ():
        files |= _files(step, f"{PROMPTS_FOLDER}/{step['step']}")
    return files | _files(manifest, PROMPTS_FOLDER)


def template_path(manifest: dict[str, Any]) -> str | None:
    """Return the path of the (last step's) template in the corpus; None if it is not there."""
    return next((name for name, _ in _templates(manifest, PROMPTS_FOLDER)), None)


def _files(part: dict[str, Any], folder: str) -> dict[str, str]:
    files = dict(_templates(part, folder))
    if relations := part["kind"].get("relations"):
        fields = {
            name: {key: value for key, value in relation.items() if key != "name" and value}
            for name, relation in relations.items()
        }
        files[f"{folder}/relations.yaml"] = yaml.safe_dump(
            fields, sort_keys=False, allow_unicode=True
        )
    return files


def _templates(part: dict[str, Any], folder: str) -> Iterator[tuple[str, str]]:
    """Yield the template, then what it includes."""
    prompt = part.get("prompt") or {}
    if "text" not in prompt:
        return
    included = prompt.get("includes") or {}
    own = PurePosixPath(str(prompt["name"])).name.removesuffix(".j2") or "template"
    while f"{own}.j2" in included:
        own += "-template"
    yield f"{folder}/{own}.j2", prompt["text"]
    for name, text in included.items():
        yield f"{folder}/{name}", text
