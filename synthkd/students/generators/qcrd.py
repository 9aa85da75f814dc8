"""The objective QCRD (arXiv 2405.13014): contrast rationales that won and lost a vote.

    L = a1 L_predict + a2 L_CL (+ a3 L_disc, which trains the discriminator alone)

`losses.qcrd` is L_CL. The quality of a rationale is the share of votes of its answer, or the score
of a discriminator. Negatives are the rejected rows of the corpus and, with `sampled`, texts that an
earlier copy of the student wrote at a high temperature and that reach another answer.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from synthkd.errors import StudentError
from synthkd.kinds.base import Kind, Malformed, readable
from synthkd.students.generators.examples import Example
from synthkd.students.generators.multitask import EXPLAIN, PREDICT, rows_of_task, weighted_mean
from synthkd.students.generators.options import QcrdOptions

if TYPE_CHECKING:
    from torch import Tensor

    from synthkd.students.generators.qcrd_discriminator import Discriminator, RatedRationale
    from synthkd.students.generators.tokens import ExampleTokenizer


class SampledNegatives:
    """Samples negatives from a copy of the student: one rationale for each question of a batch.

    Attributes:
        count: Negatives so far.
    """

    def __init__(
        self, examples: Sequence[Example], coder: ExampleTokenizer, kind: Kind, temperature: float
    ) -> None:
        self._coder, self._kind, self._temperature = coder, kind, temperature
        self._copy: Any = None
        self.count = 0
        self._answers: dict[int, str] = {}
        # Answers of the task `predict` come last and win: they are parsed most reliably.
        for example in sorted(examples, key=lambda example: example.task == PREDICT):
            if example.good and (answer := self._answer(example.prompt, example.completion)):
                self._answers[example.question] = answer

    def keep(self, model: Any) -> None:
        """Copy the student; samples come from this copy until the next call."""
        self._copy = copy.deepcopy(model).eval().requires_grad_(False)

    def losses(self, model: Any, examples: Sequence[Example]) -> tuple[list[Example], Tensor]:
        """Return negatives for a batch, and (n,) their cross-entropies in nats a token."""
        import torch

        from synthkd.students.generators.batches import collate
        from synthkd.students.generators.objective import completion_loss, is_seq2seq

        negatives = self._negatives(examples)
        coded, _ = self._coder.examples(negatives, 1 << 20)
        if not len(coded):
            return [], torch.zeros(0)
        self.count += len(negatives)
        pad = self._coder.tokenizer.pad_token_id
        batch = collate(coded, list(range(len(coded))), pad, is_seq2seq(model))
        batch = {name: value.to(model.device) for name, value in batch.items()}
        sums, tokens = completion_loss(model, batch)
        return negatives, sums / tokens.clamp_min(1)

    def _negatives(self, examples: Sequence[Example]) -> list[Example]:
        """Return samples that reach another answer than the voted one of their question."""
        questions = {
            e.question: e for e in reversed(examples) if e.good and e.question in self._answers
        }
        texts = self._sample(list(questions.values()))
        negatives = []
        for example, text in zip(questions.values(), texts, strict=True):
            answer = self._answer(example.prompt, text)
            if answer and answer != self._answers[example.question]:
                negatives.append(
                    replace(example, completion=text, good=False, quality=0.0, weight=1.0)
                )
        return negatives

    def _sample(self, examples: Sequence[Example]) -> list[str]:
        """Sample one text for each example, at most 1.5 times as long as the longest completion."""
        import torch

        from synthkd.students.generators.decode import generate_batch

        if not examples:
            return []
        prompts = self._coder.prompts([example.messages for example in examples])
        coded, _ = self._coder.examples(examples, 1 << 20)
        limit = int((coded.lengths - coded.prompt_lengths).max() * 1.5) + 1
        with torch.no_grad():
            return generate_batch(self._copy, self._coder, prompts, 1, self._temperature, limit)

    def _answer(self, prompt: str, text: str) -> str:
        """Return the answer of a text in normal form; "" if it has none."""
        parsed = readable(self._kind.parse(text, {"question": prompt}))
        return "" if isinstance(parsed, Malformed) or not parsed else self._kind.vote_for(parsed[0])


#: Steps of the discriminator at each update after the first.
_UPDATE_STEPS = 20


class QcrdObjective:
    """Contrastive training on positives and negatives of a question.

    With two tasks, `explain` examples are the rationales and `predict` ones give L_predict; with
    one task the completions (steps and answer) are the rationales, and there is no L_predict.

    Args:
        options: Its options.
        examples: All training examples, negatives with `good` false.
        coder: The student's tokenizer.
        kind: The kind of rationales.
        seed: Seed of the discriminator.
    """

    grouped = True

    def __init__(
        self,
        options: QcrdOptions,
        examples: Sequence[Example],
        coder: ExampleTokenizer,
        kind: Kind,
        seed: int = 0,
    ) -> None:
        """Prepare the negatives and, if the quality needs one, the discriminator.

        Raises:
            StudentError: There is no negative, so that nothing would be contrasted.
        """
        self.options = options
        self.examples = [example for example in examples if example.task in ("", EXPLAIN)]
        self.negatives = sum(not example.good for example in self.examples)
        if not self.negatives and not self.options.sampled:
            raise StudentError(
                "qcrd: no rejected rationale to contrast with; take a corpus whose questions were"
                " asked several times, or `sampled: true`"
            )
        self.steps = 0
        self._quality: dict[tuple[int, str], float] = {}
        discriminates = self.options.quality == "discriminator"
        self._discriminator = self._pretrained(coder, seed) if discriminates else None
        self._sampled = (
            SampledNegatives(examples, coder, kind, self.options.temperature)
            if self.options.sampled
            else None
        )

    def __call__(
        self, sums: Tensor, tokens: Tensor, weights: Tensor, examples: Sequence[Example], model: Any
    ) -> Tensor:
        """Return the loss of a batch (see `Objective`)."""
        import torch

        if self.steps % self.options.interval == 0:
            self._update(model)
        self.steps += 1
        each = sums / tokens.clamp_min(1)
        answers = rows_of_task(examples, PREDICT)
        loss = self.options.answer * weighted_mean(each, weights, answers)
        rows = [i for i, example in enumerate(examples) if example.task in ("", EXPLAIN)]
        rationales = [examples[i] for i in rows]
        each, weights = each[rows], weights[rows]
        if self._sampled is not None:
            negatives, losses = self._sampled.losses(model, rationales)
            rationales, each = [*rationales, *negatives], torch.cat([each, losses.to(each)])
            weights = torch.cat([weights, weights.new_ones(len(negatives))])
        return loss + self.options.contrast * self._contrast(each, weights, rationales)

    def _contrast(self, each: Tensor, weights: Tensor, examples: Sequence[Example]) -> Tensor:
        """Return L_CL of rationales, from (R,) cross-entropies in nats a token and (R,) weights."""
        import torch

        from synthkd.students.losses import qcrd

        quality = each.new_tensor([self._quality_of(example) for example in examples])
        good = [example.good for example in examples]
        # The weight of a positive multiplies its quality: both say how much it should be learnt.
        quality = torch.where(torch.tensor(good, device=each.device), quality * weights, quality)
        numbers = [example.question for example in examples]
        positive, s_positive = stack_by_question(each, quality, numbers, good)
        negative, s_negative = stack_by_question(each, quality, numbers, [not one for one in good])
        options = self.options
        return qcrd(
            positive, negative, s_positive, s_negative, options.beta, options.delta,
            options.pick,
        )  # fmt: skip

    def _quality_of(self, example: Example) -> float:
        """Return the quality s of a rationale."""
        if self.options.quality == "none":
            return float(example.good)
        if self.options.quality == "agreement":
            # A negative without a share of votes (a rule rejected it) has quality 0.
            return example.quality if example.good or example.quality < 1 else 0.0
        # Sampled negatives are not scored, and have quality 0.
        return self._quality.get((example.question, example.completion), 0.0)

    def _rated(self) -> list[RatedRationale]:
        from synthkd.students.generators.qcrd_discriminator import RatedRationale

        return [
            RatedRationale(example.prompt, example.completion, example.good)
            for example in self.examples
        ]

    def _pretrained(self, coder: ExampleTokenizer, seed: int) -> Discriminator:
        from synthkd.students.generators.qcrd_discriminator import Discriminator

        def code(texts: list[str]) -> list[list[int]]:
            return [
                list(ids) for ids in coder.tokenizer(texts, add_special_tokens=False)["input_ids"]
            ]

        discriminator = Discriminator(code, len(coder.tokenizer), seed)
        discriminator.learn(self._rated(), self.options.pretrain)
        return discriminator

    def _update(self, model: Any) -> None:
        """Update the discriminator and its scores; copy the student to sample from."""
        if self._discriminator is not None:
            if self.steps:
                weight = (
                    self.options.discriminator
                    / 0.5
                    * self.options.decay ** (self.steps // self.options.interval)
                )
                self._discriminator.learn(self._rated(), _UPDATE_STEPS, weight)
            scores = self._discriminator.scores(self._rated())
            self._quality = {
                (example.question, example.completion): score
                for example, score in zip(self.examples, scores, strict=True)
            }
        if self._sampled is not None:
            self._sampled.keep(model)

    def record(self) -> dict[str, Any]:
        """Return settings and figures for the student's card."""
        record: dict[str, Any] = {"qcrd": self.options.model_dump(), "negatives": self.negatives}
        if self._discriminator is not None:
            record["discriminator"] = self._discriminator.record()
        if self._sampled is not None:
            record["sampled_negatives"] = self._sampled.count
        return record


def stack_by_question(
    each: Tensor, quality: Tensor, numbers: Sequence[int], chosen: Sequence[bool]
) -> tuple[Tensor, Tensor]:
    """Stack values (R,) by question, as (questions, most of one).

    Questions come in the order of their first row, also those without a chosen row. Cross-entropies
    are padded with inf, qualities with 0.

    Args:
        each: (R,) cross-entropies.
        quality: (R,) qualities.
        numbers: (R,) numbers of the questions.
        chosen: (R,) whether a row is stacked.
    """
    import torch

    places = {number: [] for number in numbers}  # type: dict[int, list[int]]
    for i, number in enumerate(numbers):
        if chosen[i]:
            places[number].append(i)
    width = max(1, *map(len, places.values()))
    index = torch.tensor(
        [[*rows, *[-1] * (width - len(rows))] for rows in places.values()], device=each.device
    )
    there, index = index >= 0, index.clamp_min(0)
    return (
        each[index].masked_fill(~there, float("inf")),
        quality[index].masked_fill(~there, 0.0),
    )
