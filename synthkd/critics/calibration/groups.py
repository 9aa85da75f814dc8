"""Thresholds for each relation or class, with one guarantee for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from synthkd.critics.calibration.bounds import Bools, Floats
from synthkd.critics.calibration.curve import Curve
from synthkd.critics.calibration.evidence import Evidence
from synthkd.critics.calibration.plan import STARTS, ThresholdPlan, fewest_rows
from synthkd.critics.calibration.results import Threshold, Unreachable
from synthkd.critics.calibration.selection import (
    PassedTest,
    check_target,
    explain_unreachable,
    fallback_test,
    plan_for,
    threshold_at,
)
from synthkd.errors import CriticError

Found = Threshold | Unreachable


@dataclass(frozen=True)
class GroupThresholds:
    """Thresholds by group, and their guarantee.

    Attributes:
        guarantee: ``each``: all thresholds keep the target precision at once, with the confidence;
            in the pool, for its rows together and not for each of its groups. ``overall``: one
            threshold for the precision of all accepted rows together; a group may lie below.
        target_precision: The precision to keep.
        confidence: Confidence of the guarantee.
        own: Result by group.
        pooled: Result for the groups in ``pool``.
        pool: Groups with too few labels for a threshold of their own.
    """

    guarantee: Literal["each", "overall"]
    target_precision: float
    confidence: float
    own: dict[str, Found]
    pooled: Found | None
    pool: tuple[str, ...]

    def of(self, group: str) -> Found | None:
        """Return the result for a group.

        None for a group without labels, for which nothing is guaranteed.
        """
        if self.guarantee == "overall" or group in self.pool:
            return self.pooled
        return self.own.get(group)

    def accept(self, scores: Floats, groups: Sequence[str]) -> Bools:
        """Accept rows by their groups' thresholds; no row of a group without one."""
        limits = {group: self.of(group) for group in set(groups)}
        values = {g: t.threshold if isinstance(t, Threshold) else np.inf for g, t in limits.items()}
        accepted: Bools = np.asarray(scores) >= np.array([values[group] for group in groups])
        return accepted

    def sentence(self) -> str:
        """Describe the result."""
        confidence = f"with {self.confidence:.0%} confidence"
        if self.guarantee == "overall":
            assert self.pooled is not None
            return f"all groups together, no guarantee for a single one: {self.pooled.sentence()}"
        kept = sorted(group for group, result in self.own.items() if isinstance(result, Threshold))
        parts = [
            f"{confidence}, all at once, a precision of at least {self.target_precision:.2f} in"
            f" each of: {', '.join(kept) or 'none'}"
        ]
        lost = sorted(set(self.own) - set(kept))
        if lost:
            parts.append(f"not reachable, nothing accepted: {', '.join(lost)}")
        parts += [
            f"{group}: {result.advice}"
            for group, result in self.own.items()
            if isinstance(result, Unreachable)
        ]
        if isinstance(self.pooled, Unreachable):
            parts.append(f"the pool: {self.pooled.advice}")
        if self.pool:
            pool = f"too few labels for a guarantee of their own: {', '.join(self.pool)}"
            if isinstance(self.pooled, Threshold):
                parts.append(f"{pool}; it holds for their rows together, not for each")
            else:
                parts.append(
                    f"{pool}; it cannot be reached for them together either, nothing accepted"
                )
        return "; ".join(parts)


def choose_by_group(
    scores: Any,
    labels: Any,
    groups: Sequence[str],
    precision: float,
    confidence: float = 0.95,
    guarantee: Literal["each", "overall"] = "each",
    weights: Any = None,
    *,
    clusters: Sequence[str] | None = None,
    plans: Mapping[str, ThresholdPlan] | None = None,
    decided: Mapping[str, int] | None = None,
) -> GroupThresholds:
    """Choose thresholds by group from held-out scores, verdicts, groups and weights.

    The allowed error is divided equally; a group whose chain of tests passes to the end, so that
    all its rows are accepted, hands its part on to the others (a graphical procedure: Bretz et al.
    2009, as Holm's). Which groups share the pool is decided by their numbers of rows alone.

    ``clusters`` name the cluster of each row, such as its head; ``plans`` by group come from labels
    elsewhere (`ThresholdPlan.from_labels`); ``decided`` are the numbers of rows by group that the
    guarantee is about.
    """
    check_target(precision, confidence)
    whole = Curve.of(scores, labels, weights, clusters)
    names, rows = np.asarray(groups, dtype=str), len(whole.scores)
    if len(names) != rows:
        raise CriticError(
            f"{rows:,} held-out rows but {len(names):,} groups; give one for each row"
        )
    if guarantee == "overall":
        return GroupThresholds(
            "overall", precision, confidence, {}, whole.threshold(precision, confidence,
            decided=_sum(decided)), ()
        )  # fmt: skip
    own = _large(names, precision, 1 - confidence)
    pool = tuple(sorted(set(names.tolist()) - set(own)))
    parts = {group: names == group for group in own}
    if pool:
        parts[_POOL] = np.isin(names, pool)
    arrays = [
        None if array is None else np.asarray(array)
        for array in (scores, labels, weights, clusters)
    ]
    # Correlation is estimated from all rows: a relation without errors shows none.
    correlation = None if clusters is None else whole.evidence().correlation
    evidence = {
        group: replace(
            Curve.of(*(None if array is None else array[here] for array in arrays)).evidence(
                _sum(decided, pool if group == _POOL else (group,))
            ),
            known_correlation=correlation,
        )
        for group, here in parts.items()
    }
    results = _chosen(evidence, precision, confidence, plans or {})
    pooled = results.pop(_POOL, None)
    return GroupThresholds("each", precision, confidence, results, pooled, pool)


#: Stands for the pool among the groups; no group has a name with a NUL.
_POOL = "\0pool"


def _large(names: np.ndarray[Any, Any], precision: float, alpha: float) -> list[str]:
    """Return groups with so many rows that half of them, all valid, would pass."""
    values, counts = np.unique(names, return_counts=True)
    own = dict(zip(values.tolist(), counts.tolist(), strict=True))
    while True:
        least = 2 * fewest_rows(precision, alpha / (len(own) + 1) / STARTS)
        large = {group: count for group, count in own.items() if count >= least}
        if len(large) == len(own):
            return list(large)
        own = large


def _sum(decided: Mapping[str, int] | None, groups: Sequence[str] | None = None) -> int | None:
    """Sum the decided rows of these groups, or of all."""
    if decided is None:
        return None
    return sum(decided.get(group, 0) for group in (decided if groups is None else groups))


def _chosen(
    parts: dict[str, Evidence],
    precision: float,
    confidence: float,
    planned: Mapping[str, ThresholdPlan],
) -> dict[str, Found]:
    alpha = 1 - confidence
    levels = dict.fromkeys(parts, alpha / len(parts))
    plans = {
        g: plan_for(e, precision, alpha / len(parts), planned.get(g)) for g, e in parts.items()
    }
    passed: dict[str, PassedTest | None] = {}
    waiting = list(parts)
    while waiting:
        for group in waiting:
            passed[group] = fallback_test(parts[group], plans[group], precision, levels[group])
        done = [group for group in waiting if (p := passed[group]) is not None and p.whole]
        waiting = [group for group in waiting if group not in done]
        if not done:
            break
        for group in waiting:
            levels[group] += sum(p.level for d in done if (p := passed[d]) is not None) / len(
                waiting
            )
    return {
        group: explain_unreachable(parts[group], plans[group], precision, confidence, levels[group])
        if (at := passed[group]) is None
        else threshold_at(parts[group], plans[group], at, precision, confidence)
        for group in parts
    }
