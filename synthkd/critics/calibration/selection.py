"""Choose the loosest threshold that guarantees a target precision, or explain why there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthkd.critics.calibration.evidence import Evidence
from synthkd.critics.calibration.plan import RANK_STARTS, STARTS, ThresholdPlan, fewest_rows
from synthkd.critics.calibration.results import Threshold, Unreachable
from synthkd.errors import CriticError

#: Fewest rows of a cut whose precision is reported.
_TELLING = 20
#: The same for few held-out rows: a quarter of them, and at least these.
_TELLING_LEAST = 5
#: Chance with which the advised number of labels suffices, if the observed figures are true.
LIKELY = 0.8


@dataclass(frozen=True)
class PassedTest:
    """The loosest place that passed, its level, and whether it is the plan's last."""

    place: int
    level: float
    whole: bool


def fallback_test(
    evidence: Evidence, plan: ThresholdPlan, precision: float, alpha: float
) -> PassedTest | None:
    """Run the fallback procedure and return the loosest place that passed.

    A new chain starts at the next place at which a share of the error enters.
    """
    best: PassedTest | None = None
    level, p_values = 0.0, evidence.p_values(plan.thresholds, precision)
    for place, (threshold, share) in enumerate(zip(plan.thresholds, plan.shares, strict=True)):
        level += alpha * share
        if not level:
            continue
        p_value = (
            evidence.p_value(float(threshold), precision, level)
            if p_values is None
            else p_values[place]
        )
        if p_value <= level:
            best = PassedTest(place, level, place == len(plan.thresholds) - 1)
        else:
            level = 0.0
    return best


def choose_threshold(
    evidence: Evidence, precision: float, confidence: float, plan: ThresholdPlan | None = None
) -> Threshold | Unreachable:
    """Return the loosest threshold that passes, by ranks and an optional plan."""
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
    """Plan by the ranks of the scores, joined with a plan from other labels if there is one."""
    ranks = ThresholdPlan.by_ranks(evidence.scores, precision, alpha, evidence.decided)
    return ranks if planned is None else ThresholdPlan.joined(planned, ranks)


def effective_labels(evidence: Evidence) -> int | None:
    """Return how many independent labels the held-out ones are worth.

    None if rows are not clustered.
    """
    if evidence.groups is None:
        return None
    return max(int(len(evidence.labels) / evidence.effect(float(evidence.scores[-1]))), 1)


def threshold_at(
    evidence: Evidence, plan: ThresholdPlan, passed: PassedTest, precision: float, confidence: float
) -> Threshold:
    """Describe the threshold at a place that passed."""
    chosen = _at_a_row(evidence, float(plan.thresholds[passed.place]))
    seen, kept, recall = evidence.rate(chosen)
    return Threshold(
        threshold=chosen,
        target_precision=precision,
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
    """Return the lowest held-out score that passes: nothing is known of the gap below."""
    count = evidence.accepted(threshold)
    return threshold if count == len(evidence.scores) else float(evidence.scores[count - 1])


def explain_unreachable(
    evidence: Evidence, plan: ThresholdPlan, precision: float, confidence: float, alpha: float
) -> Unreachable:
    """Explain why no test passed, and how many labels would suffice."""
    best, places = best_observed_cut(evidence)
    seen, kept, _ = evidence.rate(best)
    return Unreachable(
        target_precision=precision,
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
    """Return the threshold with the highest observed precision, and all places compared.

    There is a place at each twentieth of the rows that has enough rows. No target enters.
    """
    rows = len(evidence.scores)
    fewest = min(_TELLING, max(rows // 4, _TELLING_LEAST))
    ranks = [rank for rank in range(rows // 20, rows, max(rows // 20, 1)) if rank >= fewest - 1]
    counts = sorted(
        {evidence.accepted(float(evidence.scores[rank])) for rank in [*ranks, rows - 1]}
    )
    best = max(
        (float(evidence.scores[count - 1]) for count in counts),
        key=lambda at: evidence.rate(at)[:2],
    )
    return best, counts


def _labels_needed(
    evidence: Evidence, places: list[int], precision: float, alpha: float, prior: int = 0
) -> int | None:
    """Return the fewest held-out labels in all with which a start by ranks would probably pass.

    None beyond a million.

    The present labels stay. New ones are assumed to come from further groups like theirs, with the
    same precision above a score, which never falls as the score rises. ``prior`` rows of each
    verdict are added to the present ones: the best of many places looks too good.
    """
    from scipy.stats import binom

    rows = len(evidence.labels)
    totals = np.unique(
        np.concatenate(
            [np.arange(rows + 1, rows + 257), np.geomspace(rows + 257, 1e6, 300)]
        ).astype(np.int64)
    )
    counts = np.array(places)
    rates = np.array([evidence.rate(float(evidence.scores[count - 1]))[0] for count in places])
    rates = (rates * counts + prior) / (counts + 2 * prior)
    # The highest precision at this place or a looser one.
    rates = np.maximum.accumulate(rates[::-1])[::-1]
    fewest = np.minimum(fewest_rows(precision, alpha / STARTS) / totals, 1.0)
    sizes = []
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
            sizes.append(int(totals[passing[0]]))
    return min(sizes, default=None)


def check_target(precision: float, confidence: float) -> None:
    """Refuse a target precision or confidence outside (0, 1)."""
    if not 0 < precision < 1:
        raise CriticError(f"the target precision is {precision}; it must lie between 0 and 1")
    if not 0 < confidence < 1:
        raise CriticError(f"the confidence is {confidence}; it must lie between 0 and 1")
