"""Embed texts with a frozen encoder; each text is encoded once in a process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synthkd.artifacts.folder import STUDENT_ARTIFACT
from synthkd.encoders import load as models
from synthkd.encoders.batches import TokenizedTexts, tokenizable_texts
from synthkd.encoders.load import load_classifier_encoder, max_text_length
from synthkd.encoders.reference import EncoderReference

Floats = np.ndarray[Any, np.dtype[np.float64]]
#: Texts whose vectors are kept in memory; what is not needed goes when there are more.
KEPT = 100_000
#: Vectors by encoder: cross-fitting trains many heads on one encoder, and each text is encoded once for all.
_SHARED: dict[str, dict[str, Any]] = {}


class FrozenEncoder:
    """Texts to unit vectors: the mean of the last layer over a text's tokens."""

    def __init__(self, model: Any, tokenizer: Any, max_length: int, device: str, content: str) -> None:
        self.model, self.tokenizer = model.to(device), tokenizer
        self.max_length, self.device, self.content = max_length, device, content
        self._known = _SHARED.setdefault(f"{content}:{max_length}:{device}", {})

    def of(self, texts: Sequence[str]) -> Floats:
        """(n, d) vectors; a text that was met before is not encoded again."""
        new = sorted({text for text in texts if text not in self._known})
        if len(self._known) + len(new) > KEPT:
            for text in set(self._known) - set(texts):
                del self._known[text]
        self._known.update(zip(new, self._encode(new), strict=True))
        return np.array([self._known[text] for text in texts], dtype=np.float64)

    def _encode(self, texts: list[str]) -> Any:
        import torch

        encoded = TokenizedTexts(self.tokenizer, [(text, None) for text in texts], self.max_length)
        found: list[Any] = [None] * len(texts)
        with torch.inference_mode():
            for batch, fields in encoded.scoring(self.device):
                states = self.model(**fields).last_hidden_state
                mask = fields["attention_mask"][..., None].to(states.dtype)
                mean = (states * mask).sum(1) / mask.sum(1)
                unit = torch.nn.functional.normalize(mean, dim=1).cpu().numpy()
                for place, vector in zip(batch, unit[: len(batch)], strict=True):
                    found[place] = vector
        return found


#: By name, state of its files, length and device.
_LOADED: dict[tuple[Any, ...], FrozenEncoder] = {}


def load_referenced_encoder(
    reference: EncoderReference, folder: Path, given: str | None, max_length: int | None, device: str | None
) -> tuple[FrozenEncoder, str]:
    """The vectors of the encoder that a student's folder names, compared by content, and where it was found."""
    for place in reference.candidates(folder, given, STUDENT_ARTIFACT):
        vectors = load_frozen_encoder(place, max_length, device, local=given is None)
        if vectors.content == reference.sha256:
            return vectors, place
    raise AssertionError("candidates end with an error")


def load_frozen_encoder(
    name: str, max_length: int | None, device: str | None, local: bool = False
) -> FrozenEncoder:
    """The vectors of an encoder by folder or hub name. Raises `StudentError` for what is no encoder with safetensors.

    ``local``: a hub name is read from the cache of this machine and not looked up.
    """
    device = models.pick_device(device)
    key = (name, _state(Path(name)), max_length, device)
    if key not in _LOADED:
        model, tokenizer = load_classifier_encoder(name, local=local)
        _LOADED.clear()  # one encoder at a time is in memory
        length = max_text_length(model, tokenizer, max_length)
        content = models.encoder_hash(model, tokenizer)
        _LOADED[key] = FrozenEncoder(model, tokenizer, length, device, content)
    return _LOADED[key]


def embed_texts(vectors: FrozenEncoder, texts: Sequence[str]) -> Floats:
    """(n, d) unit vectors, each text encoded once in a process."""
    return vectors.of(tokenizable_texts(vectors.tokenizer, texts))


def _state(folder: Path) -> tuple[Any, ...]:
    """Which files of which time a folder has: an encoder that was trained again is another."""
    if not folder.is_dir():
        return ()
    return tuple((path.name, path.stat().st_mtime_ns) for path in sorted(folder.glob("*.safetensors")))
