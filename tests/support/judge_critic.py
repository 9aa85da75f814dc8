"""A judge that the tests ask, and the rows that it is asked about."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synthkd.critics.judge.critic import JudgeCritic
from synthkd.keys import fraction
from synthkd.kinds.triple import TripleKind
from synthkd.testing import ScoredAnswer

KIND = TripleKind()


def belief(prompt: str) -> float:
    """Return the judge's probability: right in four of five rows, and overconfident."""
    right = fraction(prompt) < 0.8
    return 0.97 if ("good" in prompt) == right else 0.03


def sure(prompt: str, index: int, seed: int) -> str:
    """Return a verdict with the likeliest tokens."""
    yes = belief(prompt)
    tops = {"Yes": 0.9 * yes, " yes": 0.1 * yes, "No": 1 - yes}
    ordered = dict(sorted(tops.items(), key=lambda pair: -pair[1]))
    return ScoredAnswer(
        next(iter(ordered)), {token: math.log(share) for token, share in ordered.items()}
    )


def spoken(prompt: str, index: int, seed: int) -> str:
    """Return a verdict in words alone, drawn anew for each sample."""
    return "Yes." if fraction(f"{prompt}{index}") < belief(prompt) else "No, not at all."


def rows(count: int = 100, **extra: Any) -> list[dict[str, Any]]:
    """Return rows of which every other tail is good, as the label says."""
    return [
        {
            "head": f"h{i}",
            "relation": "UsedFor",
            "tail": f"{'good' if i % 2 else 'bad'} {i}",
            "label": i % 2 == 1,
        }
        | extra
        for i in range(count)
    ]


def table(count: int = 100) -> pa.Table:
    return pa.Table.from_pylist(rows(count))


LABELS = np.arange(100) % 2 == 1


def made(url: str, folder: Path, **options: Any) -> JudgeCritic:
    teacher = {"backend": "openai", "model": "fake", "base_url": url, **options.pop("teacher", {})}
    return JudgeCritic(KIND, teacher, journal=folder / "judge.sqlite", **options)
