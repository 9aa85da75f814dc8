"""DSE: a student that embeds two texts apart learns the scores of a teacher that read them together."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def pair_features(first: Tensor, second: Tensor) -> Tensor:
    """[u, v, u v, |u - v|] of two embeddings (B, d): (B, 4d), the input of DSE's head (Barkan et al. 2020, arXiv 1908.05161)."""
    return torch.cat([first, second, first * second, (first - second).abs()], -1)


def dse(student: Tensor, teacher: Tensor, labels: Tensor | None = None, weight: float = 0.5) -> Tensor:
    """(1-w) CE(labels, student) + w mean_B sum_c (s_c - t_c)^2 (Barkan et al. 2020); logits (B, C), labels (B,).

    Without labels only the second term, whole.
    """
    if student.shape != teacher.shape:
        raise ValueError(
            f"student is {tuple(student.shape)}, teacher {tuple(teacher.shape)}: they must agree"
        )
    far = (student - teacher).square().sum(-1).mean()
    return far if labels is None else (1 - weight) * cross_entropy(student, labels) + weight * far
