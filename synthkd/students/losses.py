"""Training losses as pure functions of tensors.

| loss | needs of the teacher |
|---|---|
| `soft_cross_entropy` | probabilities of classes: votes, a judge, any model |
| `kl`, `reverse_kl`, `jensen_shannon`, `distillation` | logits of the same classes or tokens |
| `dist`, `sinkhorn` | logits of the same classes |
| `margin_mse`, `contrastively_weighted_kl` | a score for each text of a list |
| `dse`, `mixkd` | logits; those of MixKD on embeddings that the teacher is given |
| `qcrd` | texts alone: rationales that won and lost a vote |
| `supervised_contrastive` | labels alone |

Logits come from a local `transformers` checkpoint; servers give at most the log-probabilities of
some tokens. Shapes: B rows, C classes, N texts of a list, T tokens, V tokens of the vocabulary, d
dimensions. All losses are in nats and are scalars, the mean over the batch, unless the docstring
says otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax, softmax

# Cross-entropy and divergences


def soft_cross_entropy(student: Tensor, targets: Tensor) -> Tensor:
    """Compute -sum_c p_c ln q_c with a teacher's probabilities.

    Args:
        student: (..., C) logits.
        targets: (..., C) probabilities.
    """
    _check_same_shape(student, targets)
    return -(targets * log_softmax(student, -1)).sum(-1).mean()


def kl(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Compute tau^2 KL(teacher || student), which is large where the student is too low.

    Args:
        student: (..., C) logits.
        teacher: (..., C) logits; a masked token is minus infinity.
        temperature: tau, of both sides.

    Source: Hinton et al. 2015, arXiv 1503.02531.
    """
    log_q, log_p = (
        _log_probabilities(student, temperature),
        _log_probabilities(teacher, temperature),
    )
    _check_same_shape(student, teacher)
    return temperature**2 * _divergence(log_p, log_q)


def reverse_kl(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Compute tau^2 KL(student || teacher), which is large where the student is too high.

    Arguments are those of `kl`. Source: Gu et al. 2024 (MiniLLM), arXiv 2306.08543.
    """
    return kl(teacher, student, temperature)


def jensen_shannon(
    student: Tensor, teacher: Tensor, temperature: float = 1.0, weight: float = 0.5
) -> Tensor:
    """Compute tau^2 (w KL(p || m) + (1-w) KL(q || m)) with m = w p + (1-w) q, p the teacher's.

    Symmetric at w = 0.5, and then at most ln 2.

    Args:
        student: (..., C) logits.
        teacher: (..., C) logits.
        temperature: tau, of both sides.
        weight: w, between 0 and 1.

    Source: the generalised form of Agarwal et al. 2024, arXiv 2306.13649.
    """
    _check_same_shape(student, teacher)
    if not 0 < weight < 1:
        raise ValueError(f"weight must lie between 0 and 1, not {weight}")
    log_q, log_p = (
        _log_probabilities(student, temperature),
        _log_probabilities(teacher, temperature),
    )
    both = torch.stack([log_p + math.log(weight), log_q + math.log(1 - weight)])
    log_m = torch.logsumexp(both, 0)
    return temperature**2 * (
        weight * _divergence(log_p, log_m) + (1 - weight) * _divergence(log_q, log_m)
    )


def distillation(
    student: Tensor, teacher: Tensor, labels: Tensor, alpha: float = 0.5, temperature: float = 2.0
) -> Tensor:
    """Compute (1-alpha) CE(labels, student) + alpha tau^2 KL(teacher || student).

    Args:
        student: (B, C) logits.
        teacher: (B, C) logits.
        labels: (B,) class indices.
        alpha: The share of the teacher.
        temperature: tau, of the second term.

    Source: Hinton et al. 2015, arXiv 1503.02531.
    """
    hard = cross_entropy(student, labels)
    return (1 - alpha) * hard + alpha * kl(student, teacher, temperature)


# DIST: correlations in place of divergences


def dist(
    student: Tensor,
    teacher: Tensor,
    beta: float = 1.0,
    gamma: float = 1.0,
    temperature: float = 1.0,
) -> Tensor:
    """Compute tau^2 (beta (1 - mean_i r(s_i, t_i)) + gamma (1 - mean_c r(s_:c, t_:c))).

    r is Pearson's correlation of probabilities, along the classes of each row and along the rows of
    each class. The loss is 0 at equality, and does not change with shift and scale of the student's
    probabilities. A row or class without variance has correlation 0. With one row the second term
    is left out. The cross-entropy with labels is the caller's to add.

    Args:
        student: (B, C) logits.
        teacher: (B, C) logits.
        beta: Weight of the first term; the paper has beta = gamma = 2 for classification.
        gamma: Weight of the second term.
        temperature: tau, of both sides.

    Source: Huang et al. 2022, arXiv 2205.10536.
    """
    _check_matrices(student, teacher)
    s, t = softmax(student / temperature, -1), softmax(teacher / temperature, -1)
    loss = beta * (1 - _pearson(s, t).mean())
    if len(s) > 1:
        loss = loss + gamma * (1 - _pearson(s.T, t.T).mean())
    return temperature**2 * loss


#: Keeps Pearson's correlation finite without variance.
_EPSILON = 1e-8


def _pearson(a: Tensor, b: Tensor) -> Tensor:
    a, b = a - a.mean(-1, keepdim=True), b - b.mean(-1, keepdim=True)
    return (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1) + _EPSILON)


# SinKD: optimal transport between batches


def sinkhorn(
    student: Tensor,
    teacher: Tensor,
    temperature: float = 2.0,
    epsilon: float = 0.1,
    steps: int = 20,
) -> Tensor:
    """Compute the transport cost between the outputs of a batch by student and by teacher, over B.

    W_ij = |p_s,i - p_t,j|_1; P = exp(-W / epsilon), whose rows and then columns are normalised
    `steps` times, in log space; the result is sum_ij P_ij W_ij / B. (The published code does not
    divide by B, and multiplies the sum by 0.001.) As epsilon is above 0, the loss is **not** 0 at
    equality. Gradients flow through the steps.

    Args:
        student: (B, C) logits.
        teacher: (B, C) logits.
        temperature: Of both sides.
        epsilon: Entropic regularisation.
        steps: Sinkhorn iterations.

    Source: Cui et al. 2024, arXiv 2402.17110.
    """
    _check_matrices(student, teacher)
    s, t = softmax(student / temperature, -1), softmax(teacher / temperature, -1)
    # Not torch.cdist: its gradient at distance zero is that of another norm.
    cost = (s[:, None, :] - t[None, :, :]).abs().sum(-1)
    log_plan = -cost / epsilon
    for _ in range(steps):
        log_plan = log_plan - torch.logsumexp(log_plan, 1, keepdim=True)
        log_plan = log_plan - torch.logsumexp(log_plan, 0, keepdim=True)
    return (log_plan.exp() * cost).sum() / len(cost)


# Rankers: margins and lists


def margin_mse(
    positive: Tensor, negative: Tensor, teacher_positive: Tensor, teacher_negative: Tensor
) -> Tensor:
    """Compute mean_i ((s+ - s-) - (t+ - t-))^2.

    Only margins count: adding a number to both scores of a query changes nothing.

    Args:
        positive: (B,) scores of the student, without softmax.
        negative: (B,) scores of the student.
        teacher_positive: (B,) scores of the teacher.
        teacher_negative: (B,) scores of the teacher.

    Source: Hofstätter et al. 2020, arXiv 2010.02666.
    """
    shapes = {tuple(x.shape) for x in (positive, negative, teacher_positive, teacher_negative)}
    if len(shapes) > 1:
        raise ValueError(f"four scores of one shape (B,), not {sorted(shapes)}")
    return ((positive - negative) - (teacher_positive - teacher_negative)).square().mean()


def contrastively_weighted_kl(
    student: Tensor,
    teacher: Tensor,
    positive: Tensor,
    gamma: float = 2.0,
    beta: Tensor | float = 0.0,
) -> Tensor:
    """Compute a KL divergence over lists, with weights by the student's progress.

    sum over positives (1-q)^gamma p ln(p/q) + sum over negatives q^(gamma-beta) p ln(p/q), with p
    of the teacher and q of the student by softmax over the list. Positives with a high q have a low
    weight, and, if gamma > beta, negatives with a low q. The loss may be negative: it is not
    clamped.

    Args:
        student: (B, N) logits.
        teacher: (B, N) logits.
        positive: (B, N) bool.
        gamma: The exponent.
        beta: A number or (B, N), by rank for instance.

    Source: CKL, arXiv 2406.05977; the form is reconstructed, its gamma and beta were not recovered.
    """
    if not student.shape == teacher.shape == positive.shape:
        raise ValueError(
            f"three of (B, N), not {[tuple(x.shape) for x in (student, teacher, positive)]}"
        )
    log_q, log_p = log_softmax(student, -1), log_softmax(teacher, -1)
    q, p = log_q.exp(), log_p.exp()
    weight = torch.where(positive, (1 - q) ** gamma, q ** (gamma - beta))
    return (weight * p * (log_p - log_q)).sum(-1).mean()


# DSE: pairs of embeddings


def pair_features(first: Tensor, second: Tensor) -> Tensor:
    """Return (B, 4d) features [u, v, u v, |u - v|] of embeddings (B, d), for DSE's head.

    Source: Barkan et al. 2020, arXiv 1908.05161.
    """
    return torch.cat([first, second, first * second, (first - second).abs()], -1)


def dse(
    student: Tensor, teacher: Tensor, labels: Tensor | None = None, weight: float = 0.5
) -> Tensor:
    """Compute (1-w) CE(labels, student) + w mean_B sum_c (s_c - t_c)^2.

    Args:
        student: (B, C) logits.
        teacher: (B, C) logits.
        labels: (B,) class indices; without labels the loss is the second term, with weight 1.
        weight: w.

    Source: Barkan et al. 2020, arXiv 1908.05161.
    """
    _check_same_shape(student, teacher)
    distance = (student - teacher).square().sum(-1).mean()
    if labels is None:
        return distance
    return (1 - weight) * cross_entropy(student, labels) + weight * distance


# MixKD: mixed embeddings


@dataclass(frozen=True)
class MixedRows:
    """Rows that are mixed with others.

    Attributes:
        embeddings: (B, T, d) mixed embeddings.
        labels: (B, C) mixed labels.
        share: (B,) lambda, the share of a row in its own mixture.
        partner: (B,) the other row of each mixture.
    """

    embeddings: Tensor
    labels: Tensor
    share: Tensor
    partner: Tensor


def mix(
    embeddings: Tensor,
    labels: Tensor,
    concentration: float = 0.4,
    generator: torch.Generator | None = None,
) -> MixedRows:
    """Mix rows: x' = lambda x_i + (1-lambda) x_j, y' likewise, lambda ~ Beta(a, a).

    Args:
        embeddings: (B, T, d).
        labels: (B, C), one-hot or soft.
        concentration: a.
        generator: Draws lambda and the partners.

    Source: Liang et al. 2021, arXiv 2011.00593; the form is from memory.
    """
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
    """Compute CE(labels, s(x)) + a CE(s(x'), y') + b mean (t(x') - s(x'))^2.

    Args:
        student: (B, C) logits of the rows.
        labels: (B,) class indices.
        mixed_student: (B, C) logits of the mixed rows.
        mixed_teacher: (B, C) logits of the mixed rows.
        mixed_labels: (B, C) mixed labels.
        on_labels: a.
        on_teacher: b.

    Source: Liang et al. 2021, arXiv 2011.00593.
    """
    return (
        cross_entropy(student, labels)
        + on_labels * soft_cross_entropy(mixed_student, mixed_labels)
        + on_teacher * (mixed_teacher - mixed_student).square().mean()
    )


def _between(values: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    weight = share.to(values).reshape(-1, *[1] * (values.dim() - 1))
    return weight * values + (1 - weight) * values[partner]


def _beta(rows: int, concentration: float, generator: torch.Generator | None) -> Tensor:
    """Draw Beta(a, a) as a share of two gammas: torch's own Beta takes no generator."""
    if concentration <= 0:
        raise ValueError(f"concentration must be above 0, not {concentration}")
    both = torch._standard_gamma(
        torch.full((2, rows), concentration, dtype=torch.float64), generator=generator
    )
    return both[0] / both.sum(0).clamp_min(torch.finfo(torch.float64).tiny)


# Supervised contrastive: texts of one class are drawn together


def supervised_contrastive(
    vectors: Tensor, labels: Tensor, weights: Tensor, tau: float = 0.1
) -> Tensor:
    """Draw texts of one class together, and those of others apart.

    Weighted mean, over the texts i that have others P(i) of their class in the batch, of -1/|P(i)|
    sum_p ln( exp(u_i u_p / tau) / sum_{a != i} exp(u_i u_a / tau) ); 0 if no class has two texts.

    Args:
        vectors: (B, d) vectors of length 1.
        labels: (B,) class indices.
        weights: (B,) weights.
        tau: Divides the cosines.

    Source: Khosla et al. 2020, arXiv 2004.11362, equation 2.
    """
    itself = torch.eye(len(labels), dtype=torch.bool, device=vectors.device)
    cosines = (vectors @ vectors.T / tau).masked_fill(itself, -math.inf)
    logs = log_softmax(cosines, 1).masked_fill(itself, 0.0)
    same = (labels[:, None] == labels[None, :]) & ~itself
    others = same.sum(1)
    each = -(logs * same).sum(1) / others.clamp_min(1)
    weight = weights * (others > 0)
    return (each * weight).sum() / weight.sum().clamp_min(1e-12)


# QCRD: rationales that won and lost a vote

Pick = Literal["nearest", "farthest"]


def token_cross_entropy(logits: Tensor, tokens: Tensor, ignore: int = -100) -> Tensor:
    """Return (N,) mean cross-entropies of rationales, in nats a token.

    Args:
        logits: (N, T, V); `logits[:, t]` must already predict `tokens[:, t]`.
        tokens: (N, T).
        ignore: Tokens that do not count. A rationale with no other token gives 0.
    """
    each = cross_entropy(logits.transpose(1, 2), tokens, ignore_index=ignore, reduction="none")
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
    """Compute mean_i [s+ l+ - beta (1 - s-) l-], the contrastive loss of QCRD.

    l+ = min_j CE+ over the question's positives; l- = min(CE- - delta, 0) for one negative. The
    second term raises a negative's cross-entropy up to `delta`, and has no gradient beyond. A
    question without negatives has the first term alone, one without positives the second.

    Args:
        positive: (B, P) cross-entropies of `token_cross_entropy`; NaN or inf pads.
        negative: (B, N) cross-entropies; NaN or inf pads.
        positive_quality: (B, P) s+ in [0, 1], of the discriminator.
        negative_quality: (B, N) s- in [0, 1].
        beta: Weight of the negatives.
        delta: The margin, in nats a token.
        pick: The negative: that of the least cross-entropy (`nearest`) or of the greatest; the
            paper's text says both.

    Source: arXiv 2405.13014; the form is reconstructed.
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
    """Return whether a row has a finite value, and the place of its least or greatest one."""
    finite = torch.isfinite(values)
    if pick == "nearest":
        place = values.masked_fill(~finite, float("inf")).argmin(1)
    elif pick == "farthest":
        place = values.masked_fill(~finite, float("-inf")).argmax(1)
    else:
        raise ValueError(f"pick must be nearest or farthest, not {pick!r}")
    return finite.any(1), place


def _at(values: Tensor, place: Tensor) -> Tensor:
    """Return one value of each row, 0 if it is not finite: no NaN may reach a gradient."""
    chosen = values.gather(1, place[:, None]).squeeze(1)
    return torch.where(torch.isfinite(chosen), chosen, torch.zeros_like(chosen))


# Shared by several losses


def _log_probabilities(logits: Tensor, temperature: float) -> Tensor:
    if temperature <= 0:
        raise ValueError(f"temperature must be above 0, not {temperature}")
    return log_softmax(logits / temperature, -1)


def _divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return KL(p || q); a term with p = 0 (a masked token) and its gradient are 0, whatever q."""
    p = log_p.exp()
    return (p * torch.where(p > 0, log_p - log_q, torch.zeros_like(p))).sum(-1).mean()


def _check_same_shape(student: Tensor, teacher: Tensor) -> None:
    if student.shape != teacher.shape:
        raise ValueError(
            f"student is {tuple(student.shape)}, teacher {tuple(teacher.shape)}: they must agree"
        )


def _check_matrices(student: Tensor, teacher: Tensor) -> None:
    if student.shape != teacher.shape or student.dim() != 2:
        raise ValueError(f"(B, C) twice, not {tuple(student.shape)} and {tuple(teacher.shape)}")
