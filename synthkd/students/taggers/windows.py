"""Texts as windows of tokens: a long text has several, which overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from synthkd.encoders.batches import CLASSIFIER_FIELDS, Ints, encodable_texts
from synthkd.students.taggers.units import UNLABELLED, Places


class TextWindows:
    """Windows of token ids, and the token that stands for each unit of each text.

    A unit is read at its first token, in the window in which that token is farthest from an edge.

    Attributes:
        fields: The tokenizer's lists, by name, of each window.
        lengths: (w,) tokens of each window.
        text_of: (w,) index of the text of each window.
        units: Of each window its units: (k, 2) token position and number of the unit in the text.
        cut: Texts of more than one window.
    """

    def __init__(
        self,
        tokenizer: Any,
        texts: Sequence[str],
        units: Sequence[Places],
        length: int,
        shared: int,
    ) -> None:
        tokenizer.padding_side = "right"
        self.tokenizer = tokenizer
        # A replaced character is one character too, so that places stay.
        encoded = tokenizer(
            [text or "." for text in encodable_texts(texts, fill_empty=False)],
            truncation=True, max_length=length, stride=min(shared, (length - 2) // 2),
            return_overflowing_tokens=True, return_offsets_mapping=True,
        ) if texts else {"input_ids": []}  # fmt: skip
        count = len(encoded["input_ids"])
        self.fields = {name: encoded[name] for name in CLASSIFIER_FIELDS if name in encoded}
        self.lengths: Ints = np.array([len(ids) for ids in encoded["input_ids"]], dtype=np.int64)
        self.text_of: Ints = np.array(
            encoded["overflow_to_sample_mapping"] if count else [], dtype=np.int64
        )
        self.cut = int((np.bincount(self.text_of, minlength=1) > 1).sum()) if count else 0
        self._offsets = encoded["offset_mapping"] if count else []
        self.units = self._assigned(units)

    def _assigned(self, units: Sequence[Places]) -> list[Ints]:
        """Give each unit its token: the best of all windows that have it."""
        best: dict[tuple[int, int], tuple[int, int, int]] = {}
        for window, text in enumerate(self.text_of.tolist()):
            places, number, last = self._offsets[window], 0, -1
            tokens = [i for i, (start, end) in enumerate(places) if end > start]
            for rank, token in enumerate(tokens):
                start, end = places[token]
                while number < len(units[text]) and units[text][number][1] <= start:
                    number += 1
                if number == len(units[text]):
                    break
                # Later tokens of a unit do not stand for it.
                if number != last and units[text][number][0] < end:
                    last, margin = number, min(rank, len(tokens) - rank)
                    if (text, number) not in best or margin > best[text, number][0]:
                        best[text, number] = (margin, window, token)
        assigned: list[list[tuple[int, int]]] = [[] for _ in self.lengths]
        for (_, number), (_, window, token) in sorted(best.items()):
            assigned[window].append((token, number))
        return [np.array(one, dtype=np.int64).reshape(-1, 2) for one in assigned]

    def tensors(self, rows: Ints, device: str) -> dict[str, Any]:
        """Return the padded tensors of some windows."""
        part = {name: [values[row] for row in rows] for name, values in self.fields.items()}
        return dict(self.tokenizer.pad(part, padding="longest", return_tensors="pt").to(device))

    def positions(self, rows: Ints) -> tuple[Ints, Ints]:
        """Return the (u,) row in the batch and the (u,) token of the units of some windows."""
        parts = [self.units[row] for row in rows]
        batch = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        tokens = np.concatenate([part[:, 0] for part in parts]) if parts else batch
        return batch, tokens

    def labels(self, rows: Ints, labels: Sequence[Ints]) -> Ints:
        """Return the (u,) labels of the units of some windows, in the order of `positions`."""
        parts = [labels[self.text_of[row]][self.units[row][:, 1]] for row in rows]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def gather(self, values: Sequence[Any], counts: Sequence[int], width: int) -> list[Any]:
        """Return (n, width) values of the units of each text from those of each window.

        A unit without a token, such as a character that the tokenizer drops, has zeros.
        """
        texts = [np.zeros((count, width)) for count in counts]
        for window, text in enumerate(self.text_of.tolist()):
            if len(self.units[window]):
                texts[text][self.units[window][:, 1]] = values[window]
        return texts


def has_labels(labels: Ints) -> bool:
    """Return True if a unit has a label that a loss can be taken of."""
    return bool((labels != UNLABELLED).any())
