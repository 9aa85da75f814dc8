"""Load a checkpoint as an encoder, and refuse one that is none."""

from __future__ import annotations

from typing import Any

from synthkd.encoders.load import load_model, readable_length
from synthkd.errors import CriticError, StudentError

#: Tokens of a text where neither the options nor the checkpoint say less.
LENGTH = 128


def load_encoder(name: str, own: bool = False, local: bool = False) -> tuple[Any, Any]:
    """Model and tokenizer by folder or hub name: safetensors only, no code that comes with them (see `load_model`).

    Raises `StudentError` for a decoder, an encoder-decoder, a tokenizer with more tokens than the model has vectors for.
    """
    try:
        model, tokenizer = load_model(name, own, local)
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


def longest(model: Any, tokenizer: Any, asked: int | None) -> int:
    """Tokens of a text: what was asked for, or as many as the checkpoint reads, 128 at most. The model is on the CPU."""
    found = readable_length(model, tokenizer, asked or LENGTH)
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
