"""Objectives for scores of pairs and lists."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import log_softmax


def margin_mse(
    positive: Tensor, negative: Tensor, teacher_positive: Tensor, teacher_negative: Tensor
) -> Tensor:
    """Margin-MSE (Hofstätter et al. 2020, arXiv 2010.02666): mean_i ((s+ - s-) - (t+ - t-))^2; raw scores (B,), no softmax.

    Only margins count: whatever is added to both scores of a query changes nothing.
    """
    shapes = {tuple(x.shape) for x in (positive, negative, teacher_positive, teacher_negative)}
    if len(shapes) > 1:
        raise ValueError(f"four scores of one shape (B,), not {sorted(shapes)}")
    return ((positive - negative) - (teacher_positive - teacher_negative)).square().mean()


def contrastively_weighted_kl(
    student: Tensor, teacher: Tensor, positive: Tensor, gamma: float = 2.0, beta: Tensor | float = 0.0
) -> Tensor:
    """CKL (arXiv 2406.05977; form reconstructed, its gamma and beta were not recovered): KL over a list of candidates,
    each term weighed by how far the student still has to go.

    sum over positives (1-q)^gamma p ln(p/q) + sum over negatives q^(gamma-beta) p ln(p/q); p teacher, q student by
    softmax over the list; logits (B, N), ``positive`` (B, N) bool, ``beta`` a number or (B, N), by rank say. Weighs down
    positives that are high and, where gamma > beta, negatives that are low. May be below 0: it is not clamped. Sum over the
    list, mean over the batch.
    """
    if not student.shape == teacher.shape == positive.shape:
        raise ValueError(f"three of (B, N), not {[tuple(x.shape) for x in (student, teacher, positive)]}")
    log_q, log_p = log_softmax(student, -1), log_softmax(teacher, -1)
    q, p = log_q.exp(), log_p.exp()
    weight = torch.where(positive, (1 - q) ** gamma, q ** (gamma - beta))
    return (weight * p * (log_p - log_q)).sum(-1).mean()
