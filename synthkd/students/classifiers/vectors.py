"""Frozen vectors of texts: an encoder is loaded once for a process, and each text encoded once for all students."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthkd.critics.encoder import models
from synthkd.critics.encoder.frozen import Vectors
from synthkd.errors import CriticError, StudentError
from synthkd.students.base import Floats

#: By name, state of its files, length and device.
_LOADED: dict[tuple[Any, ...], Vectors] = {}


def vectors_of(name: str, max_length: int, device: str | None) -> Vectors:
    """The vectors of an encoder by folder or hub name. Raises `StudentError` for what is no encoder with safetensors."""
    device = models.pick_device(device)
    key = (name, _state(Path(name)), max_length, device)
    if key not in _LOADED:
        model, tokenizer = load_encoder(name)
        _LOADED.clear()  # one encoder at a time is in memory
        _LOADED[key] = Vectors(model, tokenizer, max_length, device, models.content_hash(model, tokenizer))
    return _LOADED[key]


def encode(vectors: Vectors, texts: Sequence[str]) -> Floats:
    """(n, d) unit vectors. The empty text has one too: that of the marks around it, or zeros where there are none."""
    return vectors.of([text if text.strip() else " " for text in texts])


def load_encoder(name: str) -> tuple[Any, Any]:
    """Model and tokenizer, in the words of students."""
    try:
        return models.load_model(name)
    except CriticError as error:
        raise StudentError(str(error)) from None


def _state(folder: Path) -> tuple[Any, ...]:
    """Which files of which time a folder has: an encoder that was trained again is another."""
    if not folder.is_dir():
        return ()
    return tuple((path.name, path.stat().st_mtime_ns) for path in sorted(folder.glob("*.safetensors")))
