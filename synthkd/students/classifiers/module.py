"""The torch module of an encoder student: encoder, mean of the last layer, linear head."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import dropout, normalize


class EncoderClassifier(torch.nn.Module):  # type: ignore[misc]
    """Token ids (B, T) to logits (B, C), before any temperature.

    ``unit``: the mean vector is scaled to length 1, as sentence encoders are read; the head of a contrastive start stands
    on such vectors.
    """

    def __init__(self, encoder: Any, classes: int, unit: bool, drop: float = 0.1) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = torch.nn.Linear(encoder.config.hidden_size, classes)
        self.unit, self.drop = unit, drop

    def vectors(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """(B, d): the mean of the last layer over a text's tokens."""
        fields = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **fields).last_hidden_state
        mask = attention_mask[..., None].to(states.dtype)
        mean = (states * mask).sum(1) / mask.sum(1)
        return normalize(mean, dim=1) if self.unit else mean

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        vectors = self.vectors(input_ids, attention_mask, token_type_ids)
        if self.drop:
            vectors = dropout(vectors, self.drop, training=self.training)
        found: Tensor = self.head(vectors)
        return found
