"""Frozen vectors of texts: an encoder is loaded once for a process, and each text encoded once for all students."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthkd.artifacts.folder import STUDENT
from synthkd.encoders import load as models
from synthkd.encoders.classifier_checkpoint import load_encoder, longest
from synthkd.encoders.fields import readable
from synthkd.encoders.frozen import Vectors
from synthkd.encoders.reference import EncoderName
from synthkd.students.base import Floats

#: By name, state of its files, length and device.
_LOADED: dict[tuple[Any, ...], Vectors] = {}


def named_vectors(
    reference: EncoderName, folder: Path, given: str | None, max_length: int | None, device: str | None
) -> tuple[Vectors, str]:
    """The vectors of the encoder that a student's folder names, compared by content, and where it was found."""
    for place in reference.candidates(folder, given, STUDENT):
        vectors = vectors_of(place, max_length, device, local=given is None)
        if vectors.content == reference.sha256:
            return vectors, place
    raise AssertionError("candidates end with an error")


def vectors_of(name: str, max_length: int | None, device: str | None, local: bool = False) -> Vectors:
    """The vectors of an encoder by folder or hub name. Raises `StudentError` for what is no encoder with safetensors.

    ``local``: a hub name is read from the cache of this machine and not looked up.
    """
    device = models.pick_device(device)
    key = (name, _state(Path(name)), max_length, device)
    if key not in _LOADED:
        model, tokenizer = load_encoder(name, local=local)
        _LOADED.clear()  # one encoder at a time is in memory
        length = longest(model, tokenizer, max_length)
        content = models.content_hash(model, tokenizer)
        _LOADED[key] = Vectors(model, tokenizer, length, device, content)
    return _LOADED[key]


def encode(vectors: Vectors, texts: Sequence[str]) -> Floats:
    """(n, d) unit vectors, each text encoded once in a process."""
    return vectors.of(readable(vectors.tokenizer, texts))


def _state(folder: Path) -> tuple[Any, ...]:
    """Which files of which time a folder has: an encoder that was trained again is another."""
    if not folder.is_dir():
        return ()
    return tuple((path.name, path.stat().st_mtime_ns) for path in sorted(folder.glob("*.safetensors")))
