"""Load encoders from files that cannot run code, and identify them by a hash of their weights."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from synthkd.artifacts.checkpoint import unsafe_checkpoint
from synthkd.artifacts.folder import Artifact
from synthkd.encoders.device import quiet_transformers
from synthkd.encoders.reference import EncoderReference
from synthkd.errors import CriticError, StudentError, UserError, require_extra

#: Default tokens of a text, unless the checkpoint reads fewer.
DEFAULT_LENGTH = 128


def require_encoder_extras(feature: str) -> None:
    """Raise MissingExtraError without the packages of an encoder under a critic."""
    require_extra(feature, "local", "torch", "transformers")
    require_extra(feature, "critics", "sklearn", "safetensors")


def load_transformer(
    name: str, own: bool = False, local: bool = False, error: type[UserError] = CriticError
) -> tuple[Any, Any]:
    """Load model and tokenizer from safetensors, without code that comes with them.

    Args:
        name: A folder, or a model of the hub.
        own: The checkpoint is part of a critic's or student's folder: no file may name code.
        local: Read a hub model from this machine's cache only.
        error: The error that is raised.

    Raises:
        UserError: Of the type `error`: no such folder, other weights, missing weights.
    """
    from transformers import AutoModel, AutoTokenizer

    folder = Path(name)
    if folder.is_dir():
        if problem := unsafe_checkpoint(folder, own):
            raise error(f"{problem}; save the encoder as safetensors, without code")
    elif folder.is_absolute() or name.startswith("."):
        raise error(f"{name}: no such folder of an encoder; name a folder or a model of the hub")
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(
                name, trust_remote_code=False, local_files_only=local
            )
            model, loading = AutoModel.from_pretrained(
                name, trust_remote_code=False, use_safetensors=True, local_files_only=local,
                dtype="float32", output_loading_info=True,
            )  # fmt: skip
    except Exception as problem:  # noqa: BLE001 (a broken checkpoint raises undeclared errors)
        reason = (
            str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
        )
        raise error(
            f"encoder {name!r} cannot be loaded: {reason}; it must be a transformers model with"
            " safetensors"
        ) from None
    # The pooler is not used; any other part without weights would be random numbers.
    missing = sorted(key for key in loading["missing_keys"] if "pooler" not in key)
    if missing:
        raise error(
            f"encoder {name!r}: {len(missing)} of its weights are not in the checkpoint,"
            f" {missing[0]} first;"
            " its config and weights do not belong together"
        )
    return model.eval(), tokenizer


def load_classifier_encoder(name: str, own: bool = False, local: bool = False) -> tuple[Any, Any]:
    """Load a bidirectional encoder for a classifier; the arguments are those of `load_transformer`.

    Raises:
        StudentError: Also for a decoder, an encoder-decoder, a tokenizer without a padding token,
            and one with more tokens than the model has embeddings.
    """
    model, tokenizer = load_transformer(name, own, local, StudentError)
    if getattr(model.config, "is_encoder_decoder", False):
        raise StudentError(
            f"{name!r} is an encoder-decoder; a classifier needs an encoder such as BERT"
        )
    vectors = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > vectors:
        raise StudentError(
            f"{name!r}: the tokenizer has {len(tokenizer)} tokens, the model vectors for {vectors}:"
            " they do not belong together"
        )
    if tokenizer.pad_token_id is None:
        raise StudentError(f"{name!r}: the tokenizer has no padding token; a batch cannot be made")
    if _is_causal(model):
        raise StudentError(
            f"{name!r} is a decoder: a token attends to the tokens before it alone; a classifier"
            " needs an"
            " encoder such as BERT"
        )
    return model, tokenizer


def load_referenced(
    reference: EncoderReference, folder: Path, given: str | None, artifact: Artifact
) -> tuple[Any, Any, str]:
    """Load the encoder that an artefact was trained on.

    Args:
        reference: What the artefact's folder records of the encoder.
        folder: The artefact's folder.
        given: The user's own name or folder of the encoder. Only this may be looked up on a hub.
        artifact: The sort of artefact, whose error is raised.

    Returns:
        Model, tokenizer, and the name or folder that they were loaded from.
    """
    for place in reference.candidates(folder, given, artifact):
        model, tokenizer = load_transformer(place, local=given is None)
        if encoder_hash(model, tokenizer) == reference.sha256:
            return model, tokenizer, place
    raise AssertionError("candidates end with an error")


def max_text_length(model: Any, tokenizer: Any, length: int | None) -> int:
    """Return the tokens that are read of a text; the model must be on the CPU.

    Args:
        model: The encoder.
        tokenizer: Its tokenizer.
        length: The length asked for; by default 128, or fewer if the checkpoint reads fewer.

    Raises:
        StudentError: The checkpoint reads fewer tokens than asked for.
    """
    usable = usable_length(model, tokenizer, length or DEFAULT_LENGTH)
    if length is not None and length > usable:
        raise StudentError(
            f"`max_length` is {length}; this checkpoint reads {usable} tokens at most"
        )
    return usable


def usable_length(model: Any, tokenizer: Any, length: int) -> int:
    """Return the most tokens that a model reads, `length` at most, by trying the declared limit.

    Some families count positions from the padding token's on, and read fewer tokens than they have
    positions.
    """
    limit = getattr(model.config, "max_position_embeddings", None)
    most = min(
        length,
        tokenizer.model_max_length,
        *([limit] if isinstance(limit, int) and limit > 0 else []),
    )
    if _can_read(model, tokenizer, most):
        return int(most)
    low, high = 1, int(most)  # the model reads `low` tokens, and not `high`
    guess = high - 1 - int(getattr(model.config, "pad_token_id", None) or 0)
    while high - low > 1:
        middle = guess if low < guess < high else (low + high) // 2
        guess = 0
        low, high = (middle, high) if _can_read(model, tokenizer, middle) else (low, middle)
    return low


def encoder_hash(model: Any, tokenizer: Any) -> str:
    """Return the SHA-256 of the weights, by name, and of the tokenizer."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        array = np.ascontiguousarray(tensor.detach().cpu().numpy())
        digest.update(f"{name}{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    digest.update(tokenizer.backend_tokenizer.to_str().encode())
    return digest.hexdigest()


def _can_read(model: Any, tokenizer: Any, length: int) -> bool:
    """Try a text of so many tokens, on the CPU: on an accelerator it ends the process."""
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


def _is_causal(model: Any) -> bool:
    """Compare the first token's state before two different last tokens."""
    import torch

    count = model.get_input_embeddings().num_embeddings
    ids = torch.tensor([[1, 2, 3], [1, 2, 4]]) % count
    with torch.inference_mode():
        states = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    return bool(torch.equal(states[0, 0], states[1, 0]))
