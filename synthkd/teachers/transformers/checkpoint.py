"""Checkpoints of local models: where they are, which version they are, and why they do not load."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from synthkd.errors import RecipeError, TeacherError
from synthkd.keys import content_hash, file_hash

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart

#: Name of the embedded teacher: the checkpoint that is shipped with synthkd.
EMBEDDED = "synthkd/everyday"
#: Files of a checkpoint that decide what the model answers.
_FILES = (
    "*.safetensors",
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "chat_template*",
    "vocab*",
    "merges*",
)
#: Name of a GGUF file on the hub.
_HUB_FILE = re.compile(r"(?P<repository>[\w.-]+(?:/[\w.-]+)?):(?P<file>[\w./-]+\.gguf)")


@dataclass(frozen=True)
class HubFile:
    """A GGUF file on the hub, written ``repository:file``."""

    repository: str
    file: str

    def __str__(self) -> str:
        return f"{self.repository}:{self.file}"


#: The folder or GGUF file of a checkpoint; or a hub name or a file on the hub.
Model = Path | str | HubFile


def resolve_model(model: str | None, folder: Path) -> Model:
    """Return the folder or GGUF file of a checkpoint; what is no such place is on the hub.

    Args:
        model: `teacher.model`: a folder, a GGUF file, a hub name, ``HUB-NAME:FILE.gguf`` or the
            embedded teacher's name.
        folder: The recipe's folder, from which relative paths start.
    """
    if not model:
        raise RecipeError(f"teacher.model: name a checkpoint folder, a hub name, or {EMBEDDED}")
    if model == EMBEDDED:
        return Path(__file__).parents[1] / "everyday"
    path = (folder / model).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise TeacherError(
                f"{path}: no config.json in this folder; a transformers checkpoint has one"
            )
        return path
    if path.is_file():
        if path.suffix.lower() != ".gguf":
            raise TeacherError(f"{path}: not a GGUF file; give one, or the folder of a checkpoint")
        return path
    if found := _HUB_FILE.fullmatch(model):
        return HubFile(found["repository"], found["file"])
    if model.startswith((".", "/", "~")) or model.lower().endswith(".gguf"):
        raise TeacherError(f"{path}: no such checkpoint folder or GGUF file")
    return model


def model_version(model: Model, revision: str | None) -> str:
    """Return the content hash of a checkpoint folder or file, or the revision of a hub name."""
    if isinstance(model, Path) and model.is_file():
        return content_hash({model.name: file_hash(model)})
    if isinstance(model, Path):
        files = sorted({file for pattern in _FILES for file in model.glob(pattern)})
        return content_hash({file.name: file_hash(file) for file in files})
    return revision or "main"


def asked_dtype(part: TeacherPart) -> str:
    """Return `teacher.dtype`; the embedded teacher computes in float32, though stored in half."""
    return "float32" if part.dtype == "auto" and part.model == EMBEDDED else part.dtype


def published_dtype(model: Model, asked: str) -> str:
    """Return the number type in the name of who answers.

    It is the same on all machines: ``auto`` stays so for a model in half precision, whose samples
    may have been computed in either type.

    Args:
        model: The checkpoint.
        asked: The type by `asked_dtype`.
    """
    if asked != "auto" or not isinstance(model, Path) or model.is_file():
        return asked
    try:
        config = json.loads((model / "config.json").read_text("utf-8"))
        stored = str(config.get("dtype") or config.get("torch_dtype") or "float32")
    except (OSError, ValueError, AttributeError):
        # Loading tells what is wrong with the file.
        return asked
    return asked if "16" in stored else "float32"


def load_error(error: Exception, model: Model) -> TeacherError:
    """Return the error for a model that cannot be loaded."""
    lines = str(error).strip().splitlines()
    return TeacherError(
        f"cannot load {model}: {lines[0] if lines else type(error).__name__}; give a folder that"
        " holds a checkpoint, a whole GGUF file, or a hub name"
    )
