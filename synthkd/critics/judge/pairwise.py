"""Pairwise verdicts in both orders: averaged, with order consistency and position bias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkd.critics.judge.agreement import bootstrap
from synthkd.critics.judge.client import JudgeClient, JudgeQuestion
from synthkd.critics.judge.critic import READ, Verdict, combine_replies
from synthkd.critics.judge.prompt import render_pair
from synthkd.critics.judge.verdict_forms import FORMS
from synthkd.errors import CriticError
from synthkd.keys import content_hash
from synthkd.prompts import load_prompt
from synthkd.statistics import Interval, percentile_interval

#: Worths closer to a half than this are ties.
_EVEN = 1e-9


@dataclass(frozen=True)
class PairVerdict:
    """The verdicts on one pair: ``original`` saw ``first`` at place A, ``swapped`` at place B."""

    original: Verdict
    swapped: Verdict

    @property
    def worth(self) -> float | None:
        """Preference for ``first`` in [0, 1], over both orders.

        None if one order has no verdict, since the other alone contains the effect of the order.
        """
        if self.original.raw is None or self.swapped.raw is None:
            return None
        return (self.original.raw + 1 - self.swapped.raw) / 2

    @property
    def winner(self) -> str | None:
        """``first``, ``second`` or ``tie``; None without a verdict."""
        return None if self.worth is None else _side(self.worth, "first", "second")


@dataclass(frozen=True)
class OrderReport:
    """Effect of the order on a judge.

    ``consistent``: share of pairs, of those read in both orders, whose verdict survives the swap.
    ``position_bias``: share of replies for place A minus share for place B; 0 where the place says
    nothing.
    """

    pairs: int
    read: int
    consistent: float
    consistent_interval: Interval
    position_bias: float
    position_bias_interval: Interval


def order_report(
    original: Sequence[str | None], swapped: Sequence[str | None], draws: int = 2_000, seed: int = 0
) -> OrderReport:
    """Compute the effect of the order from verdicts in both orders."""
    if len(original) != len(swapped):
        raise CriticError(f"{len(original)} verdicts in one order and {len(swapped)} in the other")
    both = [
        (a, b) for a, b in zip(original, swapped, strict=True) if a is not None and b is not None
    ]
    if not both:
        raise CriticError(
            "no pair has a verdict in both orders; the effect of the order cannot be computed"
        )
    other = {"a": "b", "b": "a", "tie": "tie"}
    lean = {"a": 0.5, "b": -0.5, "tie": 0.0}
    sums = np.array([[float(other[b] == a), lean[a] + lean[b], 1.0] for a, b in both])
    whole = sums.sum(axis=0)
    drawn = bootstrap(sums, draws, seed)
    return OrderReport(
        len(original),
        len(both),
        float(whole[0] / whole[2]),
        percentile_interval(drawn[:, 0] / drawn[:, 2]),
        float(whole[1] / whole[2]),
        percentile_interval(drawn[:, 1] / drawn[:, 2]),
    )


def judge_pairs(
    client: JudgeClient, rows: Sequence[Mapping[str, Any]], template: str = "judge/pairwise"
) -> tuple[list[PairVerdict], OrderReport]:
    """Request verdicts on each pair in both orders.

    Args:
        client: Client of the judge.
        rows: Pairs with ``first``, ``second`` and the other variables of the template. ``id`` names
            a row for the recorded backend, which finds the swapped question as ``<id>~swapped``.
        template: Template of the prompt.
    """
    prompt, form = load_prompt(template), FORMS["pair"]
    questions = []
    for number, row in enumerate(rows):
        for name in ("first", "second"):
            if not isinstance(row.get(name), str):
                raise CriticError(f"pair {number}: {name!r} is missing or no text")
        key = str(row.get("id") or content_hash(dict(row)))
        turned = {**row, "first": row["second"], "second": row["first"]}
        questions.append(JudgeQuestion(key, render_pair(prompt, row)))
        questions.append(JudgeQuestion(f"{key}~swapped", render_pair(prompt, turned)))
    combined = [combine_replies(replies, form) for replies in client.ask(questions)]
    verdicts = [PairVerdict(*pair) for pair in zip(combined[::2], combined[1::2], strict=True)]
    report = order_report(
        [_place(v.original) for v in verdicts], [_place(v.swapped) for v in verdicts]
    )
    return verdicts, report


def _place(verdict: Verdict) -> str | None:
    return (
        _side(verdict.raw, "a", "b")
        if verdict.outcome == READ and verdict.raw is not None
        else None
    )


def _side(worth: float, high: str, low: str) -> str:
    return "tie" if abs(worth - 0.5) < _EVEN else high if worth > 0.5 else low
