"""Self-preference of judges, and the margin filter of AGDe-Judge.

Self-preference is the difference between how often a judge accepts its own rows and those of
others, among rows to which people gave the same verdict. Without that, a judge that writes better
than others would look partial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkd.critics.judge.agreement import bootstrap, group_sums
from synthkd.errors import CriticError
from synthkd.statistics import Interval, percentile_interval

Floats = np.ndarray[Any, np.dtype[np.float64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]
#: The margin above which AGDe-Judge keeps a label.
MARGIN = 5.0


@dataclass(frozen=True)
class Stratum:
    """Rows with one verdict of people: the judge's own and others', with shares accepted."""

    human: str
    own: int
    own_accepted: float
    others: int
    others_accepted: float


@dataclass(frozen=True)
class SelfPreference:
    """Self-preference over all strata by Mantel and Haenszel's weights.

    Above 0, the judge favours itself.

    ``difference`` of acceptance rates, own minus others, and ``log_odds`` of acceptance, own
    against others, with 95 % bootstrap intervals.
    """

    strata: tuple[Stratum, ...]
    difference: float
    difference_interval: Interval
    log_odds: float
    log_odds_interval: Interval


def self_preference(
    own: Sequence[bool],
    accepted: Sequence[float],
    human: Sequence[str],
    groups: Sequence[str] | None = None,
    draws: int = 2_000,
    seed: int = 0,
) -> SelfPreference:
    """Compare rows that the judge wrote with rows of others, at equal verdicts of people.

    ``accepted`` is 0 or 1, or a probability. Rows of one group (an input) are drawn together. A
    stratum that has rows of one side only says nothing, and is left out.
    """
    mine, took = np.asarray(own, dtype=bool), np.asarray(accepted, dtype=np.float64)
    if not len(mine) == len(took) == len(human):
        raise CriticError(
            f"{len(mine)} authors, {len(took)} verdicts, {len(human)} labels: give equally many of"
            " each"
        )
    if not ((took >= 0) & (took <= 1)).all():
        raise CriticError(
            "accepted: 0, 1 or a probability for each row; leave rows without a verdict out"
        )
    labels = np.asarray([str(label) for label in human])
    names = [
        name
        for name in sorted(set(labels))
        if mine[labels == name].any() and (~mine[labels == name]).any()
    ]
    if not names:
        raise CriticError(
            "no verdict of people has rows of the judge and rows of others; nothing can be compared"
        )
    # Cells by stratum: own accepted, own rejected, others accepted, others rejected.
    cells = np.zeros((len(mine), len(names), 4))
    for place, name in enumerate(names):
        here = labels == name
        cells[:, place] = (
            here * np.stack([mine * took, mine * (1 - took), ~mine * took, ~mine * (1 - took)])
        ).T
    sums = group_sums(cells.reshape(len(mine), -1), groups)
    whole = sums.sum(axis=0).reshape(1, -1, 4)
    drawn = bootstrap(sums, draws, seed).reshape(draws, -1, 4)
    return SelfPreference(
        tuple(_stratum(name, whole[0, place]) for place, name in enumerate(names)),
        float(_difference(whole)[0]),
        percentile_interval(_difference(drawn)),
        float(_log_odds(whole)[0]),
        percentile_interval(_log_odds(drawn)),
    )


def _stratum(name: str, cell: Floats) -> Stratum:
    a, b, c, d = (float(value) for value in cell)
    return Stratum(name, round(a + b), a / (a + b), round(c + d), c / (c + d))


def _difference(cells: Floats) -> Floats:
    """Return the Mantel-Haenszel risk difference of tables (n, strata, 4)."""
    a, b, c, d = np.moveaxis(cells, -1, 0)
    total = np.maximum(a + b + c + d, 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference: Floats = ((a * (c + d) - c * (a + b)) / total).sum(-1) / (
            (a + b) * (c + d) / total
        ).sum(-1)
    return difference


def _log_odds(cells: Floats) -> Floats:
    """Return the log of the Mantel-Haenszel odds ratio of tables (n, strata, 4).

    One row more is dealt to accepted and to rejected, between the two sides as their sizes are:
    finite where a judge accepts all of one side, and 0 where it treats both alike.
    """
    a, b, c, d = np.moveaxis(cells, -1, 0)
    total = np.maximum(a + b + c + d, 1e-12)
    own, others = (a + b) / total, (c + d) / total
    a, b, c, d = a + own, b + own, c + others, d + others
    with np.errstate(divide="ignore", invalid="ignore"):
        log_odds: Floats = np.log((a * d / total).sum(-1) / (b * c / total).sum(-1))
    return log_odds


def preference_margin(
    policy_chosen: Sequence[float],
    policy_rejected: Sequence[float],
    reference_chosen: Sequence[float],
    reference_rejected: Sequence[float],
) -> Floats:
    """Return the margin by which a trained model prefers the chosen text, against its reference.

        m = [log p(chosen | x) - log p(rejected | x)] - [log r(chosen | x) - log r(rejected | x)]

    of log-probabilities of whole texts, in nats; shapes (n,). A label with a low margin was hard to
    learn from the others.
    """
    parts = [
        np.asarray(part, dtype=np.float64)
        for part in (policy_chosen, policy_rejected, reference_chosen, reference_rejected)
    ]
    if len({part.shape for part in parts}) != 1:
        raise CriticError(
            f"the four log-probabilities have shapes {[part.shape for part in parts]}; give as many"
        )
    if not all(np.isfinite(part).all() for part in parts):
        raise CriticError("a log-probability is not a finite number; leave that row out")
    margin: Floats = (parts[0] - parts[1]) - (parts[2] - parts[3])
    return margin


def keep_by_margin(margin: Sequence[float] | Floats, above: float = MARGIN) -> Bools:
    """Keep labels whose margin is above the threshold.

    Apply separately to the teacher's and the assistant's labels.
    """
    kept: Bools = np.asarray(margin, dtype=np.float64) > above
    return kept


def labels_kept_by_both(
    teacher: Sequence[str],
    assistant: Sequence[str],
    teacher_margin: Sequence[float] | Floats,
    assistant_margin: Sequence[float] | Floats,
    above: float = MARGIN,
) -> Bools:
    """Return which labels are kept for both and equal."""
    same = np.asarray(list(teacher)) == np.asarray(list(assistant))
    both: Bools = (
        same & keep_by_margin(teacher_margin, above) & keep_by_margin(assistant_margin, above)
    )
    return both
