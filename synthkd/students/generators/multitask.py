"""Tasks of a student of rationales: steps and answer together, alone, or as two tasks.

Two tasks are told apart by their prompts (`rationale/predict`, `rationale/explain`), as in
distilling step by step (Hsieh et al. 2023, arXiv 2305.02301). Only the first is used later, so that
an answer costs few tokens; the second teaches the steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from synthkd.errors import StudentError
from synthkd.kinds.base import Kind
from synthkd.prompts import Prompt, load_prompt
from synthkd.students.generators.examples import Example, Question, TaskSplitter
from synthkd.students.generators.options import TaskShares

if TYPE_CHECKING:
    from torch import Tensor

#: The two tasks, and the names of their templates.
PREDICT, EXPLAIN = "predict", "explain"
TEMPLATES = {PREDICT: "rationale/predict", EXPLAIN: "rationale/explain"}


def splitter_of_tasks(shares: TaskShares | None, kind: Kind) -> TaskSplitter:
    """Return what makes the examples of a question: of both tasks, or the answer alone.

    Raises:
        StudentError: The kind has no rationales and answers.
    """
    if not {"rationale", "answer"} <= set(kind.columns):
        raise StudentError(
            f"tasks are for the kind 'rationale'; the rows are of the kind {kind.name!r}"
        )
    return _answer_only(kind) if shares is None else _TwoTasks(kind)


def _answer_only(kind: Kind) -> TaskSplitter:
    def examples(question: Question, example: Example) -> Iterator[Example]:
        # A negative has no answer to teach.
        if question.good:
            yield replace(example, completion=answer_text(kind, question))

    return examples


class _TwoTasks:
    """Makes an example of the answer and one of the steps; of a negative, one of the steps."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.prompts: dict[str, Prompt] = {
            name: replace(load_prompt(path), examples=(), shots=0)
            for name, path in TEMPLATES.items()
        }

    def __call__(self, question: Question, example: Example) -> Iterator[Example]:
        if question.good:
            yield self._task(PREDICT, question, example, answer_text(self.kind, question))
        steps = str(question.candidates[0]["rationale"] or "").strip()
        # An answer without steps teaches none.
        if steps:
            yield self._task(EXPLAIN, question, example, f" {steps}")

    def _task(self, name: str, question: Question, example: Example, completion: str) -> Example:
        messages = self.prompts[name].render(question.row, self.kind, "", 0)
        return replace(example, messages=messages, completion=completion, task=name)


def answer_text(kind: Kind, question: Question) -> str:
    """Return a candidate's answer without its steps, as the kind writes it."""
    return kind.completion([{**question.candidates[0], "rationale": ""}], question.row)


class TaskMean:
    """The sum over tasks of share x mean cross-entropy of the task's examples, in nats a token.

    L = alpha L_predict + (1 - alpha) L_explain (Hsieh et al. 2023). Within its task each example
    counts the same, however long.
    """

    def __init__(self, shares: TaskShares | None) -> None:
        """Take the shares of two tasks; without them there is one task."""
        self.shares: dict[str, float] = {"": 1.0} if shares is None else shares.model_dump()
        # A question's answer and its steps belong into one batch.
        self.grouped = len(self.shares) > 1

    def __call__(
        self, sums: Tensor, tokens: Tensor, weights: Tensor, examples: Sequence[Example], model: Any
    ) -> Tensor:
        """Return the loss of a batch (see `Objective`)."""
        each = sums / tokens.clamp_min(1)
        loss = each.new_zeros(())
        for name, share in self.shares.items():
            loss = loss + share * weighted_mean(each, weights, rows_of_task(examples, name))
        return loss

    def record(self) -> dict[str, Any]:
        """Return the shares, for the student's card."""
        return {"tasks": self.shares}


def rows_of_task(examples: Sequence[Example], task: str) -> list[int]:
    """Return the indices of a task's positives in a batch."""
    return [i for i, example in enumerate(examples) if example.good and example.task == task]


def weighted_mean(each: Tensor, weights: Tensor, places: Sequence[int]) -> Tensor:
    """Return the weighted mean of some of the values (B,); 0 if there are none."""
    if not places:
        return each.new_zeros(())
    chosen = list(places)
    return (weights[chosen] * each[chosen]).sum() / weights[chosen].sum().clamp_min(1e-12)
