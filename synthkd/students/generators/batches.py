"""Batches of tokenised examples of similar length, and their tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from synthkd.students.base import Ints
from synthkd.students.generators.tokens import TokenizedExamples

#: Batches that are sorted by length together: enough for little padding, few enough to stay mixed.
_BUCKET = 64
#: Label of tokens that the loss ignores.
IGNORE = -100


class EpochBatches:
    """The batches of an epoch; each epoch has its own order, drawn from the seed.

    Args:
        lengths: (n,) tokens of the examples.
        size: Examples of a batch, or groups.
        seed: Draws the orders.
        groups: (n,) numbers; examples of one number stay together (a question with its positives
            and negatives).
    """

    def __init__(self, lengths: Ints, size: int, seed: int = 0, groups: Ints | None = None) -> None:
        self.size, self.seed, self.epoch = size, seed, 0
        self._units: list[Ints] | None = None
        self._longest = lengths
        if groups is not None and len(groups):
            order = np.argsort(groups, kind="stable")
            self._units = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
            self._longest = np.array([lengths[unit].max() for unit in self._units], np.int64)

    def __len__(self) -> int:
        return -(-len(self._longest) // self.size)

    def set_epoch(self, epoch: int) -> None:
        """Set the number of the next epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        self.epoch += 1
        order = rng.permutation(len(self._longest))
        window = self.size * _BUCKET
        buckets = [order[i : i + window] for i in range(0, len(order), window)]
        ordered = np.concatenate(
            [bucket[np.argsort(self._longest[bucket], kind="stable")] for bucket in buckets]
        )
        batches = [ordered[i : i + self.size] for i in range(0, len(ordered), self.size)]
        for place in rng.permutation(len(batches)):
            members = batches[place]
            yield (
                members.tolist()
                if self._units is None
                else [int(i) for unit in members for i in self._units[unit]]
            )


def batches_by_length(lengths: Sequence[int] | Ints, size: int) -> list[Ints]:
    """Return indices in batches of at most `size`, the shortest first."""
    order = np.argsort(np.asarray(lengths), kind="stable")
    return [order[i : i + size] for i in range(0, len(order), size)]


def collate(
    coded: TokenizedExamples, rows: Sequence[int] | Ints, pad: int, seq2seq: bool
) -> dict[str, Any]:
    """Return the tensors of a batch, padded on the right.

    Args:
        coded: Tokenised examples.
        rows: (B,) indices in `coded`.
        pad: The padding token.
        seq2seq: The model has an encoder of its own for the prompt.

    Returns:
        `input_ids` and `attention_mask` (B, T); `labels`, for a decoder (B, T) with `IGNORE` at the
        prompt, for an encoder-decoder (B, U) the completion; `rows` (B,); `weights` (B,).
    """
    import torch

    part = coded.take(rows)
    written = part.lengths - part.prompt_lengths
    if seq2seq:
        read = _padded(part, np.zeros(len(part), np.int64), part.prompt_lengths, pad)
        labels = _padded(part, part.prompt_lengths, written, IGNORE)
    else:
        read = _padded(part, np.zeros(len(part), np.int64), part.lengths, pad)
        labels = np.where(
            np.arange(read.shape[1])[None] < part.prompt_lengths[:, None], IGNORE, read
        )
        labels[np.arange(read.shape[1])[None] >= part.lengths[:, None]] = IGNORE
    sizes = part.prompt_lengths if seq2seq else part.lengths
    mask = (np.arange(read.shape[1])[None] < sizes[:, None]).astype(np.int64)
    return {
        "input_ids": torch.from_numpy(read),
        "attention_mask": torch.from_numpy(mask),
        "labels": torch.from_numpy(labels),
        "rows": torch.from_numpy(np.asarray(rows, np.int64)),
        "weights": torch.from_numpy(part.weights.astype(np.float32)),
    }


def _padded(part: TokenizedExamples, offsets: Ints, sizes: Ints, fill: int) -> Ints:
    """Return (n, longest): `sizes` tokens of each example, from an offset on."""
    width = int(sizes.max(initial=1))
    places = np.arange(width)[None]
    padded = np.full((len(part), width), fill, np.int64)
    inside = places < sizes[:, None]
    where = (part.starts[:-1] + offsets)[:, None] + places
    padded[inside] = part.ids[where[inside]]
    return padded
