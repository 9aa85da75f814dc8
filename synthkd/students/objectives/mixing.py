"""MixKD: rows between rows, for which only the teacher knows the label."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from synthkd.students.objectives.divergences import soft_cross_entropy


@dataclass(frozen=True)
class Mixed:
    """Mixed embeddings (B, T, d) and labels (B, C); ``share`` (B,) is lambda, ``partner`` (B,) the other row of each."""

    embeddings: Tensor
    labels: Tensor
    share: Tensor
    partner: Tensor


def mix(
    embeddings: Tensor, labels: Tensor, concentration: float = 0.4, generator: torch.Generator | None = None
) -> Mixed:
    """x' = lambda e_i + (1-lambda) e_j, y' likewise, lambda ~ Beta(a, a), j a random order (Liang et al. 2021,
    arXiv 2011.00593; the form is from memory). ``embeddings`` (B, T, d), ``labels`` (B, C) one-hot or soft."""
    rows = len(embeddings)
    if len(labels) != rows or labels.dim() != 2:
        raise ValueError(f"labels (B, C) with B = {rows}, not {tuple(labels.shape)}")
    share = _beta(rows, concentration, generator).to(embeddings)
    partner = torch.randperm(rows, generator=generator).to(embeddings.device)
    return Mixed(
        _between(embeddings, partner, share),
        _between(labels.to(embeddings.dtype), partner, share),
        share,
        partner,
    )


def mixkd(
    student: Tensor,
    labels: Tensor,
    mixed_student: Tensor,
    mixed_teacher: Tensor,
    mixed_labels: Tensor,
    on_labels: float = 1.0,
    on_teacher: float = 1.0,
) -> Tensor:
    """CE(labels, s(x)) + a CE(s(x'), y') + b mean (t(x') - s(x'))^2; logits (B, C), labels (B,), mixed labels (B, C)."""
    return (
        cross_entropy(student, labels)
        + on_labels * soft_cross_entropy(mixed_student, mixed_labels)
        + on_teacher * (mixed_teacher - mixed_student).square().mean()
    )


def _between(values: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    weight = share.to(values).reshape(-1, *[1] * (values.dim() - 1))
    return weight * values + (1 - weight) * values[partner]


def _beta(rows: int, concentration: float, generator: torch.Generator | None) -> Tensor:
    """Draws of Beta(a, a) as a share of two gammas: torch's own Beta takes no generator."""
    if concentration <= 0:
        raise ValueError(f"concentration must be above 0, not {concentration}")
    both = torch._standard_gamma(
        torch.full((2, rows), concentration, dtype=torch.float64), generator=generator
    )
    return both[0] / both.sum(0).clamp_min(torch.finfo(torch.float64).tiny)
