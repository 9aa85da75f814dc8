"""Votes over real chains: reading, gain of agreement, number of samples.

CommonsenseQA and SVAMP (PaLM-540B and Llama-3 chains, train splits), GSM8K (published model
solutions, test) and the Game of 24 (GPT-4 samples); `everyday` samples word problems of the
everyday world, 20 samples each; `sources` counts the sources that agree on
names of WikiKGE-10. Weights are estimated from agreement alone; gold answers are used
for scoring only. About 12 minutes on a busy core.
"""

from __future__ import annotations

from argparse import ArgumentParser

from benchmarks.base import Benchmark, at_least


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--teacher",
        default="synthkd/everyday",
        metavar="MODEL",
        help="checkpoint that writes everyday rationales",
    )


_SETS = ("cqa", "svamp", "gsm8k_singles", "gsm8k_verified", "game24_cot", "game24_standard")

BENCHMARK = Benchmark(
    name="votes",
    description=__doc__,
    parts={
        **dict.fromkeys(_SETS, "benchmarks.votes.recorded:figures"),
        "everyday": "benchmarks.votes.everyday:figures",
        "sources": "benchmarks.votes.sources:figures",
    },
    wanted={
        "sources_precision_gain": at_least(0.0),
        "sources_precision_gain_models": at_least(0.0),
    },
    named_only=("everyday",),
    add_options=_add_options,
)
