"""The parts of the benchmark; those with a cluster run in namespaces of their own (`inside`)."""

from __future__ import annotations

import json

from benchmarks.base import Figures, Options
from benchmarks.cluster.nodes import in_namespace, why_not


def _inside(part: str, **arguments: object) -> Figures:
    if why := why_not():
        raise SystemExit(f"no cluster here: {why}")
    printed = in_namespace("benchmarks.cluster.inside", part, json.dumps(arguments))
    figures: Figures = json.loads(printed.splitlines()[-1])
    return figures


def bytes(options: Options) -> Figures:
    """Compare the corpora of several recipes with those of one machine."""
    return _inside("bytes", rows=options.rows or (150 if options.quick else 1_500))


def kills(options: Options) -> Figures:
    """Kill nodes at random moments; count what is lost and what is bought twice."""
    return _inside(
        "kills",
        rows=options.rows or (4_000 if options.quick else 40_000),
        kills=options.kills or (1 if options.quick else 10),
        nodes=max(options.nodes),
        seed=options.seed,
    )


def budget(options: Options) -> Figures:
    """Kill nodes of a run with a cap; add up what the server has billed."""
    return _inside(
        "budget",
        rows=options.rows or (4_000 if options.quick else 20_000),
        kills=1 if options.quick else options.kills or 5,
        nodes=2,
        seed=options.seed,
    )


def rates(options: Options) -> Figures:
    """Count the requests of all nodes in any 60 seconds under a limit."""
    return _inside("rates", seconds=20 if options.quick else 100, nodes=max(options.nodes))


def scaling(options: Options) -> Figures:
    """Time a run on a number of nodes and in as many local processes, in turn."""
    figures: Figures = {}
    for nodes in options.nodes:
        figures |= _inside(
            "scaling",
            rows=options.rows or (3_000 if options.quick else 40_000),
            nodes=nodes,
            rounds=1 if options.quick else 3,
        )
    return figures


def scale(options: Options) -> Figures:
    """Measure slopes on this machine, and work out larger runs."""
    from benchmarks.cluster.scale import figures

    sizes = options.sizes or (
        [1_000, 2_000, 6_000] if options.quick else [20_000, 100_000, 1_000_000]
    )
    return figures(sizes)
