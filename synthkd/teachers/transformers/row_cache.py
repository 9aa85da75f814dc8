"""Keys and values of rows that come and go during generation, in memory that is kept.

        columns   begin                      end
    row 0         [ prompt and tokens so far ]
    row 1              [ prompt and tokens   ]     all rows end in one column
    row 2                     [ prompt, …    ]

A step writes one column, so it copies nothing but what is new; a row that ends gives its place to
the last one. Since rows end in one column, a sliding window covers the right tokens of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer

#: Columns and rows that are reserved beyond what is needed, as a share.
_MORE = 0.25


class RowCache(Cache):  # type: ignore[misc]
    """A key-value cache for rows of different lengths.

    Attributes:
        rows: Number of rows.
        begin: First column that a row has.
        end: Column after the last token of all rows.
        starts: First column of each row.
    """

    def __init__(self) -> None:
        super().__init__(layer_class_to_replicate=partial(_RowLayer, self))
        self.begin = self.end = 0
        self.starts: list[int] = []
        self._columns = self._places = 0

    @property
    def rows(self) -> int:
        return len(self.starts)

    def masks(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mask (rows, columns) and the positions (rows, 1) of the next step."""
        starts = torch.tensor(self.starts, device=device)[:, None]
        columns = torch.arange(self.begin, self.end + 1, device=device)
        return (columns >= starts).long(), self.end - starts

    def advance(self) -> None:
        """Count the column that a step has written."""
        self.end += 1

    def reserve(self, rows: int, length: int, tokens: int) -> None:
        """Make room for rows.

        Args:
            rows: How many more.
            length: Tokens of the longest of them.
            tokens: Tokens that a row may still get.
        """
        if not self.rows:
            self.begin = self.end = 0
        # To the left as far as nothing is lost and the longest new row fits; to the right if it
        # does not fit otherwise.
        shift = max(length - self.end, -self.begin)
        if self.end + shift + tokens > self._columns or self.rows + rows > self._places:
            self._grow(self.rows + rows, self.end + shift + tokens, shift)
        elif shift > 0 or self.end + tokens > self._columns:
            self._move(shift)
        else:
            return
        self.end += shift
        self._set_starts([start + shift for start in self.starts])

    def append(
        self, prefilled: DynamicCache, head: int, lengths: Sequence[int], owners: Sequence[int]
    ) -> None:
        """Append rows whose prompts were read into another cache, padded on the left.

        Args:
            prefilled: Cache of the prompts: ``head`` columns that all share, padding, the rest.
            head: Number of the shared columns.
            lengths: Tokens of each prompt after the head.
            owners: Place of its prompt for each new row.
        """
        first = self.rows
        self._set_starts(self.starts + [self.end - head - lengths[owner] for owner in owners])
        by_length: dict[int, list[int]] = {}
        for place, owner in enumerate(owners):
            by_length.setdefault(lengths[owner], []).append(place)
        for number, layer in enumerate(prefilled.layers):
            if number == len(self.layers):
                self.layers.append(_RowLayer(self))
            for own, new in self.layers[number].pairs(layer, self._places, self._columns):
                for length, places in by_length.items():
                    rows = torch.tensor(places, device=new.device)
                    source = torch.tensor([owners[place] for place in places], device=new.device)
                    start = self.end - length
                    own[first + rows, :, start : self.end] = new[source, :, -length:]
                    if head:
                        own[first + rows, :, start - head : start] = new[source, :, :head]

    def remove(self, places: Sequence[int]) -> list[int]:
        """Remove rows; return the former places of those that are left, in their new order."""
        gone = set(places)
        count = self.rows - len(gone)
        order = list(range(count))
        movers = [place for place in range(count, self.rows) if place not in gone]
        holes = [place for place in range(count) if place in gone]
        for hole, mover in zip(holes, movers, strict=True):
            order[hole] = mover
        if movers:
            begin = min(self.starts[place] for place in movers)
            for layer in self.layers:
                layer.move_rows(holes, movers, slice(begin, self.end))
        self._set_starts([self.starts[place] for place in order])
        return order

    def _set_starts(self, starts: list[int]) -> None:
        self.starts, self.begin = starts, min(starts, default=self.end)

    def _move(self, shift: int) -> None:
        """Move all rows by a number of columns."""
        for layer in self.layers:
            layer.move_columns(self.rows, slice(self.begin, self.end), shift)

    def _grow(self, rows: int, columns: int, shift: int) -> None:
        """Reserve larger memory, and move all rows there."""
        self._places = max(self._places, int(rows * (1 + _MORE)))
        self._columns = max(self._columns, int(columns * (1 + _MORE)))
        for layer in self.layers:
            layer.grow(self._places, self._columns, self.rows, slice(self.begin, self.end), shift)


class _RowLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values of one layer: (places, heads, columns, size of a head)."""

    def __init__(self, cache: RowCache) -> None:
        super().__init__()
        self._cache = cache

    def pairs(
        self, other: Any, places: int, columns: int
    ) -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
        """Return the keys here and of another layer, and the values likewise."""
        if not self.is_initialized:
            self.lazy_initialization(other.keys, other.values)
            self.keys = _empty(other.keys, places, columns)
            self.values = _empty(other.values, places, columns)
        return (self.keys, other.keys), (self.values, other.values)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the column of a step; return all columns of the rows."""
        rows, begin, end = self._cache.rows, self._cache.begin, self._cache.end
        self.keys[:rows, :, end : end + 1] = key_states
        self.values[:rows, :, end : end + 1] = value_states
        return self.keys[:rows, :, begin : end + 1], self.values[:rows, :, begin : end + 1]

    def get_seq_length(self) -> int:
        return self._cache.end - self._cache.begin

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def move_rows(self, holes: list[int], movers: list[int], columns: slice) -> None:
        to = torch.tensor(holes, device=self.keys.device)
        source = torch.tensor(movers, device=self.keys.device)
        for states in (self.keys, self.values):
            states[to, :, columns] = states[source, :, columns]

    def move_columns(self, rows: int, columns: slice, shift: int) -> None:
        target = slice(columns.start + shift, columns.stop + shift)
        for states in (self.keys, self.values):
            # Where the two overlap, a copy in place would read what it has written.
            states[:rows, :, target] = states[:rows, :, columns].clone()

    def grow(self, places: int, columns: int, rows: int, used: slice, shift: int) -> None:
        target = slice(used.start + shift, used.stop + shift)
        for name in ("keys", "values"):
            states = getattr(self, name)
            larger = _empty(states, places, columns)
            larger[:rows, :, target] = states[:rows, :, used]
            setattr(self, name, larger)


def _empty(like: torch.Tensor, places: int, columns: int) -> torch.Tensor:
    """Return memory for rows; 0, since what no mask admits still must be a number."""
    return like.new_zeros(places, like.shape[1], columns, like.shape[3])
