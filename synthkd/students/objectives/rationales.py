"""QCRD: rationales that won the vote are to be likely, those that lost it are to be no likelier than a bound."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

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
