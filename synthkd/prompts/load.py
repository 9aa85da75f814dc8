"""Find and load prompt templates: files by path; by name those of synthkd and other packages.

A package ships templates with an entry point whose value is the package that holds them:

    [project.entry-points."synthkd.prompts"]
    mypackage = "mypackage.prompts"            `mypackage/definition` is prompts/definition.j2
"""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from pathlib import Path

from synthkd import plugins
from synthkd.errors import PromptError, nearest
from synthkd.prompts.head import split_head
from synthkd.prompts.limits import LimitError
from synthkd.prompts.loader import read_source
from synthkd.prompts.prompt import Prompt
from synthkd.resources import resource


def load_prompt(name: str, folder: Path | None = None) -> Prompt:
    """Load a template.

    Args:
        name: Path of a file, or name of an installed template: a shipped one, such as
            ``triple/everyday``, or `PACKAGE/NAME` of a package with an entry point in
            ``synthkd.prompts``.
        folder: Start of a relative path.

    Raises:
        PromptError: If there is no such template, or it cannot be read.
    """
    path, root, installed = _find(name, folder)
    try:
        text = read_source(path)
    except LimitError as error:
        raise PromptError(str(error)) from None
    except OSError as error:
        raise PromptError(f"{path}: not readable: {error.strerror}") from None
    head, source = split_head(path, text)
    head_lines = text.count("\n") - source.count("\n")
    return Prompt(
        name,
        head,
        source,
        root,
        installed=installed,
        shots=head.shots,
        by=head.by,
        head_lines=head_lines,
        head_text=text[: len(text) - len(source)],
    )


def shipped_prompts() -> list[str]:
    """Return the names of shipped templates, without the parts that these include."""
    root = resource("prompts")
    names = [str(path.relative_to(root).with_suffix("")) for path in root.rglob("*.j2")]
    return sorted(name for name in names if name.count("/") == 1)


@cache
def _package_folder(name: str) -> Path | None:
    """Return the folder of a package of templates, whose code is not run; None without a folder."""
    top, *inside = plugins.installed("prompts")[name].module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place, *inside)
        if folder.is_dir():
            return folder
    return None


def installed_prompts() -> list[str]:
    """Return the names of all templates that a recipe may name without a path."""
    return sorted(
        [
            *shipped_prompts(),
            *(
                f"{prefix}/{path.relative_to(folder).with_suffix('').as_posix()}"
                for prefix in plugins.installed("prompts")
                if (folder := _package_folder(prefix)) is not None
                for path in folder.glob("*.j2")
            ),
        ]
    )


def _installed(name: str) -> tuple[Path, Path] | None:
    """Return the file and the folder of an installed template; None if there is none."""
    if len(name) >= 255:
        return None
    root = resource("prompts")
    prefix, _, inside = name.partition("/")
    places = [(root, name)]
    if prefix in plugins.installed("prompts"):
        if (package := _package_folder(prefix)) is None:
            value = plugins.installed("prompts")[prefix].value
            raise PromptError(
                f"template {name!r}: no folder {value} in the packages of this installation;"
                " is the package whole?"
            )
        places.append((package, inside))
    for folder, file in places:
        path = Path(os.path.normpath(folder / f"{file}.j2"))
        if path.is_relative_to(folder) and path.is_file():
            return path, folder
    return None


def _find(name: str, folder: Path | None) -> tuple[Path, Path, bool]:
    """Find a template.

    Returns:
        Its file, the folder from which it may include others, and True if it is installed.
    """
    if "\0" in name:
        raise PromptError(f"no template {name!r}: a path holds no zero byte")
    try:
        local = ((folder or Path()) / name).expanduser()
        for path in (local, local.with_name(local.name + ".j2")):
            if path.is_file():
                return path, path.parent, False
    except (OSError, ValueError, RuntimeError):
        pass  # Too long for a path, or without a name.
    if (place := _installed(name)) is not None:
        return *place, True
    shown = name if len(name) <= 100 else f"{name[:100]} …"
    raise PromptError(
        f"no template {shown!r}: neither a file nor installed"
        f"{nearest(name[:100], installed_prompts())}"
    )
