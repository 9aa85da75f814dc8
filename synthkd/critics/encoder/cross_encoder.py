"""The torch module of a fine-tuned encoder critic: encoder, mean of the last layer, one logit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from synthkd.critics.base import Scores
from synthkd.critics.logistic import row_sums
from synthkd.encoders.batches import Ints, TokenizedTexts
from synthkd.encoders.forward import mean_pool
from synthkd.errors import CriticError
from synthkd.text.hashed_ngrams import Floats

_DROPOUT = 0.1
_EPSILON = 1e-5


class CrossEncoder(torch.nn.Module):  # type: ignore[misc]
    """A transformers encoder with a linear head on its mean vector, scaled to unit variance."""

    def __init__(self, encoder: Any, device: str) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = torch.nn.Linear(encoder.config.hidden_size, 1)
        self.device = device
        self.to(device)

    def logits(self, fields: Mapping[str, Any]) -> Any:
        """Return (B,) logits of a batch of token ids (B, T), with dropout in training."""
        mean = mean_pool(self.encoder, fields)
        mean = torch.nn.functional.layer_norm(mean, mean.shape[-1:], eps=_EPSILON)
        mean = torch.nn.functional.dropout(mean, _DROPOUT, training=self.training)
        return self.head(mean)[:, 0]

    def exact_logits(self, fields: Mapping[str, Any]) -> Floats:
        """Return (B,) logits in float64, which do not depend on a row's place in the batch."""
        mean = mean_pool(self.encoder, fields).double().cpu().numpy()
        mean = mean - mean.mean(axis=1, keepdims=True)
        mean /= np.sqrt((mean * mean).mean(axis=1, keepdims=True) + _EPSILON)
        weight, bias = (
            part.detach().double().cpu().numpy() for part in (self.head.weight, self.head.bias)
        )
        logits: Floats = row_sums(mean, weight[0]) + bias[0]
        return logits

    def freeze(self, trained_layers: int | None) -> None:
        """Freeze the embeddings and all but the upper layers; None freezes nothing."""
        if trained_layers is None:
            return
        layers = self._layers()
        inside = [
            p for part in (self.encoder.get_input_embeddings(), *layers) for p in part.parameters()
        ]
        kept = {
            id(p)
            for part in layers[max(0, len(layers) - trained_layers) :]
            for p in part.parameters()
        }
        for parameter in inside:
            parameter.requires_grad_(id(parameter) in kept)

    def _layers(self) -> list[Any]:
        count = self.encoder.config.num_hidden_layers
        for part in self.encoder.modules():
            if isinstance(part, torch.nn.ModuleList) and len(part) == count:
                return list(part)
        raise CriticError(
            "critic 'encoder': `trained_layers` cannot find this encoder's layers; leave it out"
        )


def logits_of(model: CrossEncoder, encoded: TokenizedTexts, chosen: Ints | None = None) -> Scores:
    """Return (n,) logits of the chosen rows, in their order, in fp32."""
    rows = np.arange(len(encoded.lengths)) if chosen is None else chosen
    logits = np.zeros(len(rows))
    model.train(False)
    with torch.inference_mode():
        for batch, fields in encoded.fixed_shape_batches(model.device, rows):
            logits[batch] = model.exact_logits(fields)[: len(batch)]
    return logits
