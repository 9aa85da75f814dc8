"""Recipes of several steps, and recipes that ask in rounds until enough rows are accepted.

`target` asks the embedded teacher of `examples/everyday.yaml` for 200 accepted rows of each
relation, and compares with an oracle: of each relation the smallest part of the same order of
requests that gives 200. `target_kills` kills runs with a target at random moments, on loopback.
`gates` runs two steps with and without votes after the first. `documents` sends documents of 1,000
words through three steps without a teacher. Kills of runs with steps: `kills --only run-steps`.
"""

from __future__ import annotations

from benchmarks.base import Benchmark, at_most

BENCHMARK = Benchmark(
    name="steps",
    description=__doc__,
    parts={
        "target": "benchmarks.steps.target:figures",
        "target_kills": "benchmarks.steps.target_kills:figures",
        "gates": "benchmarks.steps.gates:figures",
        "documents": "benchmarks.steps.documents:figures",
    },
    wanted={
        "target_overshoot": at_most(1.15),
        "target_over_budget": at_most(0),
        "target_kills_differing": at_most(0),
        "documents_memory_ratio": at_most(1.2),
    },
)
