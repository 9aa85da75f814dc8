"""The guarantee for clustered rows, on simulated critics of known true precision.

Confidence 0.9, so a guarantee may be broken in a share of 0.1 of the draws. Scores are uniform,
alike in a group or not (Gaussian copula); a row is valid with a chance that its score gives. A row
takes the draw of its group instead of its own with the square root of the intraclass correlation as
the chance, so two rows of one group with equal scores have that correlation. Groups are of equal or
of lognormal size (the largest of 20 has about a quarter of the rows). In each world all or nearly
all thresholds lie just below the target, or the precision crosses it:

- *flat*: the score says nothing; any threshold breaks the guarantee.
- *sharp*: above 0.45 the precision lies just below the target, beneath it at 0.03: a
  good critic with wrong groups.
- *slow*: precision falls with the score and crosses the target.

*top* is reported apart (`guarantee_broken_share_top`), since the method cannot see it: as *sharp*,
rising from 0 below, but only rows above 0.5 are correlated. No error above and independent errors
below look like independence.

Each cell of the grid is measured first with few draws. The worst cells, and those of 20 groups
wholly of one verdict, where errors are most easily missed, are measured again with many fresh
draws; the largest of these is `guarantee_broken_share_max`, with its Clopper-Pearson interval at 95
%.

`perfect_critic_pass_share`: 200 held-out rows in 20 groups, verdicts independent of the groups, AUC
0.99: the share of seeds in which a precision of 0.9 can be guaranteed (at confidence 0.95, the
default). Beside it: yields with groups and without, and the effect of 2 % of wrong labels.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from benchmarks.base import Figures, Options
from benchmarks.text_table import table
from synthkd.critics.calibration import (
    Curve,
    ThresholdPlan,
    clopper_pearson_lower,
    clopper_pearson_upper,
)
from synthkd.critics.calibration.selection import effective_labels, fallback_test

Floats = np.ndarray[Any, np.dtype[np.float64]]
ALPHA = 0.1
_FINE = 20_000
#: Distance of a precision just below the target.
_SHORT = 0.003
WORLDS: dict[str, Callable[[Floats, float], Floats]] = {
    "flat": lambda s, p: np.full(len(s), p - _SHORT),
    "sharp": lambda s, p: np.where(s > 0.45, p - _SHORT, 0.03),
    "slow": lambda s, p: np.clip(p + 0.15 * (s - 0.55), 0, 1),
    "top": lambda s, p: np.where(s > 0.5, p - _SHORT, np.clip(1.2 * s, 0, 1)),
}
CORRELATIONS = (0.0, 0.05, 0.2, 0.5, 1.0)
#: Groups and their mean size.
GROUPS = ((20, 10), (60, 8), (150, 6), (400, 4))
#: Cells that are measured again.
_WORST = 12


@dataclass(frozen=True)
class Cell:
    """One world of the grid."""

    groups: int
    size: int
    skewed: bool
    correlation: float
    alike: float
    world: str
    asked: float

    @property
    def name(self) -> str:
        sizes = "skewed" if self.skewed else "equal"
        return (
            f"{self.world} at {self.asked}, ICC {self.correlation}, {self.groups} groups of"
            f" {self.size} ({sizes}),"
            f" scores {self.alike} alike"
        )


def grid() -> list[Cell]:
    """Return all cells of the grid; a target of 0.8 only in the sharp world."""
    cells = itertools.product(GROUPS, (False, True), CORRELATIONS, (0.0, 0.5), WORLDS, (0.8, 0.9))
    return [
        Cell(*groups, skewed, correlation, alike, world, target)
        for groups, skewed, correlation, alike, world, target in cells
        if world != "top" and (target == 0.9 or world == "sharp")
    ]


def draw(rng: np.random.Generator, cell: Cell) -> tuple[Floats, Any, Any]:
    """Draw scores, verdicts and groups."""
    sizes = np.full(cell.groups, cell.size)
    if cell.skewed:
        many = rng.lognormal(0, 1, cell.groups)
        sizes = np.maximum(np.round(many * cell.size / many.mean()), 1).astype(int)
    places = np.repeat(np.arange(cell.groups), sizes)
    rows = len(places)
    shared = np.sqrt(cell.alike) * rng.normal(size=cell.groups)[places]
    scores = ndtr(shared + np.sqrt(1 - cell.alike) * rng.normal(size=rows))
    together = rng.random(rows) < np.sqrt(cell.correlation)
    if cell.world == "top":
        together &= scores > 0.5
    draws = np.where(together, rng.random(cell.groups)[places], rng.random(rows))
    return scores, draws < WORLDS[cell.world](scores, cell.asked), places


def broken(cell: Cell, draws: int, seed: int) -> int:
    """Count the draws whose threshold has too low a true precision."""
    fine = WORLDS[cell.world](np.linspace(1, 0, _FINE + 1), cell.asked)
    truth = np.cumsum(fine) / np.arange(1, _FINE + 2)
    rng, results = np.random.default_rng([seed, *cell.name.encode()]), 0
    for _ in range(draws):
        scores, labels, places = draw(rng, cell)
        curve = Curve.of(scores, labels, groups=places)
        plan = ThresholdPlan.by_ranks(curve.scores, cell.asked, ALPHA)
        passed = fallback_test(curve.evidence(), plan, cell.asked, ALPHA)
        if passed is not None:
            kept = 1 - max(float(plan.thresholds[passed.place]), 0.0)
            results += bool(truth[int(kept * _FINE)] < cell.asked - 1e-4)
    return results


def largest_share(draws: int, seed: int) -> dict[str, Any]:
    """Return the largest share of broken guarantees, with its interval and its cell."""
    cells = grid()
    first, again = (10, 40) if draws < 100 else (draws, 8 * draws)
    shares = {cell: broken(cell, first, seed) for cell in cells}
    hard = [cell for cell in cells if cell.correlation == 1 and cell.groups == GROUPS[0][0]]
    worst = sorted(cells, key=lambda cell: -shares[cell])[: 3 if draws < 100 else _WORST]
    worst = list(dict.fromkeys([*worst, *(hard if draws >= 100 else ())]))
    counts = {cell: broken(cell, again, seed + 1) for cell in worst}
    most = max(worst, key=lambda cell: counts[cell])
    return {
        "guarantee_broken_share_max": counts[most] / again,
        "guarantee_broken_share_low": clopper_pearson_lower(counts[most], again, 0.025),
        "guarantee_broken_share_high": clopper_pearson_upper(counts[most], again, 0.025),
        "guarantee_broken_most": most.name,
        "guarantee_broken_share_mean": sum(shares.values()) / first / len(cells),
        "guarantee_cells": len(cells),
        "guarantee_draws": f"{first} in each cell, {again} fresh ones in the {len(worst)} hardest;"
        f" seed {seed}",
        "guarantee_worst": {cell.name: counts[cell] / again for cell in worst},
    }


def perfect(
    seed: int, *, noise: float = 0.0, groups: int = 20, rows: int = 200
) -> tuple[bool, int]:
    """Return whether 0.9 can be guaranteed for a critic of AUC 0.99.

    The second value is the number of independent labels that its rows are worth.
    """
    rng = np.random.default_rng([seed, rows, groups])
    labels = rng.random(rows) < 0.5
    # Two normal scores this far apart have an AUC of 0.99.
    scores = ndtr(rng.normal(size=rows) + np.where(labels, 1.645, -1.645))
    labels ^= rng.random(rows) < noise
    evidence = Curve.of(scores, labels, groups=np.arange(rows) % groups).evidence()
    plan = ThresholdPlan.by_ranks(evidence.scores, 0.9, 0.05)
    return fallback_test(evidence, plan, 0.9, 0.05) is not None, effective_labels(evidence) or rows


def yields(
    draws: int, seed: int, groups: int, rows: int = 1000, target: float = 0.9
) -> tuple[float, float]:
    """Yield over the best threshold's, with groups and without.

    Verdicts are independent of the groups.
    """
    chance = 1 - np.linspace(0, 1, _FINE + 1) ** 2
    truth = np.cumsum(chance) / np.arange(1, _FINE + 2)
    best = np.flatnonzero(truth >= target)[-1] / _FINE
    results = []
    for number in range(draws):
        rng = np.random.default_rng([seed, number, groups])
        scores = rng.random(rows)
        labels = rng.random(rows) < 1 - (1 - scores) ** 2
        shares = []
        for names in (rng.integers(groups, size=rows), None):
            curve = Curve.of(scores, labels, groups=names)
            plan = ThresholdPlan.by_ranks(curve.scores, target, ALPHA)
            passed = fallback_test(curve.evidence(), plan, target, ALPHA)
            shares.append(
                0.0 if passed is None else 1 - max(float(plan.thresholds[passed.place]), 0.0)
            )
        results.append(shares)
    with_groups, without = np.mean(results, axis=0) / best
    return float(with_groups), float(without)


def figures(options: Options) -> Figures:
    """Simulate the grid, the perfect critic and the yields; no data is read."""
    seed = options.seed
    draws, seeds = (10, 40) if options.quick else (125, 400)
    results = largest_share(draws, seed)
    print(table([("cell", "broken"), *results["guarantee_worst"].items()]))
    plain = [perfect(number) for number in range(seeds)]
    noisy = [perfect(number, noise=0.02) for number in range(seeds)]
    top = [Cell(20, 10, skewed, 1.0, 0.0, "top", 0.9) for skewed in (False, True)]
    results["guarantee_broken_share_top"] = max(broken(cell, seeds, seed) for cell in top) / seeds
    results["perfect_critic_pass_share"] = sum(passed for passed, _ in plain) / seeds
    results["perfect_critic_seeds"] = seeds
    results["perfect_critic_worth"] = float(np.mean([worth for _, worth in plain]))
    results["perfect_critic_worth_noise"] = float(np.mean([worth for _, worth in noisy]))
    for groups in (20, 100):
        with_groups, without = yields(seeds // 4, seed, groups)
        results |= {
            f"guarantee_yield_{groups}_groups": with_groups,
            f"guarantee_yield_{groups}_ungrouped": without,
        }
    return results
