"""The discriminator of QCRD (arXiv 2405.13014): scores how good a rationale is for its question.

An encoder, the maximum over its tokens, two linear layers, and a number in [0, 1]. It learns from
rationales that won and lost a vote. If negatives are fewer than positives, some are made from
positives: words are masked, or replaced by words of other rationales.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from synthkd.errors import StudentError

#: Share of a positive's words that are masked or replaced to make a negative; one word at least.
CORRUPTED = 0.2
_MASK = "_"


@dataclass(frozen=True)
class RatedRationale:
    """A rationale with its question; `good` if it won the vote."""

    question: str
    rationale: str
    good: bool


class RationaleEncoder(nn.Module):  # type: ignore[misc, unused-ignore]
    """Token ids (B, T) and mask (B, T) to logits (B,)."""

    def __init__(
        self, vocabulary: int, width: int = 64, layers: int = 2, longest: int = 256
    ) -> None:
        super().__init__()
        self.longest = longest
        self.words = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(longest, width)
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, 0.1, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        places = torch.arange(ids.shape[1], device=ids.device)
        states = self.layers(
            self.words(ids) + self.places(places)[None], src_key_padding_mask=~mask
        )
        pooled = states.masked_fill(~mask[..., None], float("-inf")).amax(1)
        return self.head(pooled).squeeze(-1)  # type: ignore[no-any-return, unused-ignore]


class Discriminator:
    """Trains a `RationaleEncoder` on the CPU, with random numbers of its own.

    Args:
        code: Gives the token ids of texts: the student's tokenizer.
        vocabulary: Token ids are below this.
        seed: Seed of weights, dropout and batches.
        lr: The learning rate.
        batch: Rationales of a step.
        width: Dimensions of the encoder.
    """

    def __init__(
        self,
        code: Callable[[list[str]], list[list[int]]],
        vocabulary: int,
        seed: int = 0,
        lr: float = 1e-3,
        batch: int = 32,
        width: int = 64,
    ) -> None:
        self._code, self._batch = code, batch
        self._rng = random.Random(seed)  # noqa: S311 (a draw, not a secret)
        self._seed, self._steps = seed, 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = RationaleEncoder(vocabulary, width)
        self._lr = lr
        self._optimizer = torch.optim.AdamW(self.model.parameters(), lr=lr, weight_decay=0.01)
        self.losses: list[float] = []

    def learn(self, rows: Sequence[RatedRationale], steps: int, weight: float = 1.0) -> float:
        """Train for some steps, each of as many positives as negatives.

        Args:
            rows: Rated rationales.
            steps: The number of steps.
            weight: Weight of the loss. Adam's steps do not depend on the size of a loss, so the
                learning rate is multiplied.

        Returns:
            The mean loss of the last tenth of the steps, in nats.

        Raises:
            StudentError: There is no positive.
        """
        good = [row for row in rows if row.good]
        bad = [row for row in rows if not row.good]
        if not good:
            raise StudentError(
                "discriminator: no rationale won a vote, so there is nothing to learn from"
            )
        words = [word for row in good for word in row.rationale.split()]
        losses: list[float] = []
        for group in self._optimizer.param_groups:
            group["lr"] = self._lr * weight
        self.model.train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed + 7919 * (self._steps + 1))
            for _ in range(steps):
                chosen = [self._rng.choice(good) for _ in range(self._batch // 2)]
                chosen += [self._negative(bad, good, words) for _ in range(self._batch // 2)]
                losses.append(self._step(chosen))
        self._steps += steps
        last = losses[-max(1, steps // 10) :]
        self.losses.append(sum(last) / len(last) if last else float("nan"))
        return self.losses[-1]

    def _negative(
        self, bad: Sequence[RatedRationale], good: Sequence[RatedRationale], words: Sequence[str]
    ) -> RatedRationale:
        """Draw a negative, or make one: the fewer negatives there are, the more often."""
        if self._rng.random() * max(len(good), len(bad)) < len(bad):
            return self._rng.choice(bad)
        row = self._rng.choice(good)
        return RatedRationale(row.question, corrupt_words(row.rationale, words, self._rng), False)

    def _step(self, rows: Sequence[RatedRationale]) -> float:
        ids, mask = self._tensors(rows)
        truth = torch.tensor([float(row.good) for row in rows])
        loss = binary_cross_entropy_with_logits(self.model(ids, mask), truth)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimizer.step()
        return float(loss.detach())

    def scores(self, rows: Sequence[RatedRationale], size: int = 128) -> list[float]:
        """Return the score in [0, 1] of each rationale."""
        self.model.eval()
        scores: list[float] = []
        with torch.no_grad():
            for start in range(0, len(rows), size):
                ids, mask = self._tensors(rows[start : start + size])
                scores += torch.sigmoid(self.model(ids, mask)).tolist()
        return scores

    def _tensors(self, rows: Sequence[RatedRationale]) -> tuple[Tensor, Tensor]:
        """Return ids and mask (B, T); a text that is too long keeps its end."""
        coded = self._code([f"{row.question}\n{row.rationale}" for row in rows])
        coded = [ids[-self.model.longest :] or [0] for ids in coded]
        width = max(map(len, coded))
        ids = torch.zeros((len(coded), width), dtype=torch.long)
        mask = torch.zeros((len(coded), width), dtype=torch.bool)
        for i, one in enumerate(coded):
            ids[i, : len(one)], mask[i, : len(one)] = torch.tensor(one), True
        return ids, mask

    def record(self) -> dict[str, Any]:
        """Return parameters, steps and losses, for the student's card."""
        return {
            "parameters": sum(p.numel() for p in self.model.parameters()), "steps": self._steps,
            "losses": [round(loss, 4) for loss in self.losses],
        }  # fmt: skip


def corrupt_words(rationale: str, words: Sequence[str], rng: random.Random) -> str:
    """Mask or replace some words of a rationale; the result differs, unless there is no word."""
    own = rationale.split()
    if not own:
        return rationale
    for place in rng.sample(range(len(own)), max(1, round(CORRUPTED * len(own)))):
        other = [rng.choice(words) for _ in range(4)] if rng.random() < 0.5 else []
        own[place] = next((word for word in other if word != own[place]), _MASK)
    return " ".join(own)
