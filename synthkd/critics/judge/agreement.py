"""Agreement of a judge with people: accuracy and Cohen's kappa."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkd.errors import CriticError
from synthkd.statistics import Interval, draw_counts, percentile_interval

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class JudgeAgreement:
    """Agreement with people; unreadable rows count as wrong in ``accuracy``."""

    rows: int
    unreadable: int
    accuracy: float
    accuracy_interval: Interval
    kappa: float
    kappa_interval: Interval


def judge_agreement(
    verdicts: Sequence[str | None],
    people: Sequence[str],
    groups: Sequence[str] | None = None,
    draws: int = 2_000,
    seed: int = 0,
) -> JudgeAgreement:
    """Compare a judge's verdicts with those of people.

    Rows of one group (a prompt, a pair) are drawn together.
    """
    if len(verdicts) != len(people) or not verdicts:
        raise CriticError(
            f"{len(verdicts)} verdicts and {len(people)} labels: give equally many, at least one"
        )
    values = {value: place for place, value in enumerate(dict.fromkeys([*people, *verdicts]))}
    k = len(values)
    cells = [values[a] * k + values[b] for a, b in zip(verdicts, people, strict=True)]
    tables = group_sums(np.eye(k * k)[cells], groups)
    whole = tables.sum(axis=0, keepdims=True)
    drawn = bootstrap(tables, draws, seed)
    return JudgeAgreement(
        len(verdicts),
        sum(value is None for value in verdicts),
        float(_accuracy(whole, k)[0]),
        percentile_interval(_accuracy(drawn, k)),
        float(_kappa(whole, k)[0]),
        percentile_interval(_kappa(drawn, k)),
    )


def _accuracy(tables: Floats, k: int) -> Floats:
    """Return the share on the diagonal of each table (n, k * k)."""
    accuracy: Floats = np.trace(tables.reshape(-1, k, k), axis1=1, axis2=2) / tables.sum(axis=1)
    return accuracy


def _kappa(tables: Floats, k: int) -> Floats:
    """Return Cohen's kappa of each table (n, k * k); 0 if chance explains all agreement."""
    square = tables.reshape(-1, k, k)
    total = tables.sum(axis=1)
    chance = (square.sum(axis=2) * square.sum(axis=1)).sum(axis=1) / total**2
    left = 1 - chance
    kappa: Floats = np.where(
        left > 1e-12, (_accuracy(tables, k) - chance) / np.where(left > 1e-12, left, 1), 0.0
    )
    return kappa


def group_sums(rows: Floats, groups: Sequence[str] | None) -> Floats:
    """Sum rows (n, m) by group to (groups, m); without groups, each row is its own."""
    if groups is None:
        return rows
    names = {name: place for place, name in enumerate(dict.fromkeys(groups))}
    sums = np.zeros((len(names), rows.shape[1]))
    np.add.at(sums, [names[name] for name in groups], rows)
    return sums


def bootstrap(sums: Floats, draws: int, seed: int) -> Floats:
    """Draw groups with replacement; return the totals (draws, m) of their sums (groups, m)."""
    return np.concatenate(
        [times @ sums for times in draw_counts(np.ones(len(sums), int), draws, seed)]
    )
