"""Metrics of graphs on gold graphs that are spelled otherwise, corrupted, or another document's."""

from __future__ import annotations

from typing import Any

from benchmarks.base import Figures, Options
from benchmarks.facts.graphs import SETS, GoldGraphs, Triple
from benchmarks.text_table import table
from synthkd.corpora.graph_metrics import TripleScorer, score_graphs, triple_scorer_named
from synthkd.critics.graphs.negatives import SAME, corrupt_graphs

#: Documents that are compared, and of a quick run.
_MOST, _FEW = 100, 20


def metrics(options: Options) -> Figures:
    """Score changed gold graphs with each scorer: what each change costs.

    `half` replaces an end of every second triple by another one of the graph, `dropped` leaves
    every second triple out, `shuffled` gives each document the graph of the next one: the floor.
    """
    most, encoder = (_FEW, None) if options.quick else (_MOST, options.encoder)
    names = ["exact", "words", *([encoder, f"vector:{encoder}"] if encoder else [])]
    figures: Figures = {}
    lines: list[tuple[Any, ...]] = [("set", "scorer", "graph", "precision", "recall", "F1")]
    for scorer in map(_made, names):
        short = scorer.name.partition(":")[0]
        for name in SETS:
            graphs = GoldGraphs.read(options.data_folder, name, most)
            for change, predicted in _changes(graphs).items():
                scores = score_graphs(graphs.triples, predicted, scorer, draws=200)
                values = (scores.precision, scores.recall, scores.f1)
                lines.append((name, scorer.name, change, *values))
                figures[f"graph_f1_{short}_{change}_{name}"] = scores.f1
    print(table(lines), "\n")
    return figures


def _made(name: str) -> TripleScorer:
    return triple_scorer_named(name, "cpu")


def _changes(graphs: GoldGraphs) -> dict[str, dict[str, list[Triple]]]:
    gold = graphs.triples
    replaced = {(one.document, one.origin): one.triple for one in corrupt_graphs(gold, [SAME])}
    documents = list(gold)
    return {
        "spelled": {
            name: [
                (f"The {head.upper()}", relation.replace(" ", "_"), f"{tail}.")
                for head, relation, tail in triples
            ]
            for name, triples in gold.items()
        },
        "half": {
            name: [
                replaced.get((name, triple), triple) if place % 2 else triple
                for place, triple in enumerate(triples)
            ]
            for name, triples in gold.items()
        },
        "dropped": {name: triples[::2] for name, triples in gold.items()},
        "shuffled": {
            name: gold[documents[(place + 1) % len(documents)]]
            for place, name in enumerate(documents)
        },
    }
