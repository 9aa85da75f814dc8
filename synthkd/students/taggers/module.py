"""The torch module of a tagger, from token ids to logits of units, and its loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, dropout

from synthkd.encoders.batches import Ints
from synthkd.students.taggers.units import UNLABELLED


class EncoderTagger(torch.nn.Module):  # type: ignore[misc]
    """An encoder and a linear head on the first token of each unit."""

    def __init__(self, encoder: Any, labels: int, drop: float = 0.1) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = torch.nn.Linear(encoder.config.hidden_size, labels)
        self.drop = drop

    def vectors(self, fields: dict[str, Any], batch: Ints, tokens: Ints) -> Tensor:
        """Return (u, d) vectors of units.

        Args:
            fields: Tensors (B, T) of token ids.
            batch: (u,) row of each unit in the batch.
            tokens: (u,) token of each unit.
        """
        states = self.encoder(**fields).last_hidden_state
        chosen: Tensor = states[torch.from_numpy(batch), torch.from_numpy(tokens)]
        return chosen

    def logits(self, vectors: Tensor) -> Tensor:
        """Return (u, L) logits of units."""
        if self.drop:
            vectors = dropout(vectors, self.drop, training=self.training)
        logits: Tensor = self.head(vectors)
        return logits


def unit_loss(logits: Tensor, labels: Ints, weights: Any = None) -> Tensor:
    """Return the weighted mean cross-entropy over labelled units; 0 without one.

    Args:
        logits: (u, L).
        labels: (u,) labels; `UNLABELLED` units are left out.
        weights: (u,) weights; None for 1 each.
    """
    targets = torch.from_numpy(labels).to(logits.device)
    losses = cross_entropy(logits.float(), targets, reduction="none", ignore_index=UNLABELLED)
    count = max(int(np.count_nonzero(labels != UNLABELLED)), 1)
    total: Tensor = (losses if weights is None else losses * weights).sum() / count
    return total
