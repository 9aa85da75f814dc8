"""Log-probabilities that a local causal model gives to texts after a beginning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import DynamicCache

from synthkd.errors import RecipeError
from synthkd.teachers.transformers.checkpoint import resolve_model
from synthkd.teachers.transformers.loading import load_sampler

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart

Numbers = np.ndarray[Any, np.dtype[np.float64]]
#: Tokens of texts that are read at once: their logits over the vocabulary are in memory.
_TOKENS = 1024


class TextScorer:
    """A causal model that scores texts; a beginning is read once for all of its texts."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model, tokenizer

    @classmethod
    def load(cls, part: TeacherPart, folder: Path) -> TextScorer:
        """Load the model of a teacher.

        Raises:
            TeacherError: The model cannot be loaded.
            RecipeError: It is an encoder-decoder.
        """
        sampler = load_sampler(resolve_model(part.model, folder), part)
        if sampler.model.config.is_encoder_decoder:
            raise RecipeError(f"{part.model}: texts are scored by a causal model alone")
        return cls(sampler.model, sampler.tokenizer)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def log_probabilities(self, beginning: str, texts: Sequence[str]) -> tuple[Numbers, Numbers]:
        """Return the log-probability of each text after a beginning, and its number of tokens.

        Args:
            beginning: The prompt, which must hold a token.
            texts: What follows it, as it follows it: with its blank and its end.
        """
        head = list(self.tokenizer(beginning)["input_ids"])
        ids = [self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        sums, counts = np.zeros(len(texts)), np.array([len(one) for one in ids], np.float64)
        states = self._read(head[:-1])
        for places in _batches(ids):
            tokens = [[head[-1], *ids[place]] for place in places]
            sums[places] = self._follow(states, len(head) - 1, tokens)
        return sums, counts

    def _read(self, ids: list[int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return the keys and values of a beginning, by layer."""
        if not ids:
            return []
        cache = DynamicCache()
        at = torch.tensor([ids], device=self.model.device)
        self.model(input_ids=at, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return [(layer.keys, layer.values) for layer in cache.layers]

    def _follow(
        self, states: list[tuple[torch.Tensor, torch.Tensor]], past: int, tokens: list[list[int]]
    ) -> Numbers:
        """Return the log-probability of each sequence's tokens after its first."""
        device = self.model.device
        width = max(map(len, tokens))
        ids = torch.tensor([one + [0] * (width - len(one)) for one in tokens], device=device)
        own = torch.tensor(
            [[1] * len(one) + [0] * (width - len(one)) for one in tokens], device=device
        )
        cache = DynamicCache()
        for number, pair in enumerate(states):
            keys, values = (one.expand(len(tokens), -1, -1, -1) for one in pair)
            cache.update(keys, values, number)
        logits = self.model(
            input_ids=ids,
            attention_mask=torch.cat([own.new_ones(len(tokens), past), own], dim=1),
            position_ids=(past + own.cumsum(1) - 1).clamp(min=0),
            past_key_values=cache,
            use_cache=True,
        ).logits[:, :-1]
        chosen = logits.gather(2, ids[:, 1:, None])[..., 0].float()
        gained = (chosen - logits.float().logsumexp(-1)) * own[:, 1:]
        return np.asarray(gained.sum(1).double().cpu().numpy(), np.float64)


def _batches(ids: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return places of sequences of about one length, so many that their tokens stay in bounds."""
    batches: list[list[int]] = []
    for place in sorted(range(len(ids)), key=lambda place: len(ids[place])):
        if not ids[place]:
            continue
        if batches and (len(batches[-1]) + 1) * (len(ids[place]) + 1) <= _TOKENS:
            batches[-1].append(place)
        else:
            batches.append([place])
    return batches
