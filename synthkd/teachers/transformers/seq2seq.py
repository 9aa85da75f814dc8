"""Draw samples from an encoder-decoder.

The encoder reads a prompt once for all its samples; the decoder begins with its start token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from synthkd.requests import Answer
from synthkd.teachers.transformers.drawing import SampleRow
from synthkd.teachers.transformers.sampling import Sampler


@dataclass
class EncodedPrompts:
    """State of generation, by sample: the encoder's states and mask, and the decoder's cache."""

    states: torch.Tensor
    mask: torch.Tensor
    past: Any

    def batch_select_indices(self, chosen: torch.Tensor) -> None:
        """Keep these samples only."""
        self.states, self.mask = self.states[chosen], self.mask[chosen]
        self.past.batch_select_indices(chosen)


class Seq2SeqSampler(Sampler):
    """An encoder-decoder and its tokenizer on one device. Answers batch after batch."""

    @property
    def is_idle(self) -> bool:
        return not self.waiting

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def advance(self) -> list[Answer]:
        batch = self.waiting[: self.batch_size]
        self.waiting = self.waiting[self.batch_size :]
        rows, owners = self._begin(batch)
        logits, state, mask = self._prefill([prompt for prompt, _ in batch])
        pick = torch.tensor(owners, device=self.device)
        state.batch_select_indices(pick)
        logits, mask = logits[pick], mask[pick]
        ended: list[SampleRow] = []
        while True:
            tokens, places = self._draw(logits, rows)
            ended += [rows[place] for place in places]
            if places:
                gone = set(places)
                keep = [place for place in range(len(rows)) if place not in gone]
                if not keep:
                    return [self._completion(row) for row in ended]
                chosen = torch.tensor(keep, device=self.device)
                state.batch_select_indices(chosen)
                tokens, mask = tokens[chosen], mask[chosen]
                rows = [rows[place] for place in keep]
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
            logits = self._step(tokens[:, None], state, mask)

    @property
    def context_length(self) -> int:
        """The number of positions of the model; unlimited for relative positions, as in T5."""
        config = self.model.config
        bounds = (
            getattr(config, name, None) for name in ("max_position_embeddings", "n_positions")
        )
        relative = getattr(config, "relative_attention_num_buckets", None)
        return 1 << 30 if relative else next((int(bound) for bound in bounds if bound), 1 << 30)

    def _prefill(self, prompts: list[list[int]]) -> tuple[torch.Tensor, Any, torch.Tensor]:
        """Encode prompts, padded on the right.

        Returns:
            Logits (prompts, vocabulary) of the first token, the state, and the decoder's mask
            (prompts, 1).
        """
        width = max(len(ids) for ids in prompts)
        ids = torch.tensor([p + [self.pad] * (width - len(p)) for p in prompts], device=self.device)
        mask = torch.tensor(
            [[1] * len(p) + [0] * (width - len(p)) for p in prompts], device=self.device
        )
        states = self.model.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state
        state = EncodedPrompts(states, mask, EncoderDecoderCache(DynamicCache(), DynamicCache()))
        start = self.model.generation_config.decoder_start_token_id
        first = torch.full(
            (len(prompts), 1), self.model.config.decoder_start_token_id if start is None else start
        )
        begun = mask.new_ones(len(prompts), 1)
        return self._step(first.to(self.device), state, begun), state, begun

    def _step(self, tokens: torch.Tensor, cache: Any, mask: torch.Tensor) -> torch.Tensor:
        out = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=cache.states),
            attention_mask=cache.mask,
            decoder_input_ids=tokens,
            past_key_values=cache.past,
            use_cache=True,
        )
        return out.logits[:, -1].float()
