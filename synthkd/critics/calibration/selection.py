"""The loosest threshold that keeps an asked precision, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthkd.critics.calibration.evidence import Evidence
from synthkd.critics.calibration.plan import RANK_STARTS, STARTS, ThresholdPlan, fewest_rows
from synthkd.critics.calibration.results import Threshold, Unreachable
from synthkd.errors import CriticError

#: Rows from which a precision that was seen is worth telling.
_TELLING = 20
#: The same of a few rows: a quarter of them, and these at least.
_TELLING_LEAST = 5
#: Chance with which the number of labels that is named makes a precision reachable, if the figures seen are true.
LIKELY = 0.8


@dataclass(frozen=True)
class PassedTest:
    """The loosest place of a plan that passed, the level of its test, and whether it is the plan's last."""

    place: int
    level: float
    whole: bool


def fallback_test(
    evidence: Evidence, plan: ThresholdPlan, precision: float, alpha: float
) -> PassedTest | None:
    """The fallback procedure: what passes hands its error on to the next looser threshold, what fails ends it.

    Where testing has ended it starts anew at the next place at which a share of the error enters.
    """
    best: PassedTest | None = None
    level, known = 0.0, evidence.p_values(plan.thresholds, precision)
    for place, (threshold, share) in enumerate(zip(plan.thresholds, plan.shares, strict=True)):
        level += alpha * share
        if not level:
            continue
        found = evidence.p_value(float(threshold), precision, level) if known is None else known[place]
        if found <= level:
            best = PassedTest(place, level, place == len(plan.thresholds) - 1)
        else:
            level = 0.0
    return best


def choose_threshold(
    evidence: Evidence, precision: float, confidence: float, plan: ThresholdPlan | None = None
) -> Threshold | Unreachable:
    """The loosest threshold that passes, by ranks and, where given, by ``plan`` from other labels."""
    check_target(precision, confidence)
    alpha = 1 - confidence
    plan = plan_for(evidence, precision, alpha, plan)
    passed = fallback_test(evidence, plan, precision, alpha)
    if passed is None:
        return explain_unreachable(evidence, plan, precision, confidence, alpha)
    return threshold_at(evidence, plan, passed, precision, confidence)


def plan_for(
    evidence: Evidence, precision: float, alpha: float, planned: ThresholdPlan | None = None
) -> ThresholdPlan:
    """By the ranks of the scores, joined with a plan from other labels where there is one."""
    ranks = ThresholdPlan.by_ranks(evidence.scores, precision, alpha, evidence.decided)
    return ranks if planned is None else ThresholdPlan.joined(planned, ranks)


def effective_labels(evidence: Evidence) -> int | None:
    """Independent labels that tell as much as all held-out ones; None if each stands alone."""
    if evidence.groups is None:
        return None
    return max(int(len(evidence.labels) / evidence.effect(float(evidence.scores[-1]))), 1)


def threshold_at(
    evidence: Evidence, plan: ThresholdPlan, passed: PassedTest, precision: float, confidence: float
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
        effective=effective_labels(evidence),
    )


def _at_a_row(evidence: Evidence, threshold: float) -> float:
    """The lowest score that passes: nothing is known of the gap below it, where no held-out row lies."""
    count = evidence.accepted(threshold)
    return threshold if count == len(evidence.scores) else float(evidence.scores[count - 1])


def explain_unreachable(
    evidence: Evidence, plan: ThresholdPlan, precision: float, confidence: float, alpha: float
) -> Unreachable:
    """Say why nothing passed at the error ``alpha``: the best cut seen, and how many labels would do if it is true."""
    best, places = best_observed_cut(evidence)
    seen, kept, _ = evidence.rate(best)
    return Unreachable(
        asked=precision,
        confidence=confidence,
        best_precision=seen,
        best_kept=kept,
        labels_needed=_labels_needed(evidence, places, precision, alpha),
        labels_safe=_labels_needed(evidence, places, precision, alpha, prior=1),
        held_out=len(evidence.labels),
        effective=effective_labels(evidence),
        best_threshold=best,
    )


def best_observed_cut(evidence: Evidence) -> tuple[float, list[int]]:
    """Threshold with the highest precision seen, the looser of equal ones; and all places looked at, in rows.

    One place for each twentieth of the rows that has enough rows to tell. No target enters.
    """
    rows = len(evidence.scores)
    fewest = min(_TELLING, max(rows // 4, _TELLING_LEAST))
    ranks = [rank for rank in range(rows // 20, rows, max(rows // 20, 1)) if rank >= fewest - 1]
    counts = sorted({evidence.accepted(float(evidence.scores[rank])) for rank in [*ranks, rows - 1]})
    best = max((float(evidence.scores[count - 1]) for count in counts), key=lambda at: evidence.rate(at)[:2])
    return best, counts


def _labels_needed(
    evidence: Evidence, places: list[int], precision: float, alpha: float, prior: int = 0
) -> int | None:
    """Fewest held-out labels in all with which a start by ranks would probably pass; None if a million are too few.

    The labels in hand stay. New ones come from further groups like theirs, are valid as often as the labels in hand
    above the same score, and above a stricter one at least as often as above a looser one. ``prior`` rows of each
    verdict are added to those in hand before they are believed: the best of many places was seen to be too good.
    """
    from scipy.stats import binom

    rows = len(evidence.labels)
    totals = np.unique(
        np.concatenate([np.arange(rows + 1, rows + 257), np.geomspace(rows + 257, 1e6, 300)]).astype(np.int64)
    )
    counts = np.array(places)
    rates = np.array([evidence.rate(float(evidence.scores[count - 1]))[0] for count in places])
    rates = (rates * counts + prior) / (counts + 2 * prior)
    # The highest precision at this place or a looser one.
    rates = np.maximum.accumulate(rates[::-1])[::-1]
    fewest = np.minimum(fewest_rows(precision, alpha / STARTS) / totals, 1.0)
    found = []
    for start in RANK_STARTS:
        shares = np.maximum(start, fewest)
        # Starts that fall together share the whole error.
        level = np.where(fewest >= max(RANK_STARTS), alpha, alpha / STARTS)
        here = np.minimum(np.ceil(shares * rows - 1e-9).astype(np.int64), rows)
        expected = rates[np.minimum(np.searchsorted(counts, here), len(counts) - 1)]
        loss = evidence.loss(here, totals / rows)
        accepted = np.floor(shares * totals / loss + 1e-9)
        seen = np.minimum(np.round(shares * rows / loss), accepted)
        valid = np.floor(seen * evidence.precisions(here) + 1e-9)
        # So many valid rows pass.
        enough = binom.isf(level, accepted, precision) + 1
        chance = binom.sf(enough - valid - 1, accepted - seen, expected)
        passing = np.flatnonzero((chance >= LIKELY) & (enough <= accepted))
        if len(passing):
            found.append(int(totals[passing[0]]))
    return min(found, default=None)


def check_target(precision: float, confidence: float) -> None:
    """Refuse what cannot be asked."""
    if not 0 < precision < 1:
        raise CriticError(f"a precision of {precision} was asked for; it must lie between 0 and 1")
    if not 0 < confidence < 1:
        raise CriticError(f"a confidence of {confidence} was asked for; it must lie between 0 and 1")
