"""Run an encoder over texts: the mean over a text's tokens, and batches of many texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from synthkd.encoders.batches import Ints, TokenizedTexts, batches_by_tokens

Floats = np.ndarray[Any, np.dtype[np.float64]]


def mean_pool(encoder: Any, fields: Mapping[str, Any]) -> Any:
    """Return (B, d) means of the last layer over the tokens of each text.

    Args:
        encoder: A transformers encoder.
        fields: Tensors (B, T), `input_ids` and `attention_mask` among them.
    """
    states = encoder(**fields).last_hidden_state
    mask = fields["attention_mask"][..., None].to(states.dtype)
    return (states * mask).sum(1) / mask.sum(1)


def forward_in_batches(
    module: Any,
    forward: Callable[[Mapping[str, Any]], Any],
    texts: TokenizedTexts,
    device: str,
    rows: Ints | None = None,
) -> Floats:
    """Return (n, width) results of `forward` on the fields of some rows, in their order, in fp32.

    Args:
        module: The module, which is put into evaluation mode and back.
        forward: Gives (B, width) for the tensors of a batch.
        texts: The tokenised texts.
        device: The device of the module.
        rows: Indices of the rows; all by default.
    """
    import torch

    rows = np.arange(len(texts.lengths)) if rows is None else rows
    results: list[Any] = [None] * len(rows)
    training = module.training
    module.train(False)
    try:
        with torch.inference_mode():
            for batch in batches_by_tokens(texts.lengths[rows]):
                values = forward(texts.tensors(rows[batch], device)).double().cpu().numpy()
                for row, value in zip(batch, values, strict=True):
                    results[row] = value
    finally:
        module.train(training)
    return np.array(results, dtype=np.float64)
