"""A cross-encoder: any encoder, the mean over its last layer's tokens, and one output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from synthkd.critics.features import Floats, row_sums
from synthkd.errors import CriticError

_DROPOUT = 0.1
_EPSILON = 1e-5


class CrossEncoder:
    """``encoder`` is a transformers model; ``head`` a linear layer on its mean vector, scaled to unit variance."""

    def __init__(self, encoder: Any, device: str) -> None:
        import torch

        self.encoder = encoder.to(device)
        self.head = torch.nn.Linear(encoder.config.hidden_size, 1).to(device)
        self.device = device

    def logits(self, fields: Mapping[str, Any]) -> Any:
        """(n,) logits of a batch of token ids (n, length)."""
        import torch

        mean = self._means(fields)
        mean = torch.nn.functional.layer_norm(mean, mean.shape[-1:], eps=_EPSILON)
        mean = torch.nn.functional.dropout(mean, _DROPOUT, training=self.encoder.training)
        return self.head(mean)[:, 0]

    def exact_logits(self, fields: Mapping[str, Any]) -> Floats:
        """(n,) logits, without dropout; a row's does not depend on its place in the batch, as sums of torch may."""
        mean = self._means(fields).double().cpu().numpy()
        mean = mean - mean.mean(axis=1, keepdims=True)
        mean /= np.sqrt((mean * mean).mean(axis=1, keepdims=True) + _EPSILON)
        weight, bias = (part.detach().double().cpu().numpy() for part in (self.head.weight, self.head.bias))
        logits: Floats = row_sums(mean, weight[0]) + bias[0]
        return logits

    def _means(self, fields: Mapping[str, Any]) -> Any:
        """(n, hidden size) the mean vector of each row's tokens."""
        states = self.encoder(**fields).last_hidden_state
        mask = fields["attention_mask"][..., None].to(states.dtype)
        return (states * mask).sum(1) / mask.sum(1)

    def train(self, on: bool) -> None:
        """With dropout or without."""
        self.encoder.train(on)

    def parameters(self) -> Iterator[Any]:
        """All of them, the encoder's first."""
        yield from self.encoder.parameters()
        yield from self.head.parameters()

    def state(self) -> list[Any]:
        """A copy of the weights, for `restore`."""
        return [
            {name: v.detach().clone() for name, v in m.state_dict().items()}
            for m in (self.encoder, self.head)
        ]

    def restore(self, state: list[Any]) -> None:
        """Back to what `state` gave."""
        for module, values in zip((self.encoder, self.head), state, strict=True):
            module.load_state_dict(values)

    def freeze(self, trained_layers: int | None) -> None:
        """Leave the embeddings and all but the upper layers as they are; ``None`` leaves nothing."""
        if trained_layers is None:
            return
        layers = self._layers()
        inside = [p for part in (self.encoder.get_input_embeddings(), *layers) for p in part.parameters()]
        kept = {id(p) for part in layers[max(0, len(layers) - trained_layers) :] for p in part.parameters()}
        for parameter in inside:
            parameter.requires_grad_(id(parameter) in kept)

    def _layers(self) -> list[Any]:
        import torch

        count = self.encoder.config.num_hidden_layers
        for part in self.encoder.modules():
            if isinstance(part, torch.nn.ModuleList) and len(part) == count:
                return list(part)
        raise CriticError(
            "critic 'encoder': `trained_layers` cannot find this encoder's layers; leave it out"
        )
