"""Orders of threshold tests on simulated critics: kept guarantees and yields.

Confidence 0.9. ``broken``: share of draws whose threshold has too low a true precision, the largest
over worlds, precisions and numbers of labels. ``kept``: yield as a share of the best threshold's,
its mean over them. Clustered rows have a simulation of their own (`guarantee_simulation`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.base import Figures, Options
from benchmarks.text_table import table
from synthkd.critics.calibration import Curve, ThresholdPlan
from synthkd.critics.calibration.plan import fewest_rows
from synthkd.critics.calibration.selection import fallback_test

Floats = np.ndarray[Any, np.dtype[np.float64]]
ALPHA, FINE = 0.1, 200_000
TARGETS, LABELS = (0.8, 0.9, 0.95), (300, 600, 1200, 2400)
#: Chance of being valid by score; scores are uniform.
WORLDS: dict[str, Callable[[Floats], Floats]] = {
    "steep": lambda s: s**0.5,
    "slow": lambda s: 0.55 + 0.42 * s,
    "bent": lambda s: np.where(s > 0.93, 0.86, np.clip(0.5 + 0.47 * s / 0.93, 0, 1)),
    "flat top": lambda s: np.where(s > 0.7, 0.93, 0.3 + 0.6 * s),
    "narrow": lambda s: np.where(s > 0.85, 0.97, 0.6),
    "good": lambda s: 0.85 + 0.14 * s,
    "bent twice": lambda s: np.where(s > 0.98, 0.8, np.where(s > 0.5, 0.94, 0.5)),
}
#: Starts as shares of the rows; 0 is the fewest rows that can pass.
STARTS = {
    "few, .2": (0.0, 0.2), "few, .1, .3": (0.0, 0.1, 0.3), "few, .15, .4": (0.0, 0.15, 0.4),
    ".2": (0.2,),
    ".05, .1, .2, .4": (0.05, 0.1, 0.2, 0.4), ".05, .15, .4": (0.05, 0.15, 0.4),
    ".1, .3": (0.1, 0.3),
}  # fmt: skip


def by_ranks(scores: Floats, precision: float, starts: tuple[float, ...]) -> ThresholdPlan:
    """Return `ThresholdPlan.by_ranks` with other starts and equal shares of the error."""
    n = len(scores)
    fewest = min(fewest_rows(precision, ALPHA / len(starts)) / n, 1.0)
    at = [max(start, fewest) for start in starts]
    shares = np.unique(np.concatenate([np.linspace(min(at), 1, 150), at]))
    ranks = np.ceil(shares * n - 1e-9).astype(int)
    values = np.where(ranks < n, np.nextafter(scores[np.minimum(ranks, n - 1)], np.inf), 0.0)
    entering = np.zeros(len(shares))
    for place in at:
        entering[np.searchsorted(shares, place - 1e-12)] += 1 / len(starts)
    return ThresholdPlan(values, entering)


def plans(
    scores: Floats, planned: ThresholdPlan, misled: ThresholdPlan, precision: float
) -> dict[str, ThresholdPlan]:
    """Return each order of tests by name."""
    results = {f"ranks from {name}": by_ranks(scores, precision, at) for name, at in STARTS.items()}
    ranks = ThresholdPlan.by_ranks(scores, precision, ALPHA)
    return results | {
        "ranks": ranks, "planned": planned, "joined": ThresholdPlan.joined(planned, ranks),
        "joined, half each": ThresholdPlan.joined(planned, ranks, 0.5),
        "misled plan": misled, "misled plan, joined": ThresholdPlan.joined(misled, ranks),
    }  # fmt: skip


def orders(rounds: int, seed: int = 0) -> dict[str, dict[str, float]]:
    """Simulate each order of tests: shares of yield and of broken guarantees."""
    kept: dict[str, list[float]] = {}
    broken: dict[str, list[float]] = {}
    for number, world in enumerate(WORLDS.values()):
        fine = world(np.linspace(1, 0, FINE + 1))
        truth = np.cumsum(fine) / np.arange(1, FINE + 2)
        for target in TARGETS:
            enough = np.flatnonzero(truth >= target)
            best = enough[-1] / FINE if len(enough) else 0.0
            for labels in LABELS:
                rng = np.random.default_rng([seed, number, round(100 * target), labels])
                results = [_round(rng, world, labels, target) for _ in range(rounds)]
                for name in results[0]:
                    shares = np.array([one[name] for one in results])
                    low = truth[np.minimum(shares * FINE, FINE).astype(int)] < target - 1e-4
                    broken.setdefault(name, []).append(float(np.mean((shares > 0) & low)))
                    if best:
                        kept.setdefault(name, []).append(float(shares.mean()) / best)
    return {
        name: {"kept": float(np.mean(values)), "broken_max": max(broken[name]),
               "broken_mean": float(np.mean(broken[name]))}
        for name, values in kept.items()
    }  # fmt: skip


def _round(
    rng: np.random.Generator, world: Callable[[Floats], Floats], n: int, target: float
) -> dict[str, float]:
    """Share of the population that each order of tests keeps in one draw."""
    scores = rng.random(n)
    curve = Curve.of(scores, rng.random(n) < world(scores))
    other = rng.random(n)
    verdicts = rng.random(n) < world(other)
    planned = ThresholdPlan.from_labels(other, verdicts, n, target, ALPHA)
    misled = ThresholdPlan.from_labels(other, np.ones(n, dtype=bool), n, target, ALPHA)
    kept = {}
    for name, plan in plans(curve.scores, planned, misled, target).items():
        passed = fallback_test(curve.evidence(), plan, target, ALPHA)
        kept[name] = 0.0 if passed is None else 1 - max(float(plan.thresholds[passed.place]), 0.0)
    return kept


def figures(options: Options) -> Figures:
    """Simulate all orders of tests."""
    results = orders(20 if options.quick else 100)
    header = next(iter(results.values()))
    print(table([("order", *header), *((name, *row.values()) for name, row in results.items())]))
    return {"orders": results}
