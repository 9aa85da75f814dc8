"""Embed texts with a frozen encoder; each text is encoded once in a process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synthkd.artifacts.folder import STUDENT_ARTIFACT
from synthkd.encoders.batches import TextPair, TokenizedTexts, tokenizable_texts
from synthkd.encoders.device import pick_device
from synthkd.encoders.forward import Floats, mean_pool
from synthkd.encoders.load import (
    encoder_hash,
    load_classifier_encoder,
    load_transformer,
    max_text_length,
    usable_length,
)
from synthkd.encoders.reference import EncoderReference

#: Texts whose vectors stay in memory. Above this, vectors that a call does not need are dropped.
CACHED_TEXTS = 100_000
#: Vectors by encoder, length and device: cross-fitting trains many heads on one encoder.
_CACHE: dict[str, dict[str, Any]] = {}


class FrozenEncoder:
    """A frozen encoder that gives texts unit vectors: the normalised mean of the last layer.

    Attributes:
        model: The transformers model, on `device`.
        tokenizer: Its tokenizer.
        max_length: Tokens that are read of a text.
        device: The device.
        sha256: The hash of weights and tokenizer (`encoder_hash`).
    """

    def __init__(
        self, model: Any, tokenizer: Any, max_length: int, device: str, sha256: str
    ) -> None:
        self.model, self.tokenizer = model.to(device), tokenizer
        self.max_length, self.device, self.sha256 = max_length, device, sha256
        self._vectors = _CACHE.setdefault(f"{sha256}:{max_length}:{device}", {})

    @classmethod
    def load(cls, name: str, max_length: int, device: str | None = None) -> FrozenEncoder:
        """Load an encoder by folder or hub name; `max_length` is cut to what the encoder reads.

        Raises:
            CriticError: The checkpoint cannot be loaded.
        """
        model, tokenizer = load_transformer(name)
        length = usable_length(model, tokenizer, max_length)
        return cls(model, tokenizer, length, pick_device(device), encoder_hash(model, tokenizer))

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return (n, d) unit vectors; encode only texts without a vector in memory."""
        texts = tokenizable_texts(self.tokenizer, texts)
        new = sorted({text for text in texts if text not in self._vectors})
        if len(self._vectors) + len(new) > CACHED_TEXTS:
            for text in set(self._vectors) - set(texts):
                del self._vectors[text]
        self._vectors.update(zip(new, self._encode(new), strict=True))
        return np.array([self._vectors[text] for text in texts], dtype=np.float64)

    def _encode(self, texts: list[str]) -> list[Any]:
        import torch

        pairs: list[TextPair] = [(text, None) for text in texts]
        tokenized = TokenizedTexts(self.tokenizer, pairs, self.max_length)
        vectors: list[Any] = [None] * len(texts)
        with torch.inference_mode():
            for batch, fields in tokenized.fixed_shape_batches(self.device):
                mean = mean_pool(self.model, fields)
                unit = torch.nn.functional.normalize(mean, dim=1).cpu().numpy()
                for row, vector in zip(batch, unit[: len(batch)], strict=True):
                    vectors[row] = vector
        return vectors


#: The encoder that was loaded last, by name, state of its files, length and device.
_LOADED: dict[tuple[Any, ...], FrozenEncoder] = {}


def load_frozen_encoder(
    name: str, max_length: int | None, device: str | None, local: bool = False
) -> FrozenEncoder:
    """Load the frozen encoder of a student, or return the loaded one if its files are unchanged.

    Args:
        name: A folder, or a model of the hub.
        max_length: Tokens of a text (see `max_text_length`).
        device: The device (see `pick_device`).
        local: Read a hub model from this machine's cache only.

    Raises:
        StudentError: The checkpoint is no encoder with safetensors.
    """
    device = pick_device(device)
    key = (name, _file_times(Path(name)), max_length, device)
    if key not in _LOADED:
        model, tokenizer = load_classifier_encoder(name, local=local)
        _LOADED.clear()  # one encoder at a time is in memory
        length = max_text_length(model, tokenizer, max_length)
        _LOADED[key] = FrozenEncoder(
            model, tokenizer, length, device, encoder_hash(model, tokenizer)
        )
    return _LOADED[key]


def load_referenced_encoder(
    reference: EncoderReference,
    folder: Path,
    given: str | None,
    max_length: int | None,
    device: str | None,
) -> tuple[FrozenEncoder, str]:
    """Load the frozen encoder that a student's folder names, and return where it was found.

    The arguments are those of `load_referenced` and `load_frozen_encoder`.
    """
    for place in reference.candidates(folder, given, STUDENT_ARTIFACT):
        encoder = load_frozen_encoder(place, max_length, device, local=given is None)
        if encoder.sha256 == reference.sha256:
            return encoder, place
    raise AssertionError("candidates end with an error")


def _file_times(folder: Path) -> tuple[Any, ...]:
    """Return names and times of a folder's weights, which training the encoder again changes."""
    if not folder.is_dir():
        return ()
    return tuple(
        (path.name, path.stat().st_mtime_ns) for path in sorted(folder.glob("*.safetensors"))
    )
