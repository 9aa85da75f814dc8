"""QCRD's discriminator (arXiv 2405.13014): how good is a rationale of a question? An encoder, the maximum over its tokens,
two linear layers, and a number in [0, 1].

It learns from rationales that won and lost a vote. Where there are fewer of one than of the other, negatives are made from
positives: words are masked, or exchanged for words of other rationales.
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

#: Share of the words of a positive that are masked or exchanged to make a negative of it; one at least.
HARM = 0.2
_MASK = "_"


@dataclass(frozen=True)
class RatedRationale:
    """A rationale with its question, and whether it won the vote."""

    question: str
    rationale: str
    good: bool


class RationaleEncoder(nn.Module):  # type: ignore[misc, unused-ignore]
    """Tokens (B, T) and mask (B, T) to a logit (B,): 2 layers, max-pool, 2 linear layers."""

    def __init__(self, vocabulary: int, width: int = 64, layers: int = 2, longest: int = 256) -> None:
        super().__init__()
        self.longest = longest
        self.words = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(longest, width)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.1, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        places = torch.arange(ids.shape[1], device=ids.device)
        states = self.layers(self.words(ids) + self.places(places)[None], src_key_padding_mask=~mask)
        pooled = states.masked_fill(~mask[..., None], float("-inf")).amax(1)
        return self.head(pooled).squeeze(-1)  # type: ignore[no-any-return, unused-ignore]


class Discriminator:
    """``code`` gives token ids of texts, below ``vocabulary``: the student's tokenizer. Trains itself on the CPU, with a
    generator of its own, so that the student's draws stay the same."""

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
        """So many steps, each of as many positives as negatives; the mean loss of the last tenth, in nats.

        ``weight``: how much this term of the loss counts. Adam's steps do not depend on a loss's size, so it is the rate that
        is multiplied.

        Raises `StudentError` where there is no positive: there is nothing to tell apart, nor to make a negative of.
        """
        good = [row for row in rows if row.good]
        bad = [row for row in rows if not row.good]
        if not good:
            raise StudentError("discriminator: no rationale won a vote, so there is nothing to learn from")
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
        """One that lost, or one that is made: as many of those as there are fewer negatives than positives."""
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
        """s in [0, 1] of each rationale."""
        self.model.eval()
        found: list[float] = []
        with torch.no_grad():
            for start in range(0, len(rows), size):
                ids, mask = self._tensors(rows[start : start + size])
                found += torch.sigmoid(self.model(ids, mask)).tolist()
        return found

    def _tensors(self, rows: Sequence[RatedRationale]) -> tuple[Tensor, Tensor]:
        """Ids and mask (B, T). Of what is too long the end is kept: the steps stand there."""
        coded = self._code([f"{row.question}\n{row.rationale}" for row in rows])
        coded = [ids[-self.model.longest :] or [0] for ids in coded]
        width = max(map(len, coded))
        ids = torch.zeros((len(coded), width), dtype=torch.long)
        mask = torch.zeros((len(coded), width), dtype=torch.bool)
        for i, one in enumerate(coded):
            ids[i, : len(one)], mask[i, : len(one)] = torch.tensor(one), True
        return ids, mask

    def record(self) -> dict[str, Any]:
        """Parameters, steps and losses, for the student's card."""
        return {
            "parameters": sum(p.numel() for p in self.model.parameters()), "steps": self._steps,
            "losses": [round(loss, 4) for loss in self.losses],
        }  # fmt: skip


def corrupt_words(rationale: str, words: Sequence[str], rng: random.Random) -> str:
    """A rationale some of whose words are masked or exchanged for others; never the same text, unless it has no word."""
    own = rationale.split()
    if not own:
        return rationale
    for place in rng.sample(range(len(own)), max(1, round(HARM * len(own)))):
        other = [rng.choice(words) for _ in range(4)] if rng.random() < 0.5 else []
        own[place] = next((word for word in other if word != own[place]), _MASK)
    return " ".join(own)
