"""Comparisons that people labelled (VerbPhysics), with planted errors.

Pairs of objects on five attributes (size, weight, strength, rigidness, speed), agreement of at
least two of three people, greater or less. Each comparison is a claim. Errors are planted by
exchanging the sides of claims:

- `one vote`: a share of the claims is wrong; only cycles can tell.
- `three votes`: each claim has three votes, each wrong with that chance; the winner is the claim,
  and its lead is its strength.

`cycles` rejects the weakest claims of cycles; `against` also those on a cycle that the ranks
contradict by more than 0.5. `no ranks` breaks ties at random, as a cycle breaker does that looks at
strength alone. Intervals are 95 %, Student's t over the seeds. Settings were chosen on the train
part of the 20 % split; the dev part was run once.
"""

from __future__ import annotations

from argparse import ArgumentParser

from benchmarks.base import Benchmark


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--split", choices=["train", "dev"], default="train", help="part of the 20 %% split"
    )


BENCHMARK = Benchmark(
    name="verbphysics",
    description=__doc__,
    parts={"order": "benchmarks.verbphysics.order:figures"},
    add_options=_add_options,
)
