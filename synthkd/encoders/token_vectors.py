"""Vectors of single tokens by a frozen encoder, for metrics that compare texts token by token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from synthkd.encoders.batches import TextPair, TokenizedTexts, tokenizable_texts
from synthkd.encoders.forward import Floats
from synthkd.encoders.frozen import FrozenEncoder


def token_vectors(encoder: FrozenEncoder, texts: Sequence[str]) -> list[Floats]:
    """Return the unit vectors (tokens, d) of the last layer for each text.

    Special tokens are left out, unless a text has no others.
    """
    import torch

    pairs: list[TextPair] = [
        (text, None) for text in tokenizable_texts(encoder.tokenizer, list(texts))
    ]
    tokenized = TokenizedTexts(encoder.tokenizer, pairs, encoder.max_length)
    special = np.array(sorted(encoder.tokenizer.all_special_ids))
    vectors: list[Any] = [None] * len(texts)
    encoder.model.eval()
    with torch.inference_mode():
        for batch, fields in tokenized.fixed_shape_batches(encoder.device):
            states = encoder.model(**fields).last_hidden_state.double()
            states = torch.nn.functional.normalize(states, dim=2).cpu().numpy()
            ids, mask = (fields[name].cpu().numpy() for name in ("input_ids", "attention_mask"))
            for place, row in enumerate(batch.tolist()):
                present = mask[place] > 0
                content = present & ~np.isin(ids[place], special)
                vectors[row] = states[place][content if content.any() else present]
    return vectors
