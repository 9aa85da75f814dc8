"""Rows of like length together: padding is work that nobody reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from synthkd.critics.encoder.texts import Pair

Ints = np.ndarray[Any, np.dtype[np.int64]]
#: Rows of a training bucket, in batches: long enough to find rows of like length, short enough to stay mixed.
_BUCKET = 40
#: Places (rows times the longest row's tokens) in one batch of a scoring.
PLACES = 4096


class Encoded:
    """Texts as token ids: ``fields`` holds the tokenizer's lists, ``lengths`` (n,) how many tokens each has."""

    def __init__(self, tokenizer: Any, texts: Sequence[Pair], max_length: int) -> None:
        left = [first for first, _ in texts]
        right = (
            [second or "" for _, second in texts] if any(second is not None for _, second in texts) else None
        )
        self.tokenizer = tokenizer
        self.fields: dict[str, list[list[int]]] = dict(
            tokenizer(left, right, truncation=True, max_length=max_length) if left else {"input_ids": []}
        )
        self.lengths: Ints = np.array([len(ids) for ids in self.fields["input_ids"]], dtype=np.int64)

    def batch(self, chosen: Ints, device: str) -> dict[str, Any]:
        """Tensors of the chosen rows, padded to the longest of them."""
        part = {name: [values[i] for i in chosen] for name, values in self.fields.items()}
        return dict(self.tokenizer.pad(part, padding=True, return_tensors="pt").to(device))


def for_training(lengths: Ints, size: int, rng: np.random.Generator) -> list[Ints]:
    """Batches in random order; each is of like lengths, and which rows meet changes with every epoch."""
    order = rng.permutation(len(lengths))
    found: list[Ints] = []
    for start in range(0, len(order), size * _BUCKET):
        bucket = order[start : start + size * _BUCKET]
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        found += [bucket[at : at + size] for at in range(0, len(bucket), size)]
    rng.shuffle(found)
    return found


def for_scoring(lengths: Ints, places: int = PLACES) -> Iterator[Ints]:
    """Batches from the longest rows to the shortest, each as many rows as fit into so many places."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, places // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size
