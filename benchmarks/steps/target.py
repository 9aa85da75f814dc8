"""Completions for 200 accepted rows of each relation, against an oracle that knows the yields."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.base import ROOT, Figures, Options
from benchmarks.text_table import table
from everyday.truth import Truth
from synthkd.journal import Journal
from synthkd.pipeline import run
from synthkd.progress import Progress
from synthkd.recipe import Recipe
from synthkd.stages.critic import decide
from synthkd.stages.filter import filter_candidates
from synthkd.stages.plan import plan_run
from synthkd.stages.target.accepted import observed_yields
from synthkd.stages.target.run import target_rounds

SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class TargetResult:
    """The result of one seed.

    Attributes:
        used: Completions of each relation.
        oracle: Completions of each relation that an oracle asks for.
        accepted: Accepted rows of each relation.
        rounds: Number of rounds.
        precision: Share of accepted rows that are true in the everyday world.
    """

    used: dict[str, int]
    oracle: dict[str, int]
    accepted: dict[str, int]
    rounds: int
    precision: float

    @property
    def ratio(self) -> float:
        """Completions over those of the oracle, all relations together."""
        return sum(self.used.values()) / sum(self.oracle.values())


def figures(options: Options) -> Figures:
    """Run each seed; the overshoot is that of the worst."""
    wanted, seeds = (12, SEEDS[:1]) if options.quick else (200, SEEDS)
    results = [_result(wanted, seed) for seed in seeds]
    ratios = [result.ratio for result in results]
    each = [
        result.used[value] / result.oracle[value] for result in results for value in result.used
    ]
    rows: list[tuple[Any, ...]] = [("relation", "accepted", "completions", "oracle", "ratio")]
    for value in results[0].used:
        used = [result.used[value] for result in results]
        oracle = [result.oracle[value] for result in results]
        accepted = [result.accepted[value] for result in results]
        rows.append((value, *(_listed(one) for one in (accepted, used, oracle)), ""))
    rows.append(("all", "", *_totals(results), ", ".join(f"{ratio:.3f}" for ratio in ratios)))
    print(table(rows))
    return {
        "target_overshoot": round(max(ratios), 4),
        "target_overshoot_median": round(float(np.median(ratios)), 4),
        "target_overshoot_relation": round(max(each), 4),
        "target_rounds": max(result.rounds for result in results),
        "target_completions": round(
            float(np.median([sum(result.used.values()) for result in results]))
        ),
        "target_least_accepted": min(min(result.accepted.values()) for result in results),
        "target_precision": round(float(np.mean([result.precision for result in results])), 4),
    }


def _listed(values: list[int]) -> str:
    return ", ".join(f"{value:,}" for value in values)


def _totals(results: list[TargetResult]) -> tuple[str, str]:
    return (
        _listed([sum(result.used.values()) for result in results]),
        _listed([sum(result.oracle.values()) for result in results]),
    )


def _result(wanted: int, seed: int) -> TargetResult:
    with TemporaryDirectory(prefix="synthkd-bench-") as name:
        folder = Path(name)
        recipe = Recipe.load(
            ROOT / "examples" / "everyday.yaml",
            [
                f"target={{accepted: {wanted}, per: relation}}",
                f"teacher.sampling.seed={1000 * seed}",
                f"journal={folder / 'journal.sqlite'}",
                f"work={folder / 'run'}",
                f"corpus.path={folder / 'corpus'}",
            ],
        )
        done = run(recipe, quiet=True, measure=False)
        values = done.manifest["target"]["values"]
        used = {value: int(one["completions"]) for value, one in values.items()}
        truth = Truth.load()
        rows = done.corpus.table(provenance=True).to_pylist()
        result = TargetResult(
            used,
            _oracle(recipe, used, wanted, folder / "oracle"),
            {value: int(one["accepted"]) for value, one in values.items()},
            len(done.manifest["target"]["rounds"]),
            float(np.mean([truth.valid(row) for row in rows])),
        )
    print(f"seed {seed}: ratio {result.ratio:.3f}", file=sys.stderr, flush=True)
    return result


def _oracle(recipe: Recipe, used: Mapping[str, int], wanted: int, folder: Path) -> dict[str, int]:
    """Return the smallest number of completions of each relation that gives the rows.

    Found by bisection, with the whole filter at each step, in the order in which the run asked.
    """
    low, high = dict.fromkeys(used, 1), dict(used)
    while any(low[value] < high[value] for value in used):
        units = {value: (low[value] + high[value]) // 2 for value in used}
        plan = plan_run(recipe)
        decision = decide(plan.components)
        order = target_rounds(plan).order
        with Journal(recipe.journal_path, must_exist=True) as journal:
            filter_candidates(
                plan.selecting(order.selection(units)),
                journal,
                decision,
                folder,
                Progress("filter", quiet=True),
            )
        for value, seen in observed_yields(folder, order, units).items():
            if seen.accepted >= wanted:
                high[value] = units[value]
            else:
                low[value] = min(units[value] + 1, high[value])
    return high
