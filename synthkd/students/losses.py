"""Losses as pure functions of tensors: shapes, units and sources stand in each docstring.

| objective | needs of the teacher |
|---|---|
| `soft_cross_entropy` | probabilities of classes: votes, a judge, any model |
| `kl`, `reverse_kl`, `jensen_shannon`, `distillation`, `dist`, `sinkhorn` | logits of the same classes or tokens |
| `margin_mse`, `contrastively_weighted_kl` | a score for each text of a list |
| `dse`, `mixkd` | logits; MixKD's on embeddings that it is given |
| `qcrd` | texts alone: rationales that won and lost a vote |

Logits come from a local `transformers` checkpoint; servers give at most the log-probabilities of some tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax, softmax


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


@dataclass(frozen=True)
class MixedRows:
    """Mixed embeddings (B, T, d) and labels (B, C); ``share`` (B,) is lambda, ``partner`` (B,) the other row of each."""

    embeddings: Tensor
    labels: Tensor
    share: Tensor
    partner: Tensor


def mix(
    embeddings: Tensor, labels: Tensor, concentration: float = 0.4, generator: torch.Generator | None = None
) -> MixedRows:
    """x' = lambda e_i + (1-lambda) e_j, y' likewise, lambda ~ Beta(a, a), j a random order (Liang et al. 2021,
    arXiv 2011.00593; the form is from memory). ``embeddings`` (B, T, d), ``labels`` (B, C) one-hot or soft."""
    rows = len(embeddings)
    if len(labels) != rows or labels.dim() != 2:
        raise ValueError(f"labels (B, C) with B = {rows}, not {tuple(labels.shape)}")
    share = _beta(rows, concentration, generator).to(embeddings)
    partner = torch.randperm(rows, generator=generator).to(embeddings.device)
    return MixedRows(
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


Pick = Literal["nearest", "farthest"]


def token_cross_entropy(logits: Tensor, tokens: Tensor, ignore: int = -100) -> Tensor:
    """Mean cross-entropy of each rationale, in nats a token; logits (N, T, V), tokens (N, T); result (N,).

    ``logits[:, t]`` must already stand for ``tokens[:, t]``. Tokens equal to ``ignore`` do not count; a rationale of
    none of the others gives 0.
    """
    each = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), tokens, ignore_index=ignore, reduction="none"
    )
    counted = (tokens != ignore).sum(1)
    return each.sum(1) / counted.clamp_min(1)


def qcrd(
    positive: Tensor,
    negative: Tensor,
    positive_quality: Tensor,
    negative_quality: Tensor,
    beta: float = 0.2,
    delta: float = 3.0,
    pick: Pick = "nearest",
) -> Tensor:
    """QCRD's contrastive loss (arXiv 2405.13014; form reconstructed): mean_i [s+ l+ - beta (1 - s-) l-].

    l+ = min_j CE+ over the question's positives, l- = min(CE- - delta, 0) for one negative, the nearest (the least CE) or the
    farthest: the paper's text says both. ``positive`` (B, P), ``negative`` (B, N): cross-entropies of `token_cross_entropy`,
    NaN or inf where a question has fewer; ``positive_quality`` (B, P) and ``negative_quality`` (B, N): the discriminator's s
    in [0, 1]. The second term pushes a negative's cross-entropy up to ``delta``; beyond it no gradient comes from it. A
    question without negatives has the first term alone, one without positives the second.
    """
    has_positive, near = _extreme(positive, "nearest")
    has_negative, chosen = _extreme(negative, pick)
    l_pos = _at(positive, near)
    l_neg = (_at(negative, chosen) - delta).clamp_max(0)
    first = _at(positive_quality, near) * l_pos
    second = beta * (1 - _at(negative_quality, chosen)) * l_neg
    zero = torch.zeros((), dtype=positive.dtype, device=positive.device)
    return (torch.where(has_positive, first, zero) - torch.where(has_negative, second, zero)).mean()


def _extreme(values: Tensor, pick: Pick) -> tuple[Tensor, Tensor]:
    """Whether a row has a finite value, and the place of its least or greatest one."""
    there = torch.isfinite(values)
    if pick == "nearest":
        place = values.masked_fill(~there, float("inf")).argmin(1)
    elif pick == "farthest":
        place = values.masked_fill(~there, float("-inf")).argmax(1)
    else:
        raise ValueError(f"pick must be nearest or farthest, not {pick!r}")
    return there.any(1), place


def _at(values: Tensor, place: Tensor) -> Tensor:
    """One value of each row, 0 in place of what is not finite: no NaN may reach a gradient."""
    found = values.gather(1, place[:, None]).squeeze(1)
    return torch.where(torch.isfinite(found), found, torch.zeros_like(found))
