"""Load encoders from files that cannot run code, and name them by what is in them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from synthkd.artifacts.checkpoint import unsafe_checkpoint
from synthkd.artifacts.folder import Artifact
from synthkd.encoders.reference import EncoderReference
from synthkd.errors import CriticError, StudentError, UserError, require_extra


def require_encoder_extras(feature: str) -> None:
    """Raise MissingExtraError if a package is not installed that an encoder under a critic needs."""
    require_extra(feature, "local", "torch", "transformers")
    require_extra(feature, "critics", "sklearn", "safetensors")


def load_transformer(name: str, own: bool = False, local: bool = False) -> tuple[Any, Any]:
    """Model and tokenizer by folder or hub name: safetensors only, and never code that comes with them.

    ``own``: the checkpoint stands in the folder of a critic or student, and nothing in it may name code. ``local``: a hub
    name is read from the cache of this machine and not looked up.
    """
    from transformers import AutoModel, AutoTokenizer

    folder = Path(name)
    if folder.is_dir():
        if problem := unsafe_checkpoint(folder, own):
            raise CriticError(f"{problem}; save the encoder as safetensors, without code")
    elif folder.is_absolute() or name.startswith("."):
        raise CriticError(f"{name}: no such folder of an encoder; name a folder or a model of the hub")
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False, local_files_only=local)
            model, told = AutoModel.from_pretrained(
                name, trust_remote_code=False, use_safetensors=True, local_files_only=local,
                dtype="float32", output_loading_info=True,
            )  # fmt: skip
    except Exception as error:  # noqa: BLE001 (what a strange checkpoint raises is nowhere declared)
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CriticError(
            f"encoder {name!r} cannot be loaded: {reason}; it must be a transformers model with safetensors"
        ) from None
    # No one reads the pooler here; any other part without weights would be random numbers.
    missing = sorted(key for key in told["missing_keys"] if "pooler" not in key)
    if missing:
        raise CriticError(
            f"encoder {name!r}: {len(missing)} of its weights are not in the checkpoint, {missing[0]} first; its config and"
            " weights do not belong together"
        )
    return model.eval(), tokenizer


def load_referenced(
    reference: EncoderReference, folder: Path, given: str | None, artifact: Artifact
) -> tuple[Any, Any, str]:
    """The encoder that an artefact in ``folder`` was trained on, compared by content, and where it was found.

    ``given``: where the user says that it is. A hub is asked only if the user names one.
    """
    for place in reference.candidates(folder, given, artifact):
        model, tokenizer = load_transformer(place, local=given is None)
        if encoder_hash(model, tokenizer) == reference.sha256:
            return model, tokenizer, place
    raise AssertionError("candidates end with an error")


def usable_length(model: Any, tokenizer: Any, length: int) -> int:
    """Tokens of a text that a model reads, ``length`` at most: what it says of itself is tried once.

    In some families positions start after the padding's, so that fewer tokens can be read than there are positions.
    """
    limit = getattr(model.config, "max_position_embeddings", None)
    most = min(length, tokenizer.model_max_length, *([limit] if isinstance(limit, int) and limit > 0 else []))
    if _reads(model, tokenizer, most):
        return int(most)
    low, high = 1, int(most)  # reads the first, not the second
    after = high - 1 - int(getattr(model.config, "pad_token_id", None) or 0)
    while high - low > 1:
        middle = after if low < after < high else (low + high) // 2
        after = 0
        low, high = (middle, high) if _reads(model, tokenizer, middle) else (low, middle)
    return low


def _reads(model: Any, tokenizer: Any, length: int) -> bool:
    """Can the model, on the CPU, read so many tokens? On an accelerator an index out of range would end the process."""
    import torch

    pad = getattr(model.config, "pad_token_id", None)
    token = next(one for one in range(2 + len(tokenizer)) if one != pad)
    ids = torch.full((1, length), token, device=model.device)
    try:
        with torch.inference_mode():
            model(input_ids=ids, attention_mask=torch.ones_like(ids))
    except (IndexError, RuntimeError):
        return False
    return True


class quiet_transformers:
    """No progress bars, and no report of weights that this use leaves out."""

    def __enter__(self) -> None:
        from transformers.utils import logging

        self._level, self._bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        from transformers.utils import logging

        logging.set_verbosity(self._level)
        if self._bars:
            logging.enable_progress_bar()


def encoder_hash(model: Any, tokenizer: Any) -> str:
    """SHA-256 over the weights by name and over the tokenizer: the same encoder, wherever it was found."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        array = np.ascontiguousarray(tensor.detach().cpu().numpy())
        digest.update(f"{name}{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    digest.update(tokenizer.backend_tokenizer.to_str().encode())
    return digest.hexdigest()


def pick_device(device: str | None) -> str:
    """The accelerator where there is one. Raises `UserError` for a device that is not there."""
    import torch

    if device is not None:
        try:
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError, TypeError) as error:
            reason = str(error).strip().splitlines()[0].rstrip(".")
            raise UserError(
                f"device {device!r}: {reason}; name `cuda` or `cpu`, or leave `device` out"
            ) from None
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def autocast_bf16(device: str, asked: bool | None = None) -> Any:
    """A context that computes in bf16: where ``asked``, and unless refused on accelerators that have it."""
    import torch

    kind = torch.device(device).type
    helps = kind == "cuda" and torch.cuda.is_bf16_supported()
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=helps if asked is None else asked)


#: Tokens of a text where neither the options nor the checkpoint say less.
LENGTH = 128


def load_classifier_encoder(name: str, own: bool = False, local: bool = False) -> tuple[Any, Any]:
    """Model and tokenizer by folder or hub name: safetensors only, no code that comes with them (see `load_model`).

    Raises `StudentError` for a decoder, an encoder-decoder, a tokenizer with more tokens than the model has vectors for.
    """
    try:
        model, tokenizer = load_transformer(name, own, local)
    except CriticError as error:
        raise StudentError(str(error)) from None
    if getattr(model.config, "is_encoder_decoder", False):
        raise StudentError(f"{name!r} is an encoder-decoder; a classifier needs an encoder such as BERT")
    places = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > places:
        raise StudentError(
            f"{name!r}: the tokenizer has {len(tokenizer)} tokens, the model vectors for {places}: they do not belong together"
        )
    if tokenizer.pad_token_id is None:
        raise StudentError(f"{name!r}: the tokenizer has no padding token; a batch cannot be made")
    if _looks_back_only(model):
        raise StudentError(
            f"{name!r} is a decoder: its tokens see those before them alone; a classifier needs an encoder such as BERT"
        )
    return model, tokenizer


def max_text_length(model: Any, tokenizer: Any, asked: int | None) -> int:
    """Tokens of a text: what was asked for, or as many as the checkpoint reads, 128 at most. The model is on the CPU."""
    found = usable_length(model, tokenizer, asked or LENGTH)
    if asked is not None and asked > found:
        raise StudentError(f"`max_length` is {asked}; this checkpoint reads {found} tokens at most")
    return found


def _looks_back_only(model: Any) -> bool:
    """Does another last token leave what is said of the first as it was?"""
    import torch

    count = model.get_input_embeddings().num_embeddings
    ids = torch.tensor([[1, 2, 3], [1, 2, 4]]) % count
    with torch.inference_mode():
        states = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    return bool(torch.equal(states[0, 0], states[1, 0]))
