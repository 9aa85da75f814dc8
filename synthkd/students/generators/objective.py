"""What the training of a generator student makes small."""

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
    """What is made small. ``grouped``: a batch holds whole questions."""

    grouped: bool

    def __call__(
        self, sums: Tensor, tokens: Tensor, weights: Tensor, examples: Sequence[Example], model: Any
    ) -> Tensor:
        """The loss of a batch (scalar), from summed cross-entropies (B,), tokens (B,), weights (B,) and the examples."""
        ...


class CrossEntropy:
    """Mean cross-entropy of the tokens that are to be written, each weighted as its example; nats a token."""

    grouped = False

    def __call__(
        self, sums: Tensor, tokens: Tensor, weights: Tensor, examples: Sequence[Example], model: Any
    ) -> Tensor:
        return (weights * sums).sum() / (weights * tokens).sum()


def completion_loss(model: Any, batch: dict[str, Tensor], picks: bool = False) -> tuple[Tensor, Tensor]:
    """Summed cross-entropy (B,) of each completion in nats, and its tokens (B,), the end among them.

    ``picks``: the model can give logits at chosen places alone (`picks_places`), which spares those of the prompt.
    """
    labels = batch["labels"]
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    if is_seq2seq(model):
        before = _inner(model).prepare_decoder_input_ids_from_labels(labels)
        logits = model(**inputs, decoder_input_ids=before, use_cache=False).logits
        counted, after = labels != IGNORE, labels
        logits = logits[counted]
    else:
        # The token at t + 1 is told by the logits at t.
        after = torch.nn.functional.pad(labels[:, 1:], (0, 1), value=IGNORE)
        counted = after != IGNORE
        if picks:
            logits = model(**inputs, logits_to_keep=counted, use_cache=False).logits
            logits = logits.reshape(-1, logits.shape[-1])
        else:
            logits = model(**inputs, use_cache=False).logits[counted]
    each = cross_entropy(logits.float(), after[counted], reduction="none")
    sums = each.new_zeros(len(labels)).index_add(0, counted.nonzero()[:, 0], each)
    return sums, counted.sum(1)


def is_seq2seq(model: Any) -> bool:
    """Whether what is read goes to an encoder of its own."""
    return bool(_inner(model).config.is_encoder_decoder)


def _inner(model: Any) -> Any:
    """The model itself, should training on several devices have wrapped it."""
    return getattr(model, "module", model)


@torch.no_grad()  # type: ignore[untyped-decorator]
def selects_logits(model: Any) -> bool:
    """Whether a causal model gives logits at the places of a mask (B, T) alone: newer transformers do, for most."""
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
        some.numel() == 3 * every.shape[-1] and torch.allclose(some.reshape(3, -1), every[mask], atol=1e-4)
    )


@torch.no_grad()  # type: ignore[untyped-decorator]
def row_losses(model: Any, coded: TokenizedExamples, pad: int, size: int, picks: bool) -> tuple[Any, Any]:
    """(n,) summed cross-entropy of each example in nats, and (n,) its tokens."""
    was = model.training
    model.eval()
    sums, tokens = np.zeros(len(coded)), np.zeros(len(coded))
    for rows in batches_by_length(coded.lengths, size):
        batch = collate(coded, rows, pad, is_seq2seq(model))
        batch = {name: value.to(model.device) for name, value in batch.items()}
        found, many = completion_loss(model, batch, picks)
        sums[rows], tokens[rows] = found.double().cpu().numpy(), many.cpu().numpy()
    model.train(was)
    return sums, tokens
