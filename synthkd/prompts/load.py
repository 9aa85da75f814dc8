"""Find and load prompt templates: files by path, and those that come with synthkd by name."""

from __future__ import annotations

import os
from pathlib import Path

from synthkd.errors import PromptError, nearest
from synthkd.prompts.head import split_head
from synthkd.prompts.limits import LimitError
from synthkd.prompts.loader import read_source
from synthkd.prompts.prompt import Prompt
from synthkd.resources import resource


def load_prompt(name: str, folder: Path | None = None) -> Prompt:
    """Load a template.

    Args:
        name: Path of a file, or name of a shipped template, such as ``triple/everyday``.
        folder: Start of a relative path.

    Raises:
        PromptError: If there is no such template, or it cannot be read.
    """
    path, root = _find(name, folder)
    try:
        text = read_source(path)
    except LimitError as error:
        raise PromptError(str(error)) from None
    except OSError as error:
        raise PromptError(f"{path}: not readable: {error.strerror}") from None
    head, source = split_head(path, text)
    head_lines = text.count("\n") - source.count("\n")
    return Prompt(name, head, source, root, shots=head.shots, by=head.by, head_lines=head_lines)


def shipped_prompts() -> list[str]:
    """Return the names of shipped templates, without the parts that these include."""
    root = resource("prompts")
    names = [str(path.relative_to(root).with_suffix("")) for path in root.rglob("*.j2")]
    return sorted(name for name in names if name.count("/") == 1)


def _find(name: str, folder: Path | None) -> tuple[Path, Path]:
    """Return the file of a template, and the folder from which it may include others."""
    if "\0" in name:
        raise PromptError(f"no template {name!r}: a path holds no zero byte")
    try:
        local = ((folder or Path()) / name).expanduser()
        for path in (local, local.with_name(local.name + ".j2")):
            if path.is_file():
                return path, path.parent
    except (OSError, ValueError, RuntimeError):
        pass  # Too long for a path, or without a name.
    root = resource("prompts")
    shipped = Path(os.path.normpath(root / f"{name}.j2"))
    if len(name) < 255 and shipped.is_relative_to(root) and shipped.is_file():
        return shipped, root
    shown = name if len(name) <= 100 else f"{name[:100]} …"
    raise PromptError(
        f"no template {shown!r}: neither a file nor shipped{nearest(name[:100], shipped_prompts())}"
    )
