"""The torch module of an encoder student, and its loss: labels, and a teacher's probabilities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, dropout, normalize

from synthkd.encoders.forward import mean_pool
from synthkd.errors import StudentError
from synthkd.students import losses
from synthkd.students.base import Floats, LabelledTexts
from synthkd.students.classifiers.options import BATCH_OBJECTIVES

#: Teacher probabilities are raised to this before their logarithm is taken.
_LEAST_PROBABILITY = 1e-8


class EncoderClassifier(torch.nn.Module):  # type: ignore[misc]
    """An encoder, the mean of its last layer and a linear head: token ids (B, T) to logits (B, C).

    Attributes:
        unit: The mean vector is scaled to length 1, as sentence encoders are read; the head of a
            contrastive start is fitted on such vectors.
    """

    def __init__(self, encoder: Any, classes: int, unit: bool, drop: float = 0.1) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = torch.nn.Linear(encoder.config.hidden_size, classes)
        self.unit, self.drop = unit, drop

    def vectors(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """Return (B, d) vectors of the texts."""
        fields = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            fields["token_type_ids"] = token_type_ids
        mean: Tensor = mean_pool(self.encoder, fields)
        return normalize(mean, dim=1) if self.unit else mean

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """Return (B, C) logits, before the temperature."""
        vectors = self.vectors(input_ids, attention_mask, token_type_ids)
        if self.drop:
            vectors = dropout(vectors, self.drop, training=self.training)
        logits: Tensor = self.head(vectors)
        return logits


@dataclass(frozen=True)
class ClassificationLoss:
    """(1 - share) * cross-entropy with the labels + share * an objective on teacher probabilities.

    Attributes:
        soft: The name of the objective (option `soft`); None for the labels alone.
        share: The share of the objective.
        temperature: The temperature of both sides, in the objectives that have one.
    """

    soft: str | None = None
    share: float = 0.5
    temperature: float = 1.0

    def __call__(self, logits: Any, labels: Any, weights: Any, targets: Any) -> Any:
        """Return the weighted mean over a batch.

        Args:
            logits: (B, C) of the student.
            labels: (B,) class indices.
            weights: (B,) weights, with mean 1 over all rows.
            targets: (B, C) probabilities of the teacher, or None.
        """
        logits = logits.float()
        hard = (cross_entropy(logits, labels, reduction="none") * weights).mean()
        if self.soft is None:
            return hard
        objective = self._objective()
        if self.soft in BATCH_OBJECTIVES or bool((weights == weights[0]).all()):
            soft = objective(logits, targets) * weights.mean()
        else:
            parts = [objective(logits[i : i + 1], targets[i : i + 1]) for i in range(len(labels))]
            soft = sum(part * weight for part, weight in zip(parts, weights, strict=True)) / len(
                labels
            )
        return (1 - self.share) * hard + self.share * soft

    def _objective(self) -> Callable[[Any, Any], Any]:
        def logs(targets: Any) -> Any:
            return targets.clamp_min(_LEAST_PROBABILITY).log()

        tau = self.temperature
        objectives: dict[str, Callable[[Any, Any], Any]] = {
            "ce": losses.soft_cross_entropy,
            "kl": lambda student, targets: losses.kl(student, logs(targets), tau),
            "reverse_kl": lambda student, targets: losses.reverse_kl(student, logs(targets), tau),
            "jsd": lambda student, targets: losses.jensen_shannon(student, logs(targets), tau),
            "dist": lambda student, targets: losses.dist(student, logs(targets)),
            "sinkhorn": lambda student, targets: losses.sinkhorn(student, logs(targets)),
        }
        return objectives[self.soft or "ce"]


def check_soft(
    rows: LabelledTexts, loss: ClassificationLoss, classes: int, weighted: bool
) -> Floats | None:
    """Return the soft labels (n, C) if the loss needs them.

    Raises:
        StudentError: There are none, they are no probabilities of the classes, or the objective
            knows no weights and the rows have some.
    """
    if loss.soft is None:
        return None
    if rows.soft is None:
        raise StudentError(
            f"`soft: {loss.soft}` learns from a teacher's probabilities, and the rows have none"
        )
    soft = np.asarray(rows.soft, dtype=np.float64)
    if soft.ndim != 2 or soft.shape[1] != classes:
        raise StudentError(
            f"soft labels of shape {soft.shape}: {classes} columns are needed, one for each class"
            " in their order"
        )
    good = np.isfinite(soft).all(1) & (soft >= 0).all(1) & (np.abs(soft.sum(1) - 1) < 1e-3)
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise StudentError(
            f"training row {row + 1}: its soft label sums to {soft[row].sum():.4g}; probabilities"
            " sum to 1"
        )
    if weighted and loss.soft in BATCH_OBJECTIVES:
        raise StudentError(
            f"`soft: {loss.soft}` compares the rows of a batch with each other and knows no"
            " weights; leave the weights out"
        )
    return soft
