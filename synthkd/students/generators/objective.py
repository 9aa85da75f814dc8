"""Training objectives of a generator, and the cross-entropy of completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from synthkd.students.generators.batches import IGNORE, batches_by_length, collate
from synthkd.students.generators.examples import Example
from synthkd.students.generators.tokens import TokenizedExamples


class Objective(Protocol):
    """A training objective.

    Attributes:
        grouped: A batch holds all examples of its questions.
    """

    grouped: bool

    def __call__(
        self, sums: Tensor, tokens: Tensor, weights: Tensor, examples: Sequence[Example], model: Any
    ) -> Tensor:
        """Return the loss of a batch, a scalar.

        Args:
            sums: (B,) summed cross-entropies, in nats.
            tokens: (B,) tokens of the completions.
            weights: (B,) weights.
            examples: The examples, unless the objective is `CrossEntropy`.
            model: The model that is trained.
        """
        ...

    def record(self) -> dict[str, Any]:
        """Return settings and figures for the student's card."""
        ...


class CrossEntropy:
    """Mean cross-entropy of the completions' tokens, weighted as their examples; nats a token."""

    grouped = False

    def __call__(
        self, sums: Tensor, tokens: Tensor, weights: Tensor, examples: Sequence[Example], model: Any
    ) -> Tensor:
        return (weights * sums).sum() / (weights * tokens).sum()

    def record(self) -> dict[str, Any]:
        return {}


def completion_loss(
    model: Any, batch: dict[str, Tensor], select: bool = False
) -> tuple[Tensor, Tensor]:
    """Return (B,) summed cross-entropies in nats, and (B,) tokens of the completions.

    Args:
        model: The model.
        batch: The tensors of `collate`.
        select: Compute logits at the completion only; the model must support that
            (`selects_logits`).
    """
    labels = batch["labels"]
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    if is_seq2seq(model):
        before = _inner(model).prepare_decoder_input_ids_from_labels(labels)
        logits = model(**inputs, decoder_input_ids=before, use_cache=False).logits
        counted, after = labels != IGNORE, labels
        logits = logits[counted]
    else:
        # The logits at t predict the token at t + 1.
        after = torch.nn.functional.pad(labels[:, 1:], (0, 1), value=IGNORE)
        counted = after != IGNORE
        if select:
            logits = model(**inputs, logits_to_keep=counted, use_cache=False).logits
            logits = logits.reshape(-1, logits.shape[-1])
        else:
            logits = model(**inputs, use_cache=False).logits[counted]
    each = cross_entropy(logits.float(), after[counted], reduction="none")
    sums = each.new_zeros(len(labels)).index_add(0, counted.nonzero()[:, 0], each)
    return sums, counted.sum(1)


def is_seq2seq(model: Any) -> bool:
    """Return True if the model has an encoder of its own for the prompt."""
    return bool(_inner(model).config.is_encoder_decoder)


def _inner(model: Any) -> Any:
    """Return the model within a wrapper of distributed training."""
    return getattr(model, "module", model)


@torch.no_grad()  # type: ignore[untyped-decorator]
def selects_logits(model: Any) -> bool:
    """Return True if a causal model computes logits at the True places of a mask (B, T) only."""
    if is_seq2seq(model):
        return False
    ids = torch.ones((2, 3), dtype=torch.long, device=model.device)
    mask = torch.tensor([[True, False, False], [False, True, True]], device=model.device)
    was = model.training
    model.eval()
    try:
        some = model(input_ids=ids, logits_to_keep=mask, use_cache=False).logits
        every = model(input_ids=ids, use_cache=False).logits
    except (TypeError, RuntimeError, IndexError, ValueError):
        return False
    finally:
        model.train(was)
    return bool(
        some.numel() == 3 * every.shape[-1]
        and torch.allclose(some.reshape(3, -1), every[mask], atol=1e-4)
    )


@torch.no_grad()  # type: ignore[untyped-decorator]
def row_losses(
    model: Any, coded: TokenizedExamples, pad: int, size: int, select: bool
) -> tuple[Any, Any]:
    """Return (n,) summed cross-entropies in nats, and (n,) tokens of the completions."""
    was = model.training
    model.eval()
    sums, tokens = np.zeros(len(coded)), np.zeros(len(coded))
    for rows in batches_by_length(coded.lengths, size):
        batch = collate(coded, rows, pad, is_seq2seq(model))
        batch = {name: value.to(model.device) for name, value in batch.items()}
        batch_sums, batch_tokens = completion_loss(model, batch, select)
        sums[rows], tokens[rows] = batch_sums.double().cpu().numpy(), batch_tokens.cpu().numpy()
    model.train(was)
    return sums, tokens
