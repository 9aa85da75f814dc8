"""The part of a local model that causal models and encoder-decoders share: texts and their ends."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch

from synthkd.requests import Answer, Completion, Message, Request
from synthkd.teachers.constrained_decoding import Constraints
from synthkd.teachers.transformers.drawing import SampleRow, draw_tokens, rows_of
from synthkd.text.thoughts import answer_tokens, opened_by, special_marks, split_thoughts

#: Token ids of a rendered prompt, and its request.
EncodedRequest = tuple[list[int], Request]
#: Tokens at the end of a prompt that may hold a tag which opens the thoughts.
_TAIL = 24


class Sampler(ABC):
    """A model and its tokenizer on one device.

    Requests are added, and `advance` answers some of them; the samples of a request may come one by
    one.

    Args:
        model: The network, in evaluation mode.
        tokenizer: Its tokenizer.
        name: Name of the model in completions.
        batch_size: Prompts that are answered at a time.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str, batch_size: int) -> None:
        self.model, self.tokenizer, self.name = model, tokenizer, name
        self.batch_size = batch_size
        self.device = model.device
        ends = model.generation_config.eos_token_id
        self.ends = set(ends if isinstance(ends, list) else [ends]) | {tokenizer.eos_token_id}
        self.pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        marks = special_marks(map(str, tokenizer.all_special_tokens))
        #: Id of a special token that marks thoughts -> its text.
        self._marks = {int(tokenizer.convert_tokens_to_ids(mark)): mark for mark in marks}
        self.constraints = Constraints(tokenizer, int(model.config.vocab_size))
        self._endings: dict[tuple[str, ...], np.ndarray[Any, np.dtype[np.bool_]]] = {}
        #: Requests whose prompts have not been read.
        self.waiting: list[EncodedRequest] = []

    @property
    def context_length(self) -> int:
        return int(getattr(self.model.config, "max_position_embeddings", None) or 1 << 30)

    @property
    @abstractmethod
    def is_idle(self) -> bool:
        """True if all that was added is answered."""

    @abstractmethod
    def advance(self) -> list[Answer]:
        """Generate until some samples have ended; return these. Blocks for up to a second or so."""

    def encode(self, messages: tuple[Message, ...]) -> list[int]:
        """Return the token ids of a plain prompt, or of a chat in the tokenizer's template."""
        if messages[0]["role"] != "prompt" and self.tokenizer.chat_template:
            text = self.tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=True
            )
            return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        return list(self.tokenizer("\n\n".join(m["content"] for m in messages))["input_ids"])

    def _begin(self, batch: list[EncodedRequest]) -> tuple[list[SampleRow], list[int]]:
        """Return a row for each sample of some requests, and the place of its prompt."""
        now = time.perf_counter()
        rows, owners = [], []
        for place, (prompt, request) in enumerate(batch):
            for row in rows_of(request, prompt):
                row.begin = now
                row.matcher = self.constraints.matcher(request.sampling)
                rows.append(row)
                owners.append(place)
        return rows, owners

    def _draw(self, logits: torch.Tensor, rows: list[SampleRow]) -> tuple[torch.Tensor, list[int]]:
        """Draw the next token of each row.

        Args:
            logits: (rows, vocabulary), float32.
            rows: The samples that go on.

        Returns:
            Token ids (rows,), and the places of the rows that ended.
        """
        chosen = draw_tokens(logits, rows)
        self._note_first(rows, logits, chosen)
        tokens = chosen.tolist()
        return chosen, [
            place for place, row in enumerate(rows) if self._add_token(row, tokens[place])
        ]

    def _note_first(
        self, rows: list[SampleRow], logits: torch.Tensor, chosen: torch.Tensor
    ) -> None:
        """Keep the most likely first non-blank tokens of answers whose request asks for them."""
        for place, row in enumerate(rows):
            sampling = row.request.sampling
            wanted = int(sampling.extra_body.get("top_logprobs", 0)) if sampling.logprobs else 0
            if not wanted or not self._decode([int(chosen[place])]).strip():
                continue
            if row.first_tokens is not None and not self._is_first(row):
                continue
            likelihood = logits[place].log_softmax(-1)
            top = likelihood.topk(min(wanted, len(likelihood)))
            ids = [*dict.fromkeys([*top.indices.tolist(), int(chosen[place])])]
            pairs = [[self.tokenizer.decode([i]), float(likelihood[i])] for i in ids]
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

    def _completion(self, row: SampleRow) -> Completion:
        # A chat template may open the thoughts: untagged, truncated ones would look like answers.
        opened = opened_by(str(self.tokenizer.decode(row.prompt[-_TAIL:])))
        text = f"{opened}\n{row.text}" if opened else row.text
        logprob, thought = self._answer_logprob(row, text)
        return Completion(
            request_id=row.request.request_id,
            sample_index=row.index,
            text=text,
            finish_reason=row.finish,
            prompt_tokens=len(row.prompt),
            completion_tokens=len(row.tokens),
            logprob=logprob,
            reasoning_tokens=thought,
            latency=time.perf_counter() - row.begin,
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
