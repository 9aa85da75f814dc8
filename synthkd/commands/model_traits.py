"""Facts about a model before it is loaded: its place, its size, and its chat template."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

from synthkd.errors import InputError

#: Parameters below which a model counts as small: it follows instructions badly.
SMALL = 1e9
#: Numbers of parameters in names: `135M`, `1.7B`, `8x7B`.
_SIZE = re.compile(r"(?<![\w.])(?:(\d+)x)?(\d+(?:\.\d+)?)\s?([BM])(?![A-Za-z0-9])", re.IGNORECASE)
_CHAT = re.compile(r"(?:^|[-_.])(?:instruct|chat|it|sft|dpo|assistant)(?:[-_.]|$)", re.IGNORECASE)
_BASE = re.compile(r"(?:^|[-_.])(?:base|pt)(?:[-_.]|$)", re.IGNORECASE)
_HUB = re.compile(r"[\w.-]+/[\w.-]+(?::[\w./-]+\.gguf)?")
_TEMPLATES = ("chat_template.jinja", "chat_template.json")
#: Bytes of a header of safetensors or a configuration of a tokenizer, at most.
_LARGEST = 100 << 20


@dataclass(frozen=True)
class ModelTraits:
    """Facts that names and files tell about a model.

    Attributes:
        model: The model as it was named.
        path: The folder or file of a local model, or of a hub model in the cache of this machine.
        is_local: True for a model that this machine runs, rather than a server.
        is_gguf: True for a GGUF file.
        parameters: Number of parameters; None if unknown.
        has_chat_template: None if unknown.
    """

    model: str
    path: Path | None
    is_local: bool
    is_gguf: bool
    parameters: float | None
    has_chat_template: bool | None


def model_traits(model: str) -> ModelTraits:
    """Return what is known of a model. Nothing is downloaded.

    Args:
        model: A folder, a GGUF file, a hub name (with a slash), or the name of a served model.

    Raises:
        InputError: A path at which there is nothing, or no checkpoint.
    """
    is_gguf = model.lower().endswith(".gguf")
    path = _local_path(model, is_gguf) or (None if is_gguf else _cached(model))
    is_local = path is not None or bool(_HUB.fullmatch(model))
    folder = path if path is not None and path.is_dir() else None
    name = model.rstrip("/").replace(":", "/").rpartition("/")[2]
    size = (_parameters(folder) if folder else None) or size_in_name(name)
    chat = _has_chat_template(folder) if folder else _chat_in_name(name)
    return ModelTraits(model, path, is_local, is_gguf, size, chat)


def _local_path(model: str, is_gguf: bool) -> Path | None:
    """Return the folder or GGUF file of this name; None for a name of another place."""
    try:
        path = Path(model).expanduser()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, ValueError, RuntimeError):
        raise InputError(f"{model[:100]!r}: neither a path nor the name of a model") from None
    if is_folder:
        if not (path / "config.json").is_file():
            raise InputError(f"{model}: no config.json in this folder; a checkpoint has one")
    elif is_file:
        if not is_gguf:
            raise InputError(f"{model}: not a GGUF file; give one, or the folder of a checkpoint")
    elif not model.strip() or model.startswith((".", "/", "~")) or (is_gguf and ":" not in model):
        raise InputError(f"{model or '--model'}: no such folder or file of a model")
    else:
        return None
    return path


def size_in_name(name: str) -> float | None:
    """Return the number of parameters that a name tells, the first if there are several."""
    match = _SIZE.search(name.replace("_", "-"))
    if match is None:
        return None
    return int(match[1] or 1) * float(match[2]) * (1e9 if match[3] in "bB" else 1e6)


def _chat_in_name(name: str) -> bool | None:
    return True if _CHAT.search(name) else False if _BASE.search(name) else None


def _has_chat_template(folder: Path) -> bool:
    if any((folder / name).is_file() for name in _TEMPLATES):
        return True
    return bool(_object(folder / "tokenizer_config.json").get("chat_template"))


def _object(path: Path) -> dict[str, object]:
    """Return the object in a JSON file; an empty one where there is none to read."""
    try:
        value = json.loads(path.read_text("utf-8")) if path.stat().st_size < _LARGEST else None
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _parameters(folder: Path) -> float | None:
    """Return the number of values in a checkpoint's safetensors; only their headers are read."""
    total = 0
    for file in folder.glob("*.safetensors"):
        try:
            with file.open("rb") as stream:
                length = int.from_bytes(stream.read(8), "little")
                header = json.loads(stream.read(length)) if length < _LARGEST else {}
            total += sum(
                math.prod(tensor["shape"]) for name, tensor in header.items() if name[:2] != "__"
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            # The backend tells what is wrong with the file.
            return None
    return float(total) or None


def _cached(model: str) -> Path | None:
    """Return the folder of a hub model in the cache of this machine."""
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return None
    try:
        found = try_to_load_from_cache(model, "config.json")
    except (HFValidationError, OSError):
        return None
    return Path(found).parent if isinstance(found, str) else None
