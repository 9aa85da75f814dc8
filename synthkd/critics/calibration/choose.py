"""The loosest threshold that keeps an asked precision, or why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from synthkd.critics.calibration.bounds import binomial_p
from synthkd.critics.calibration.evidence import Evidence
from synthkd.critics.calibration.plan import SECOND_START, Plan
from synthkd.critics.calibration.results import Threshold, Unreachable
from synthkd.errors import CriticError

#: Rows from which a precision that was seen is worth telling.
_TELLING = 20


@dataclass(frozen=True)
class Passed:
    """The loosest place of a plan that passed, the level of its test, and whether it is the plan's last."""

    place: int
    level: float
    whole: bool


def walk(evidence: Evidence, plan: Plan, precision: float, alpha: float) -> Passed | None:
    """The fallback procedure: what passes hands its error on to the next looser threshold, what fails ends it.

    Where testing has ended it starts anew at the next place at which a share of the error enters.
    """
    best: Passed | None = None
    level, known = 0.0, evidence.p_values(plan.thresholds, precision)
    for place, (threshold, share) in enumerate(zip(plan.thresholds, plan.shares, strict=True)):
        level += alpha * share
        if not level:
            continue
        found = evidence.p_value(float(threshold), precision, level) if known is None else known[place]
        if found <= level:
            best = Passed(place, level, place == len(plan.thresholds) - 1)
        else:
            level = 0.0
    return best


def choose(
    evidence: Evidence, precision: float, confidence: float, plan: Plan | None = None
) -> Threshold | Unreachable:
    """The loosest threshold that passes, by ranks and, where given, by ``plan`` from other labels."""
    check_asked(precision, confidence)
    alpha = 1 - confidence
    plan = plan_for(evidence, precision, alpha, plan)
    passed = walk(evidence, plan, precision, alpha)
    if passed is None:
        return unreachable(evidence, plan, precision, confidence, alpha)
    return threshold_at(evidence, plan, passed, precision, confidence)


def plan_for(evidence: Evidence, precision: float, alpha: float, planned: Plan | None = None) -> Plan:
    """By the ranks of the scores, joined with a plan from other labels where there is one."""
    ranks = Plan.by_ranks(evidence.scores, precision, alpha, evidence.decided)
    return ranks if planned is None else Plan.joined(planned, ranks)


def effective(evidence: Evidence, threshold: float) -> int | None:
    """Independent labels that tell as much as all held-out ones, by the design effect at a threshold."""
    if evidence.groups is None:
        return None
    return max(int(len(evidence.labels) / evidence.effect(threshold)), 1)


def threshold_at(
    evidence: Evidence, plan: Plan, passed: Passed, precision: float, confidence: float
) -> Threshold:
    """What is known of the threshold at a place that passed."""
    chosen = _at_a_row(evidence, float(plan.thresholds[passed.place]))
    seen, kept, recall = evidence.rate(chosen)
    return Threshold(
        threshold=chosen,
        asked=precision,
        confidence=confidence,
        lower_bound=max(evidence.lower_bound(chosen, passed.level), precision),
        precision=seen,
        kept=kept,
        recall=recall,
        held_out=len(evidence.labels),
        decided=evidence.decided,
        effective=effective(evidence, chosen),
    )


def _at_a_row(evidence: Evidence, threshold: float) -> float:
    """The lowest score that passes: nothing is known of the gap below it, where no held-out row lies."""
    count = evidence.accepted(threshold)
    return threshold if count == len(evidence.scores) else float(evidence.scores[count - 1])


def unreachable(
    evidence: Evidence, plan: Plan, precision: float, confidence: float, alpha: float
) -> Unreachable:
    """Why nothing passed at the error ``alpha``, and how many labels would do if what was seen is true."""
    # A plan may begin late, for want of rows; what lies before tells whether more would help.
    early = [float(evidence.scores[rank]) for rank in _ranks(len(evidence.scores))]
    places = [*dict.fromkeys(early + [float(t) for t in plan.thresholds if evidence.accepted(float(t))])]
    if not places:
        return Unreachable(precision, confidence, 0.0, 0.0, None, len(evidence.labels))
    level = alpha * float(max(plan.shares))
    rates = {place: evidence.rate(place) for place in places}
    best = max(places, key=lambda place: rates[place][:2])
    n = len(evidence.labels)
    needs = _needs(evidence, rates, precision, level, prior=1) or _needs(
        evidence, rates, precision, level, prior=0
    )
    return Unreachable(
        asked=precision,
        confidence=confidence,
        best_precision=rates[best][0],
        best_kept=rates[best][1],
        labels_needed=max(min(needs), n + 1) if needs else None,
        held_out=n,
        effective=effective(evidence, best),
    )


def _ranks(rows: int) -> list[int]:
    """Places at every twentieth, from the first above which a share can be told."""
    return [rank for rank in range(rows // 20, rows, max(rows // 20, 1)) if rank >= _TELLING]


def _needs(
    evidence: Evidence,
    rates: dict[float, tuple[float, float, float]],
    precision: float,
    level: float,
    prior: int,
) -> list[int]:
    """Labels needed at each place where the precision seen is enough; few rows are seen to be too good.

    ``prior`` rows of each sort are added against that; without them where nothing would be left.
    """
    found = []
    for place, (seen, _, _) in rates.items():
        count = evidence.accepted(place)
        tempered = (seen * count + prior) / (count + 2 * prior)
        rows = _rows_needed(tempered, precision, level)
        if rows is not None:
            # Looser places are reached from the second start only.
            share = min(count / len(evidence.labels), SECOND_START)
            found.append(math.ceil(rows / share * _worth(evidence, count) * evidence.effect(place)))
    return found


def _rows_needed(seen: float, precision: float, level: float) -> int | None:
    """Accepted rows with which a precision as seen would pass: growing, up to a million."""
    if seen <= precision:
        return None
    rows = np.unique(np.geomspace(8, 1_000_000, 125).astype(np.int64))
    passing = np.flatnonzero(binomial_p(np.floor(seen * rows), rows, precision) <= level)
    return int(rows[passing[0]]) if len(passing) else None


def _worth(evidence: Evidence, count: int) -> float:
    """Weighted rows that tell as much as one uniformly drawn row."""
    if evidence.weights is None:
        return 1.0
    weights = evidence.weights[:count]
    return float(count / (weights.sum() / weights.max()))


def check_asked(precision: float, confidence: float) -> None:
    """Refuse what cannot be asked."""
    if not 0 < precision < 1:
        raise CriticError(f"a precision of {precision} was asked for; it must lie between 0 and 1")
    if not 0 < confidence < 1:
        raise CriticError(f"a confidence of {confidence} was asked for; it must lie between 0 and 1")
