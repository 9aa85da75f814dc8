"""Recipes that ask in rounds: rows that are wanted against completions that are paid for.

`target` asks the embedded teacher of `examples/everyday.yaml` for 200 accepted rows of each
relation, and compares with an oracle: of each relation the smallest part of the same order of
requests that gives 200. `target_kills` kills runs with a target at random moments, on loopback.
"""

from __future__ import annotations

from benchmarks.base import Benchmark, at_most

BENCHMARK = Benchmark(
    name="steps",
    description=__doc__,
    parts={
        "target": "benchmarks.steps.target:figures",
        "target_kills": "benchmarks.steps.target_kills:figures",
    },
    wanted={
        "target_overshoot": at_most(1.15),
        "target_over_budget": at_most(0),
        "target_kills_differing": at_most(0),
    },
)
