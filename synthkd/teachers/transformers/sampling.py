"""Draw samples from a causal language model."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache

from synthkd.keys import seed_from
from synthkd.requests import Answer, Completion, Message, Request, Sampling
from synthkd.teachers.constrained_decoding import Constraints, TokenMatcher
from synthkd.text.thoughts import answer_tokens, opened_by, special_marks, split_thoughts

#: Token ids of a rendered prompt, and its request.
EncodedRequest = tuple[list[int], Request]
#: Tokens at the end of a prompt that may hold a tag which opens the thoughts.
_TAIL = 24


@dataclass
class SampleRow:
    """One sample while it is generated.

    ``draws`` are its random numbers in [0, 1), one for each token.
    """

    request: Request
    index: int
    draws: np.ndarray[Any, np.dtype[np.float64]]
    tokens: list[int]
    logprobs: list[float] = field(default_factory=list)
    text: str = ""
    finish: str = ""
    first_tokens: str | None = None
    matcher: TokenMatcher | None = None


class Sampler:
    """A causal model and its tokenizer on one device."""

    def __init__(self, model: Any, tokenizer: Any, name: str) -> None:
        self.model, self.tokenizer, self.name = model, tokenizer, name
        self.device = model.device
        ends = model.generation_config.eos_token_id
        self.ends = set(ends if isinstance(ends, list) else [ends]) | {tokenizer.eos_token_id}
        self.pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        marks = special_marks(map(str, tokenizer.all_special_tokens))
        #: Id of a special token that marks thoughts -> its text.
        self._marks = {int(tokenizer.convert_tokens_to_ids(mark)): mark for mark in marks}
        self.constraints = Constraints(tokenizer, int(model.config.vocab_size))
        self._endings: dict[tuple[str, ...], np.ndarray[Any, np.dtype[np.bool_]]] = {}

    @property
    def context_length(self) -> int:
        return int(getattr(self.model.config, "max_position_embeddings", None) or 1 << 30)

    def encode(self, messages: tuple[Message, ...]) -> list[int]:
        """Return the token ids of a plain prompt, or of a chat in the tokenizer's template."""
        if messages[0]["role"] != "prompt" and self.tokenizer.chat_template:
            text = self.tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=True
            )
            return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        return list(self.tokenizer("\n\n".join(m["content"] for m in messages))["input_ids"])

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def sample(self, batch: list[EncodedRequest]) -> list[Answer]:
        """Draw all samples of a batch of requests; their sampling parameters may differ."""
        start = time.perf_counter()
        rows, owner = _rows(batch)
        for row in rows:
            row.matcher = self.constraints.matcher(row.request.sampling)
        logits, cache, mask = self._prefill([ids for ids, _ in batch])
        pick = torch.tensor(owner, device=self.device)
        cache.batch_select_indices(pick)
        logits, mask = logits[pick], mask[pick]
        active = list(range(len(rows)))
        for step in range(max(row.request.sampling.max_tokens for row in rows)):
            tokens = self._choose(logits, [rows[i] for i in active], step)
            keep = [j for j, i in enumerate(active) if not self._add_token(rows[i], int(tokens[j]))]
            if not keep:
                break
            if len(keep) < len(active):
                chosen = torch.tensor(keep, device=self.device)
                cache.batch_select_indices(chosen)
                tokens, mask = tokens[chosen], mask[chosen]
                active = [active[j] for j in keep]
            mask = torch.cat([mask, mask.new_ones(len(active), 1)], dim=1)
            logits = self._step(tokens[:, None], cache, mask)
        seconds = time.perf_counter() - start
        return [
            self._completion(row, batch[o][0], seconds) for row, o in zip(rows, owner, strict=True)
        ]

    def _prefill(self, prompts: list[list[int]]) -> tuple[torch.Tensor, DynamicCache, torch.Tensor]:
        """Run prompts, padded on the left.

        Returns:
            Logits (prompts, vocabulary) of the next token, key-value cache, attention mask
            (prompts, length).
        """
        width = max(len(ids) for ids in prompts)
        ids = torch.tensor([[self.pad] * (width - len(p)) + p for p in prompts], device=self.device)
        mask = torch.tensor(
            [[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=self.device
        )
        cache = DynamicCache()
        return self._forward(ids, cache, mask, (mask.cumsum(1) - 1).clamp(min=0)), cache, mask

    def _step(self, tokens: torch.Tensor, cache: DynamicCache, mask: torch.Tensor) -> torch.Tensor:
        return self._forward(tokens, cache, mask, mask.sum(1, keepdim=True) - 1)

    def _forward(
        self, ids: torch.Tensor, cache: DynamicCache, mask: torch.Tensor, positions: torch.Tensor
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

    def _choose(self, logits: torch.Tensor, rows: list[SampleRow], step: int) -> torch.Tensor:
        """Draw one token per row by inverse transform sampling, with the row's own random number.

        Args:
            logits: (rows, vocabulary).
            rows: The samples that go on.
            step: Number of the token.

        Returns:
            Token ids (rows,). Log-probabilities are those of the unconstrained model at temperature
            1.
        """
        likelihood = logits.log_softmax(-1)
        logits = _masked(logits, rows)
        chosen = torch.empty(len(rows), dtype=torch.long, device=logits.device)
        for sampling, members in _by_sampling(rows).items():
            index = torch.tensor(members, device=logits.device)
            if not sampling[0]:
                chosen[index] = logits[index].argmax(-1)
                continue
            weights = _truncate(logits[index] / sampling[0], sampling[1], sampling[2])
            draws = torch.tensor([rows[i].draws[step] for i in members], device=logits.device)
            mass = weights.softmax(-1).double().cumsum(-1)
            places = torch.searchsorted(mass, (draws * mass[:, -1])[:, None], right=True)[:, 0]
            chosen[index] = places.clamp(max=logits.shape[-1] - 1)
        gained = likelihood.gather(1, chosen[:, None])[:, 0].tolist()
        for row, value in zip(rows, gained, strict=True):
            row.logprobs.append(value)
        self._note_first(rows, likelihood, chosen)
        return chosen

    def _note_first(
        self, rows: list[SampleRow], likelihood: torch.Tensor, chosen: torch.Tensor
    ) -> None:
        """Keep the most likely first non-blank tokens of answers whose request asks for them."""
        for place, row in enumerate(rows):
            sampling = row.request.sampling
            wanted = int(sampling.extra_body.get("top_logprobs", 0)) if sampling.logprobs else 0
            if not wanted or not self._decode([int(chosen[place])]).strip():
                continue
            if row.first_tokens is not None and not self._is_first(row):
                continue
            top = likelihood[place].topk(min(wanted, likelihood.shape[-1]))
            ids = [*dict.fromkeys([*top.indices.tolist(), int(chosen[place])])]
            pairs = [[self.tokenizer.decode([i]), float(likelihood[place, i])] for i in ids]
            row.first_tokens = json.dumps(pairs, ensure_ascii=False)

    def _is_first(self, row: SampleRow) -> bool:
        """Return True if all text so far is closed thoughts: the next token begins the answer."""
        before = split_thoughts(self._decode(row.tokens))
        return bool(before.thoughts) and not before.unclosed and not before.text.strip()

    def _add_token(self, row: SampleRow, token: int) -> bool:
        """Add a token to a sample; return True if the sample ends there."""
        row.tokens.append(token)
        complete = row.matcher is not None and row.matcher.take(token)
        if token in self.ends:
            row.finish = "stop"
            row.text = self._decode(row.tokens[:-1])
            return True
        stop = row.request.sampling.stop
        if stop and self._may_end(stop)[token]:
            text = self._decode(row.tokens)
            places = [text.find(s) for s in stop if s in text]
            if places:
                row.text, row.finish = text[: min(places)], "stop"
                return True
        if complete:
            row.text, row.finish = self._decode(row.tokens), "stop"
            return True
        if len(row.tokens) >= row.request.sampling.max_tokens:
            row.text, row.finish = self._decode(row.tokens), "length"
            return True
        return False

    def _may_end(self, stop: tuple[str, ...]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Mark the tokens (vocabulary,) that contain the last character of a stop text.

        A sample is decoded after these alone.
        """
        if stop not in self._endings:
            last = {text[-1] for text in stop if text}
            size = self.model.config.vocab_size
            words = self.tokenizer.batch_decode(
                [[i] for i in range(min(size, len(self.tokenizer)))]
            )
            flags = np.ones(size, dtype=bool)
            flags[: len(words)] = [not last.isdisjoint(word) for word in words]
            self._endings[stop] = flags
        return self._endings[stop]

    def _decode(self, tokens: list[int]) -> str:
        parts, start = [], 0
        for place, token in enumerate(tokens if self._marks else ()):
            if token in self._marks:
                parts += [self._text(tokens[start:place]), self._marks[token]]
                start = place + 1
        return "".join([*parts, self._text(tokens[start:])])

    def _text(self, tokens: list[int]) -> str:
        return str(
            self.tokenizer.decode(
                tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )

    def _completion(self, row: SampleRow, prompt: list[int], seconds: float) -> Completion:
        # A chat template may open the thoughts: untagged, truncated ones would look like answers.
        opened = opened_by(str(self.tokenizer.decode(prompt[-_TAIL:])))
        text = f"{opened}\n{row.text}" if opened else row.text
        logprob, thought = self._answer_logprob(row, text)
        return Completion(
            request_id=row.request.request_id,
            sample_index=row.index,
            text=text,
            finish_reason=row.finish,
            prompt_tokens=len(prompt),
            completion_tokens=len(row.tokens),
            logprob=logprob,
            reasoning_tokens=thought,
            latency=seconds,
            price=0.0,
            model=self.name,
            seed=row.request.sampling.seed,
            first_tokens=row.first_tokens,
        )

    def _answer_logprob(self, row: SampleRow, text: str) -> tuple[float | None, int | None]:
        """Return the log-probability of a sample's answer, and its number of thought tokens."""
        answer = split_thoughts(text)
        if not answer.thoughts:
            return _sum(row.logprobs), None
        span = answer_tokens(
            [str(self.tokenizer.decode([token])) for token in row.tokens], answer.text
        )
        if span is None:
            return None, None
        return _sum(row.logprobs[slice(*span)]), len(row.tokens) - (span[1] - span[0])


def _sum(values: list[float]) -> float:
    """Sum in token order.

    Python's `sum` compensates rounding since 3.12, so its result depends on the version.
    """
    total = 0.0
    for value in values:
        total += value
    return total


def _masked(logits: torch.Tensor, rows: list[SampleRow]) -> torch.Tensor:
    """Set the logits (rows, vocabulary) of tokens outside a row's grammar to minus infinity."""
    constrained = [
        (place, row.matcher) for place, row in enumerate(rows) if row.matcher is not None
    ]
    if not constrained:
        return logits
    logits = logits.clone()
    places = torch.tensor([place for place, _ in constrained], device=logits.device)
    allowed = torch.from_numpy(np.stack([matcher.allowed() for _, matcher in constrained])).to(
        logits.device
    )
    logits[places] = logits[places].masked_fill(~allowed, float("-inf"))
    return logits


def _rows(batch: list[EncodedRequest]) -> tuple[list[SampleRow], list[int]]:
    """Return a row for each sample, and the index of its prompt."""
    rows, owner = [], []
    for place, (_, request) in enumerate(batch):
        for index in request.sample_indexes:
            seed = request.sampling.seed
            stream = (
                seed_from("sample", request.request_id, seed, index) if seed is not None else None
            )
            draws = np.random.default_rng(stream).random(request.sampling.max_tokens)
            rows.append(SampleRow(request, index, draws, []))
            owner.append(place)
    return rows, owner


def _by_sampling(rows: list[SampleRow]) -> dict[tuple[float, float | None, int | None], list[int]]:
    groups: dict[tuple[float, float | None, int | None], list[int]] = {}
    for place, row in enumerate(rows):
        sampling: Sampling = row.request.sampling
        temperature = 1.0 if sampling.temperature is None else sampling.temperature
        groups.setdefault((temperature, sampling.top_p, sampling.top_k), []).append(place)
    return groups


def _truncate(logits: torch.Tensor, top_p: float | None, top_k: int | None) -> torch.Tensor:
    """Set the logits (rows, vocabulary) of tokens outside of top-k and top-p to minus infinity."""
    if top_k and top_k < logits.shape[-1]:
        floor = logits.topk(top_k).values[:, -1:]
        logits = logits.masked_fill(logits < floor, float("-inf"))
    if top_p and top_p < 1:
        ordered, order = logits.sort(descending=True)
        before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
        ordered = ordered.masked_fill(before >= top_p, float("-inf"))
        logits = torch.full_like(logits, float("-inf")).scatter(1, order, ordered)
    return logits
