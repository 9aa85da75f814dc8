"""Texts as token ids, and what an encoder says of them, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from synthkd.encoders.batches import Encoded, for_scoring
from synthkd.students.base import Floats, Ints

#: What a module's `forward` takes.
NAMES = ("input_ids", "attention_mask", "token_type_ids")


def whole(texts: Sequence[str], bare: bool) -> list[str]:
    """The texts with question marks for halves of characters; ``bare``: with a full stop for an empty one, where nothing is
    put around a text, which would have no token then."""
    found = [text if text.isascii() else text.encode("utf-8", "replace").decode() for text in texts]
    return [text if text.strip() else "." for text in found] if bare else found


def readable(tokenizer: Any, texts: Sequence[str]) -> list[str]:
    """The texts as a tokenizer takes them."""
    return whole(texts, not tokenizer("")["input_ids"])


def encoded(tokenizer: Any, texts: Sequence[str], max_length: int) -> Encoded:
    """Token ids of texts, cut at ``max_length``; only the fields that the module takes."""
    found = Encoded(tokenizer, [(text, None) for text in readable(tokenizer, texts)], max_length)
    found.fields = {name: values for name, values in found.fields.items() if name in NAMES}
    return found


def said(
    module: Any,
    call: Callable[[Mapping[str, Any]], Any],
    rows: Encoded,
    device: str,
    chosen: Ints | None = None,
) -> Floats:
    """(n, width) what ``call`` gives for the fields of the chosen rows, in their order; computed in fp32."""
    import torch

    places = np.arange(len(rows.lengths)) if chosen is None else chosen
    found: list[Any] = [None] * len(places)
    was = module.training
    module.train(False)
    try:
        with torch.inference_mode():
            for batch in for_scoring(rows.lengths[places]):
                values = call(rows.batch(places[batch], device)).double().cpu().numpy()
                for place, value in zip(batch, values, strict=True):
                    found[place] = value
    finally:
        module.train(was)
    return np.array(found, dtype=np.float64)
