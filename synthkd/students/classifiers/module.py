"""The torch module of an encoder student: encoder, mean of the last layer, linear head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import dropout, normalize

from synthkd.errors import StudentError
from synthkd.students.base import Floats, LabelledTexts


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


#: Names of `soft`: does the objective see rows one by one, so that each can have a weight?
SOFT = {"ce": True, "kl": True, "reverse_kl": True, "jsd": True, "dist": False, "sinkhorn": False}
#: Probabilities below this are taken for it where their logarithm is needed.
_LEAST = 1e-8


@dataclass(frozen=True)
class ClassificationLoss:
    """(1 - share) * cross-entropy with the labels + share * the objective ``soft`` with a teacher's probabilities.

    ``temperature`` softens both sides of those objectives that take one.
    """

    soft: str | None = None
    share: float = 0.5
    temperature: float = 1.0

    def __call__(self, logits: Any, places: Any, weights: Any, targets: Any) -> Any:
        """Weighted mean over a batch: logits (B, C), places (B,), weights (B,) with mean 1 over all rows, targets (B, C)
        probabilities or None."""
        from torch.nn.functional import cross_entropy

        logits = logits.float()
        hard = (cross_entropy(logits, places, reduction="none") * weights).mean()
        if self.soft is None:
            return hard
        objective = self._objective()
        if not SOFT[self.soft] or bool((weights == weights[0]).all()):
            soft = objective(logits, targets) * weights.mean()
        else:
            parts = [objective(logits[i : i + 1], targets[i : i + 1]) for i in range(len(places))]
            soft = sum(part * weight for part, weight in zip(parts, weights, strict=True)) / len(places)
        return (1 - self.share) * hard + self.share * soft

    def _objective(self) -> Callable[[Any, Any], Any]:
        from synthkd.students import losses as of

        def logs(targets: Any) -> Any:
            return targets.clamp_min(_LEAST).log()

        tau = self.temperature
        found: dict[str, Callable[[Any, Any], Any]] = {
            "ce": of.soft_cross_entropy,
            "kl": lambda student, targets: of.kl(student, logs(targets), tau),
            "reverse_kl": lambda student, targets: of.reverse_kl(student, logs(targets), tau),
            "jsd": lambda student, targets: of.jensen_shannon(student, logs(targets), tau),
            "dist": lambda student, targets: of.dist(student, logs(targets)),
            "sinkhorn": lambda student, targets: of.sinkhorn(student, logs(targets)),
        }
        return found[self.soft or "ce"]


def check_soft(rows: LabelledTexts, loss: ClassificationLoss, classes: int, weighted: bool) -> Floats | None:
    """The soft labels (n, C) where the loss reads them; refuses those that are no probabilities of the classes."""
    if loss.soft is None:
        return None
    if rows.soft is None:
        raise StudentError(
            f"`soft: {loss.soft}` learns from a teacher's probabilities, and the rows have none"
        )
    soft = np.asarray(rows.soft, dtype=np.float64)
    if soft.ndim != 2 or soft.shape[1] != classes:
        raise StudentError(
            f"soft labels of shape {soft.shape}: {classes} columns are needed, one for each class in their order"
        )
    good = np.isfinite(soft).all(1) & (soft >= 0).all(1) & (np.abs(soft.sum(1) - 1) < 1e-3)
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise StudentError(
            f"training row {row + 1}: its soft label sums to {soft[row].sum():.4g}; probabilities sum to 1"
        )
    if weighted and not SOFT[loss.soft]:
        raise StudentError(
            f"`soft: {loss.soft}` compares the rows of a batch with each other and knows no weights; leave these out"
        )
    return soft
