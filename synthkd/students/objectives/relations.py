"""Objectives that compare a whole batch with a whole batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softmax

_EPSILON = 1e-8


def dist(
    student: Tensor, teacher: Tensor, beta: float = 1.0, gamma: float = 1.0, temperature: float = 1.0
) -> Tensor:
    """DIST (Huang et al. 2022, arXiv 2205.10536): beta (1 - mean_i r(s_i, t_i)) + gamma (1 - mean_c r(s_:c, t_:c)).

    r is Pearson's correlation of probabilities, along the classes of each row and along the rows of each
    class; logits (B, C). 0 at equality, and whatever shift and scale the student's probabilities have; a row or class
    without spread correlates with nothing and costs 1. With one row the second term is left out. The cross-entropy with labels is the caller's to add; the paper has
    beta = gamma = 2 for classification.
    """
    if student.shape != teacher.shape or student.dim() != 2:
        raise ValueError(f"(B, C) twice, not {tuple(student.shape)} and {tuple(teacher.shape)}")
    s, t = softmax(student / temperature, -1), softmax(teacher / temperature, -1)
    loss = beta * (1 - _pearson(s, t).mean())
    if len(s) > 1:
        loss = loss + gamma * (1 - _pearson(s.T, t.T).mean())
    return temperature**2 * loss


def sinkhorn(
    student: Tensor, teacher: Tensor, temperature: float = 2.0, epsilon: float = 0.1, steps: int = 20
) -> Tensor:
    """SinKD (Cui et al. 2024, arXiv 2402.17110): transport cost between a batch of student and of teacher outputs, over B.

    W_ij = |p_s,i - p_t,j|_1 (B, B); P = exp(-W / epsilon), rows and then columns normalised ``steps`` times, in log
    space; the result is sum_ij P_ij W_ij / B. (The published code does not divide, so that it grows with
    B; it weighs the sum by 0.001.) It is **not** 0 at equality, as epsilon is above 0. Gradients flow through the steps.
    """
    if student.shape != teacher.shape or student.dim() != 2:
        raise ValueError(f"(B, C) twice, not {tuple(student.shape)} and {tuple(teacher.shape)}")
    s, t = softmax(student / temperature, -1), softmax(teacher / temperature, -1)
    # Not torch.cdist: its gradient at distance zero is that of another norm.
    cost = (s[:, None, :] - t[None, :, :]).abs().sum(-1)
    log_plan = -cost / epsilon
    for _ in range(steps):
        log_plan = log_plan - torch.logsumexp(log_plan, 1, keepdim=True)
        log_plan = log_plan - torch.logsumexp(log_plan, 0, keepdim=True)
    return (log_plan.exp() * cost).sum() / len(cost)


def _pearson(a: Tensor, b: Tensor) -> Tensor:
    a, b = a - a.mean(-1, keepdim=True), b - b.mean(-1, keepdim=True)
    return (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1) + _EPSILON)
