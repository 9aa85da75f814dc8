"""Negatives that a student writes itself: what it said a while ago at a high temperature, where that comes to another answer
than the vote's (QCRD, arXiv 2405.13014)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from synthkd.kinds.base import Kind, Malformed
from synthkd.students.generators.examples import Example
from synthkd.students.generators.multitask import PREDICT

if TYPE_CHECKING:
    from torch import Tensor

    from synthkd.students.generators.tokens import Coder


class Sampled:
    """Samples one rationale for each question of a batch from a copy of the student; ``count``: negatives so far."""

    def __init__(self, examples: Sequence[Example], coder: Coder, kind: Kind, temperature: float) -> None:
        self._coder, self._kind, self._temperature = coder, kind, temperature
        self._copy: Any = None
        self.count = 0
        self._answers: dict[int, str] = {}
        # The answer alone is read more surely than one at the end of steps, so it goes last and stays.
        for example in sorted(examples, key=lambda example: example.task == PREDICT):
            if example.good and (answer := self._answer(example.prompt, example.completion)):
                self._answers[example.question] = answer

    def keep(self, model: Any) -> None:
        """Sample from the student as it is now, until the next call."""
        self._copy = copy.deepcopy(model).eval().requires_grad_(False)

    def losses(self, model: Any, examples: Sequence[Example]) -> tuple[list[Example], Tensor]:
        """Negatives for the questions of a batch, and the student's cross-entropy (n,) of each, in nats a token."""
        import torch

        from synthkd.students.generators.batches import collate
        from synthkd.students.generators.likelihood import completion_loss, is_seq2seq

        found = self._negatives(examples)
        coded, _ = self._coder.examples(found, 1 << 20)
        if not len(coded):
            return [], torch.zeros(0)
        self.count += len(found)
        pad = self._coder.tokenizer.pad_token_id
        batch = collate(coded, list(range(len(coded))), pad, is_seq2seq(model))
        batch = {name: value.to(model.device) for name, value in batch.items()}
        sums, tokens = completion_loss(model, batch)
        return found, sums / tokens.clamp_min(1)

    def _negatives(self, examples: Sequence[Example]) -> list[Example]:
        """What the copy says of each question that has a voted answer, where it comes to another one."""
        asked = {e.question: e for e in reversed(examples) if e.good and e.question in self._answers}
        texts = self._said(list(asked.values()))
        found = []
        for example, text in zip(asked.values(), texts, strict=True):
            answer = self._answer(example.prompt, text)
            if answer and answer != self._answers[example.question]:
                found.append(replace(example, completion=text, good=False, quality=0.0, weight=1.0))
        return found

    def _said(self, examples: Sequence[Example]) -> list[str]:
        """One sample for each, of at most half as many tokens again as the longest of them."""
        import torch

        from synthkd.students.generators.decode import write_batch

        if not examples:
            return []
        prompts = self._coder.prompts([example.messages for example in examples])
        heard, _ = self._coder.examples(examples, 1 << 20)
        most = int((heard.lengths - heard.given).max() * 1.5) + 1
        with torch.no_grad():
            return write_batch(self._copy, self._coder, prompts, 1, self._temperature, most)

    def _answer(self, prompt: str, text: str) -> str:
        """The answer of a text in normal form; "" where it has none."""
        read = self._kind.parse(text, {"question": prompt})
        return "" if isinstance(read, Malformed) or not read else self._kind.vote_for(read[0])
