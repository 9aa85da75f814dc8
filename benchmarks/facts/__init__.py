"""Facts out of texts: the graph judge, its guarantee, planted inventions, metrics of graphs.

Gold graphs of SciERC (abstracts) and GenWiki-Hard (sentences of Wikipedia) are corrupted, and
critics are evaluated on documents that they were not trained on. The negatives are not those of the
published figures: an end is replaced by another one of the same graph (hard), by one of another
document, or the relation by another. About 20 minutes on two cores, a quick run less than one.
"""

from __future__ import annotations

from argparse import ArgumentParser

from benchmarks.base import Benchmark, at_least, at_most
from benchmarks.encoders import add_encoder_option


def _add_options(parser: ArgumentParser) -> None:
    add_encoder_option(parser)
    parser.add_argument("--seeds", type=int, default=3, help="seeds (default: 3)")


BENCHMARK = Benchmark(
    name="facts",
    description=__doc__,
    parts={
        "graph_judge": "benchmarks.facts.judge:graph_judge",
        "guarantee": "benchmarks.facts.judge:guarantee",
        "encoder_alone": "benchmarks.facts.judge:encoder_alone",
        "inventions": "benchmarks.facts.inventions:inventions",
        "metrics": "benchmarks.facts.metrics:metrics",
    },
    named_only=("encoder_alone",),
    wanted={
        "graph_judge_auc_minus_tfidf_min": at_least(0.0),
        "facts_guarantee_broken_max": at_most(0.12),
        "inventions_found": at_least(0.95),
        "inventions_found_ends": at_least(0.95),
        "true_triples_lost": at_most(0.05),
    },
    add_options=_add_options,
)
