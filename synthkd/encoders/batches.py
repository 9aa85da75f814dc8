"""Rows of like length together: padding is work that nobody reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

#: A text, and a second text that the encoder reads beside the first.
TextPair = tuple[str, str | None]
Ints = np.ndarray[Any, np.dtype[np.int64]]
#: Rows of a training bucket, in batches: long enough to find rows of like length, short enough to stay mixed.
_BUCKET = 40
#: Rows of a batch of a scoring on a CPU: what is computed stays in its cache, and few rows are scored in vain at the end.
ROWS = 8
#: Places (rows times tokens) in such a batch on an accelerator.
ACCELERATED = 16_384
#: Widths of batches of a scoring are multiples of so many tokens.
_STEP = 4


class TokenizedTexts:
    """Texts as token ids: ``fields`` holds the tokenizer's lists, ``lengths`` (n,) how many tokens each has."""

    def __init__(self, tokenizer: Any, texts: Sequence[TextPair], max_length: int) -> None:
        left = [first for first, _ in texts]
        right = (
            [second or "" for _, second in texts] if any(second is not None for _, second in texts) else None
        )
        self.tokenizer, self.max_length = tokenizer, max_length
        # With padding before a text its tokens would have other positions in each batch.
        tokenizer.padding_side = "right"
        self.fields: dict[str, list[list[int]]] = dict(
            tokenizer(left, right, truncation=True, max_length=max_length) if left else {"input_ids": []}
        )
        self.lengths: Ints = np.array([len(ids) for ids in self.fields["input_ids"]], dtype=np.int64)

    def batch(self, chosen: Ints, device: str) -> dict[str, Any]:
        """Tensors of the chosen rows, padded to the longest of them."""
        return self._tensors(chosen, device)

    def scoring(self, device: str, rows: Ints | None = None) -> Iterator[tuple[Ints, dict[str, Any]]]:
        """Places among the rows, the longest first, and tensors whose first rows are theirs.

        Batches of one width have one shape, filled with copies of a row: how a matrix product is summed depends on
        its shape, and a row's score must not depend on the rows beside it.
        """
        rows = np.arange(len(self.lengths)) if rows is None else rows
        widths = np.minimum(-(-self.lengths[rows] // _STEP) * _STEP, self.max_length)
        for width in np.unique(widths)[::-1].tolist():
            here, size = np.flatnonzero(widths == width), ROWS
            if not device.startswith("cpu"):
                size *= max(1, ACCELERATED // width // ROWS)
            for start in range(0, len(here), size):
                places = here[start : start + size]
                filled = np.concatenate([places, np.repeat(places[:1], size - len(places))])
                yield places, self._tensors(rows[filled], device, width)

    def _tensors(self, chosen: Ints, device: str, width: int | None = None) -> dict[str, Any]:
        part = {name: [values[i] for i in chosen] for name, values in self.fields.items()}
        padding = "longest" if width is None else "max_length"
        return dict(
            self.tokenizer.pad(part, padding=padding, max_length=width, return_tensors="pt").to(device)
        )


def training_batches(lengths: Ints, size: int, rng: np.random.Generator) -> list[Ints]:
    """Batches in random order; each is of like lengths, and which rows meet changes with every epoch."""
    order = rng.permutation(len(lengths))
    found: list[Ints] = []
    for start in range(0, len(order), size * _BUCKET):
        bucket = order[start : start + size * _BUCKET]
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        found += [bucket[at : at + size] for at in range(0, len(bucket), size)]
    rng.shuffle(found)
    return found


def batches_by_tokens(lengths: Ints, places: int = 4096) -> Iterator[Ints]:
    """Batches from the longest rows to the shortest, each as many rows as fit into so many places."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, places // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size


Floats = np.ndarray[Any, np.dtype[np.float64]]
#: What a module's `forward` takes.
NAMES = ("input_ids", "attention_mask", "token_type_ids")


def encodable_texts(texts: Sequence[str], bare: bool) -> list[str]:
    """The texts with question marks for halves of characters; ``bare``: with a full stop for an empty one, where nothing is
    put around a text, which would have no token then."""
    found = [text if text.isascii() else text.encode("utf-8", "replace").decode() for text in texts]
    return [text if text.strip() else "." for text in found] if bare else found


def tokenizable_texts(tokenizer: Any, texts: Sequence[str]) -> list[str]:
    """The texts as a tokenizer takes them."""
    return encodable_texts(texts, not tokenizer("")["input_ids"])


def tokenize_texts(tokenizer: Any, texts: Sequence[str], max_length: int) -> TokenizedTexts:
    """Token ids of texts, cut at ``max_length``; only the fields that the module takes."""
    found = TokenizedTexts(
        tokenizer, [(text, None) for text in tokenizable_texts(tokenizer, texts)], max_length
    )
    found.fields = {name: values for name, values in found.fields.items() if name in NAMES}
    return found


def forward_in_batches(
    module: Any,
    call: Callable[[Mapping[str, Any]], Any],
    rows: TokenizedTexts,
    device: str,
    chosen: Ints | None = None,
) -> Floats:
    """(n, width) what ``call`` gives for the fields of the chosen rows, in their order; computed in fp32."""
    import torch

    places = np.arange(len(rows.lengths)) if chosen is None else chosen
    found: list[Any] = [None] * len(places)
    was = module.training
    module.train(False)
    try:
        with torch.inference_mode():
            for batch in batches_by_tokens(rows.lengths[places]):
                values = call(rows.batch(places[batch], device)).double().cpu().numpy()
                for place, value in zip(batch, values, strict=True):
                    found[place] = value
    finally:
        module.train(was)
    return np.array(found, dtype=np.float64)
