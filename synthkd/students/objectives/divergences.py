"""How far a student's distribution is from its teacher's.

All take logits of shape (B, C), or (B, T, C) for one token after another, and give the mean over all but the
last axis, in nats. Gradients reach both sides: detach what is not to be trained. Where a temperature tau is
taken, both sides are softened by it and the result is multiplied by tau squared, so that the size of the gradient
does not depend on tau (Hinton et al. 2015, arXiv 1503.02531, section 2).

The teacher's logits are had from `transformers` checkpoints alone: servers give the log-probabilities of a few tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import log_softmax


def soft_cross_entropy(student: Tensor, targets: Tensor) -> Tensor:
    """-sum_c p_c ln q_c with probabilities ``targets`` of the same shape as the student's logits."""
    _same_shape(student, targets)
    return -(targets * log_softmax(student, -1)).sum(-1).mean()


def kl(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Forward KL(teacher || student): the student must be wherever the teacher is. 0 at equality."""
    log_q, log_p = _soft(student, temperature), _soft(teacher, temperature)
    _same_shape(student, teacher)
    return temperature**2 * _kl(log_p, log_q)


def reverse_kl(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Reverse KL(student || teacher): the student must not be where the teacher is not. 0 at equality."""
    return kl(teacher, student, temperature)


def jensen_shannon(student: Tensor, teacher: Tensor, temperature: float = 1.0, weight: float = 0.5) -> Tensor:
    """w KL(p || m) + (1-w) KL(q || m), m = w p + (1-w) q, p the teacher; symmetric at w = 0.5, then at most ln 2
    (generalised as in Agarwal et al. 2024, arXiv 2306.13649)."""
    _same_shape(student, teacher)
    if not 0 < weight < 1:
        raise ValueError(f"weight must lie between 0 and 1, not {weight}")
    log_q, log_p = _soft(student, temperature), _soft(teacher, temperature)
    both = torch.stack([log_p + _log(weight, log_p), log_q + _log(1 - weight, log_q)])
    log_m = torch.logsumexp(both, 0)
    return temperature**2 * (weight * _kl(log_p, log_m) + (1 - weight) * _kl(log_q, log_m))


def distillation(
    student: Tensor, teacher: Tensor, labels: Tensor, alpha: float = 0.5, temperature: float = 2.0
) -> Tensor:
    """(1-alpha) CE(labels, student) + alpha tau^2 KL(teacher || student); logits (B, C), labels (B,)."""
    hard = torch.nn.functional.cross_entropy(student, labels)
    return (1 - alpha) * hard + alpha * kl(student, teacher, temperature)


def _soft(logits: Tensor, temperature: float) -> Tensor:
    if temperature <= 0:
        raise ValueError(f"temperature must be above 0, not {temperature}")
    return log_softmax(logits / temperature, -1)


def _kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Where p is 0 (a masked token) a term and its gradient are 0, whatever q."""
    p = log_p.exp()
    return (p * torch.where(p > 0, log_p - log_q, torch.zeros_like(p))).sum(-1).mean()


def _log(number: float, like: Tensor) -> Tensor:
    return torch.log(torch.tensor(number, dtype=like.dtype, device=like.device))


def _same_shape(student: Tensor, teacher: Tensor) -> None:
    if student.shape != teacher.shape:
        raise ValueError(
            f"student is {tuple(student.shape)}, teacher {tuple(teacher.shape)}: they must agree"
        )
