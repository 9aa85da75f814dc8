"""A recipe on a Ray cluster: the same bytes, lost nodes, caps, speed; and the arithmetic of scale.

The nodes are processes in a network namespace of their own, on one machine: its cores bound what
all of them do together, so speed is a ratio to as many local worker processes. `scale` needs no
Ray: it measures slopes on this machine and prints what 10⁸ and 10⁹ rows would take.
"""

from __future__ import annotations

from argparse import ArgumentParser

from benchmarks.base import Benchmark, at_least, at_most


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0, help="seed of kills (default: 0)")
    parser.add_argument("--kills", type=int, help="nodes that are killed (default: 10)")
    parser.add_argument("--rows", type=int, help="rows of the parts that run on the cluster")
    parser.add_argument("--nodes", type=int, nargs="+", default=[2, 4], help="default: 2 and 4")
    parser.add_argument(
        "--sizes", type=int, nargs="+", help="rows of `scale` (default: 20000, 100000 and 1000000)"
    )


BENCHMARK = Benchmark(
    name="cluster",
    description=__doc__,
    parts={
        part: f"benchmarks.cluster.parts:{part}"
        for part in ("bytes", "kills", "budget", "rates", "scaling", "scale")
    },
    wanted={
        "bytes_equal_share": at_least(1),
        "kills_lost": at_most(0),
        "kills_bought_twice_of_bound": at_most(1),
        "budget_billed_share": at_most(1),
        "rates_most_of_limit": at_most(1),
        "rates_used_share": at_least(0.9),
        "ray_efficiency_2": at_least(0.85),
        "ray_efficiency_4": at_least(0.85),
    },
    named_only=("scale",),
    add_options=_add_options,
)
