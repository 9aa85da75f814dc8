"""The discriminator of QCRD separates rationales that won and lost a vote."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("torch")

from synthkd.errors import StudentError
from synthkd.students.generators.qcrd_discriminator import (
    Discriminator,
    RatedRationale,
    corrupt_words,
)

pytestmark = pytest.mark.slow


def code(texts: list[str]) -> list[list[int]]:
    return [[ord(letter) % 128 for letter in text] for text in texts]


def rows(good: int, bad: int) -> list[RatedRationale]:
    return [
        *(RatedRationale(f"q{i}", f"so {i} + 1 holds", True) for i in range(good)),
        *(RatedRationale(f"q{i}", f"but {i} - 1 fails", False) for i in range(bad)),
    ]


def test_the_discriminator_separates_positives_and_negatives() -> None:
    found = Discriminator(code, 128)
    found.learn(rows(12, 12), 60)
    scores = found.scores(rows(12, 12))
    assert min(scores[:12]) > 0.8
    assert max(scores[12:]) < 0.2


def test_without_negatives_corrupted_positives_are_used() -> None:
    found = Discriminator(code, 128)
    found.learn(rows(12, 0), 60)
    good = found.scores(rows(12, 0))
    masked = found.scores([RatedRationale(f"q{i}", f"so {i} _ 1 _", False) for i in range(12)])
    assert sum(good) / 12 > sum(masked) / 12 + 0.2


def test_the_same_seed_gives_the_same_scores_and_leaves_other_draws_alone() -> None:
    import torch

    def scores() -> list[float]:
        found = Discriminator(code, 128, seed=3)
        found.learn(rows(4, 2), 5)
        return found.scores(rows(4, 2))

    torch.manual_seed(0)
    before = torch.rand(3)
    torch.manual_seed(0)
    first = scores()
    assert torch.equal(torch.rand(3), before)
    assert scores() == first


def test_a_discriminator_without_positives_is_refused() -> None:
    with pytest.raises(StudentError, match="no rationale won a vote"):
        Discriminator(code, 128).learn(rows(0, 3), 1)


def test_a_corrupted_rationale_differs() -> None:
    rng = random.Random(0)
    assert all(corrupt_words("a b c d e", ["a", "b"], rng) != "a b c d e" for _ in range(50))
