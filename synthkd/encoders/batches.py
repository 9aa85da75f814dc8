"""Tokenise texts, and put texts of similar length into one batch, so that little is padded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

#: A text, and a second text that the encoder reads beside the first.
TextPair = tuple[str, str | None]
Ints = np.ndarray[Any, np.dtype[np.int64]]
#: Batches that are sorted by length together: enough for little padding, few enough to stay mixed.
_BUCKET = 40
#: Rows of a scoring batch on a CPU: the activations fit into its cache.
ROWS = 8
#: Tokens, padding included, of a scoring batch on an accelerator.
ACCELERATOR_TOKENS = 16_384
#: Widths of scoring batches are multiples of this many tokens.
_WIDTH_STEP = 4
#: Tokenizer fields that the `forward` of a classifier takes.
CLASSIFIER_FIELDS = ("input_ids", "attention_mask", "token_type_ids")


class TokenizedTexts:
    """Texts as token ids.

    Attributes:
        fields: The tokenizer's lists, by name.
        lengths: (n,) tokens of each text.
    """

    def __init__(self, tokenizer: Any, texts: Sequence[TextPair], max_length: int) -> None:
        first = [text for text, _ in texts]
        second = (
            [other or "" for _, other in texts]
            if any(other is not None for _, other in texts)
            else None
        )
        self.tokenizer, self.max_length = tokenizer, max_length
        # With padding on the left a token's position would depend on the batch.
        tokenizer.padding_side = "right"
        self.fields: dict[str, list[list[int]]] = dict(
            tokenizer(first, second, truncation=True, max_length=max_length)
            if first
            else {"input_ids": []}
        )
        self.lengths: Ints = np.array(
            [len(ids) for ids in self.fields["input_ids"]], dtype=np.int64
        )

    def tensors(self, rows: Ints, device: str, width: int | None = None) -> dict[str, Any]:
        """Return the tensors of some rows, padded to the longest of them or to `width` tokens."""
        part = {name: [values[row] for row in rows] for name, values in self.fields.items()}
        padding = "longest" if width is None else "max_length"
        return dict(
            self.tokenizer.pad(part, padding=padding, max_length=width, return_tensors="pt").to(
                device
            )
        )

    def fixed_shape_batches(
        self, device: str, rows: Ints | None = None
    ) -> Iterator[tuple[Ints, dict[str, Any]]]:
        """Yield batches whose shape depends on their width alone, the widest first.

        The order of summation in a matrix product depends on its shape, and a row's score must not
        depend on the rows beside it: a batch that is not full is filled with copies of a row.

        Yields:
            The indices of the batch among `rows`, and tensors whose first rows are these.
        """
        rows = np.arange(len(self.lengths)) if rows is None else rows
        widths = np.minimum(-(-self.lengths[rows] // _WIDTH_STEP) * _WIDTH_STEP, self.max_length)
        for width in np.unique(widths)[::-1].tolist():
            members, size = np.flatnonzero(widths == width), ROWS
            if not device.startswith("cpu"):
                size *= max(1, ACCELERATOR_TOKENS // width // ROWS)
            for start in range(0, len(members), size):
                batch = members[start : start + size]
                filled = np.concatenate([batch, np.repeat(batch[:1], size - len(batch))])
                yield batch, self.tensors(rows[filled], device, width)


def tokenize_texts(tokenizer: Any, texts: Sequence[str], max_length: int) -> TokenizedTexts:
    """Tokenise texts for a classifier, cut at `max_length`."""
    pairs: list[TextPair] = [(text, None) for text in tokenizable_texts(tokenizer, texts)]
    tokenized = TokenizedTexts(tokenizer, pairs, max_length)
    tokenized.fields = {
        name: values for name, values in tokenized.fields.items() if name in CLASSIFIER_FIELDS
    }
    return tokenized


def tokenizable_texts(tokenizer: Any, texts: Sequence[str]) -> list[str]:
    """Replace what a tokenizer cannot take (see `encodable_texts`)."""
    return encodable_texts(texts, fill_empty=not tokenizer("")["input_ids"])


def encodable_texts(texts: Sequence[str], fill_empty: bool) -> list[str]:
    """Replace lone surrogates by question marks.

    Args:
        texts: The texts.
        fill_empty: Write a full stop for a blank text: a tokenizer without special tokens would
            give no token.
    """
    encodable = [
        text if text.isascii() else text.encode("utf-8", "replace").decode() for text in texts
    ]
    return [text if text.strip() else "." for text in encodable] if fill_empty else encodable


def training_batches(lengths: Ints, size: int, rng: np.random.Generator) -> list[Ints]:
    """Return an epoch's batches in random order, each of rows of similar length.

    Rows are drawn into buckets first, so that other rows meet in every epoch.
    """
    order = rng.permutation(len(lengths))
    batches: list[Ints] = []
    for start in range(0, len(order), size * _BUCKET):
        bucket = order[start : start + size * _BUCKET]
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        batches += [bucket[at : at + size] for at in range(0, len(bucket), size)]
    rng.shuffle(batches)
    return batches


def batches_by_tokens(lengths: Ints, tokens: int = 4096) -> Iterator[Ints]:
    """Yield batches of at most `tokens` tokens with padding, the longest rows first."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, tokens // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size
