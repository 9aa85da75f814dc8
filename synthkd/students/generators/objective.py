"""What the training of a generator student makes small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from synthkd.students.generators.examples import Example


class Objective(Protocol):
    """What is made small. ``grouped``: a batch holds whole questions."""

    grouped: bool

    def __call__(
        self, sums: Tensor, tokens: Tensor, weights: Tensor, examples: Sequence[Example], model: Any
    ) -> Tensor:
        """The loss of a batch (scalar), from summed cross-entropies (B,), tokens (B,), weights (B,) and the examples."""
        ...


class CrossEntropy:
    """Mean cross-entropy of the tokens that are to be written, each weighted as its example; nats a token."""

    grouped = False

    def __call__(
        self, sums: Tensor, tokens: Tensor, weights: Tensor, examples: Sequence[Example], model: Any
    ) -> Tensor:
        return (weights * sums).sum() / (weights * tokens).sum()
