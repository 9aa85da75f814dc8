"""Sample from a causal language model: rows join the batch as others end.

    waiting ──► prompts read together ──► rows, one for each sample ──► a token a step ──► ended
                      ▲                                                                      │
                      └────────────── places of the rows that ended ◄────────────────────────┘

A batch that waits for its longest sample computes for a few rows alone in the end; here it stays
full as long as there are requests. A prompt is read once for all its samples, and a beginning that
prompts share (an instruction, few-shot examples) once for all prompts.
"""

from __future__ import annotations

import time
from itertools import accumulate
from typing import Any

import torch
from transformers import DynamicCache

from synthkd.requests import Answer
from synthkd.teachers.transformers.drawing import SampleRow
from synthkd.teachers.transformers.row_cache import RowCache
from synthkd.teachers.transformers.sampling import Sampler

#: Prompts are read once so many places of a batch are free, as a share: reading a few at a time
#: makes every row wait as often.
_REFILL = 0.25
#: Rows at a time at most, for prompts with many samples each: processors gain nothing by more, and
#: keys and values of 256 rows of a few hundred tokens take some gigabytes.
MOST_ROWS = 256
#: Tokens that prompts must share at least for their beginning to be read once.
_SHORTEST_HEAD = 16
#: Seconds of generation between answers.
_TURN = 0.5


class CausalSampler(Sampler):
    """A causal model."""

    def __init__(self, model: Any, tokenizer: Any, name: str, batch_size: int) -> None:
        super().__init__(model, tokenizer, name, batch_size)
        self._rows: list[SampleRow] = []
        self._cache = RowCache()
        #: The last token of each row, which the next step reads.
        self._tokens = torch.empty(0, dtype=torch.long, device=self.device)
        #: Tokens that prompts begin with, and their keys and values by layer.
        self._head: tuple[list[int], list[tuple[torch.Tensor, torch.Tensor]]] = ([], [])

    @property
    def is_idle(self) -> bool:
        return not self.waiting and not self._rows

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def advance(self) -> list[Answer]:
        ended: list[SampleRow] = []
        turn_end = time.perf_counter() + _TURN
        while True:
            if room := self._room():
                ended += self._admit(room)
            elif self._rows:
                ended += self._step()
            if self.is_idle or (ended and (time.perf_counter() > turn_end or not self.waiting)):
                return [self._completion(row) for row in ended]

    def _room(self) -> int:
        """Return how many waiting requests are to begin now: none before a share of it is free."""
        prompts = self.batch_size - len({id(row.request) for row in self._rows})
        rows = MOST_ROWS - len(self._rows)
        if self._rows and (prompts < self.batch_size * _REFILL or rows < MOST_ROWS * _REFILL):
            return 0
        samples = accumulate(len(request.sample_indexes) for _, request in self.waiting[:prompts])
        fitting = sum(1 for total in samples if total <= rows)
        # A request with more samples than that is read alone.
        return fitting if fitting or self._rows else min(1, len(self.waiting))

    def _admit(self, most: int) -> list[SampleRow]:
        """Read the prompts of the next requests; return samples that end with their first token."""
        batch, self.waiting = self.waiting[:most], self.waiting[most:]
        rows, owners = self._begin(batch)
        prompts = [prompt for prompt, _ in batch]
        head = self._shared_head(prompts)
        logits, prefilled = self._prefill([prompt[head:] for prompt in prompts], head)
        pick = torch.tensor(owners, device=self.device)
        tokens, ended = self._draw(logits[pick], rows)
        gone = set(ended)
        kept = [place for place in range(len(rows)) if place not in gone]
        if kept:
            tokens_left = max(rows[place].request.sampling.max_tokens for place in kept)
            self._cache.reserve(len(kept), max(map(len, prompts)), tokens_left)
            lengths = [len(prompt) - head for prompt in prompts]
            self._cache.append(prefilled, head, lengths, [owners[place] for place in kept])
            kept_tokens = tokens[torch.tensor(kept, device=self.device)]
            self._tokens = torch.cat([self._tokens, kept_tokens])
            self._rows += [rows[place] for place in kept]
        return [rows[place] for place in ended]

    def _step(self) -> list[SampleRow]:
        """Draw one token of each row; return the samples that end with it."""
        self._cache.reserve(0, 0, 1)
        mask, positions = self._cache.masks(self.device)
        logits = self._forward(self._tokens[:, None], self._cache, mask, positions)
        self._cache.advance()
        self._tokens, ended = self._draw(logits, self._rows)
        if not ended:
            return []
        gone = [self._rows[place] for place in ended]
        order = self._cache.remove(ended)
        self._rows = [self._rows[place] for place in order]
        self._tokens = self._tokens[torch.tensor(order, dtype=torch.long, device=self.device)]
        return gone

    def _shared_head(self, prompts: list[list[int]]) -> int:
        """Return how many first tokens all prompts share; their keys and values are in `_head`.

        At least one token of each prompt is left to read.
        """
        known = self._head[0]
        if known and all(len(p) > len(known) and p[: len(known)] == known for p in prompts):
            return len(known)
        shared = _common_beginning(prompts)
        if len(prompts) < 2 or len(shared) < _SHORTEST_HEAD:
            return 0
        cache = DynamicCache()
        ids = torch.tensor([shared], device=self.device)
        positions = torch.arange(len(shared), device=self.device)[None]
        self._forward(ids, cache, torch.ones_like(ids), positions)
        self._head = (shared, [(layer.keys, layer.values) for layer in cache.layers])
        return len(shared)

    def _prefill(self, prompts: list[list[int]], head: int) -> tuple[torch.Tensor, DynamicCache]:
        """Read prompts, padded on the left, after the first ``head`` tokens that they share.

        Returns:
            Logits (prompts, vocabulary) of the next token, and the key-value cache.
        """
        width = max(map(len, prompts))
        ids = torch.tensor([[self.pad] * (width - len(p)) + p for p in prompts], device=self.device)
        own = torch.tensor(
            [[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=self.device
        )
        cache = DynamicCache()
        if head:
            for number, states in enumerate(self._head[1]):
                keys, values = (one.expand(len(prompts), -1, -1, -1) for one in states)
                cache.update(keys, values, number)
        mask = torch.cat([own.new_ones(len(prompts), head), own], dim=1)
        positions = (head + own.cumsum(1) - 1).clamp(min=0)
        return self._forward(ids, cache, mask, positions), cache

    def _forward(
        self, ids: torch.Tensor, cache: Any, mask: torch.Tensor, positions: torch.Tensor
    ) -> torch.Tensor:
        out = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[:, -1].float()


def _common_beginning(prompts: list[list[int]]) -> list[int]:
    """Return the tokens that all prompts begin with, without the last token of any."""
    first, last = min(prompts), max(prompts)
    most = min(map(len, prompts)) - 1
    length = 0
    while length < most and first[length] == last[length]:
        length += 1
    return first[:length]
