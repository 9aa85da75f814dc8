"""Checkpoints of local models: where they are, which version they are, and why they do not load."""

from __future__ import annotations

from pathlib import Path

from synthkd.errors import RecipeError, TeacherError
from synthkd.keys import content_hash, file_hash

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


def resolve_model(model: str | None, folder: Path) -> Path | str:
    """Return the folder of a checkpoint, or the hub name if there is no such folder.

    Args:
        model: `teacher.model`: a folder, a hub name or the embedded teacher's name.
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
    if model.startswith((".", "/", "~")):
        raise TeacherError(f"{path}: no such checkpoint folder")
    return model


def model_version(model: Path | str, revision: str | None) -> str:
    """Return the content hash of a checkpoint folder, or the revision of a hub name."""
    if isinstance(model, Path):
        files = sorted({file for pattern in _FILES for file in model.glob(pattern)})
        return content_hash({file.name: file_hash(file) for file in files})
    return revision or "main"


def load_error(error: Exception, model: Path | str) -> TeacherError:
    """Return the error for a model that cannot be loaded."""
    lines = str(error).strip().splitlines()
    return TeacherError(
        f"cannot load {model}: {lines[0] if lines else type(error).__name__}; give a folder that"
        " holds a checkpoint, or a hub name"
    )
