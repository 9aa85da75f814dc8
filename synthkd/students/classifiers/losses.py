"""What a fine-tuning goes down: cross-entropy of weighted rows, and objectives that read a teacher's probabilities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkd.errors import StudentError
from synthkd.students.base import Floats, Texts

#: Names of `soft`: does the objective see rows one by one, so that each can have a weight?
SOFT = {"ce": True, "kl": True, "reverse_kl": True, "jsd": True, "dist": False, "sinkhorn": False}
#: Probabilities below this are taken for it where their logarithm is needed.
_LEAST = 1e-8


@dataclass(frozen=True)
class Loss:
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
        from synthkd.students import objectives as of

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


def check_soft(rows: Texts, loss: Loss, classes: int, weighted: bool) -> Floats | None:
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
