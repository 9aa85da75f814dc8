"""Corpora: accepted and rejected candidates in Parquet, with a manifest and a dataset card.

from synthkd.corpora import load_corpus

corpus = load_corpus("corpora/tools")
corpus.accepted.to_pandas()

`schema` has the columns; `write`, `card`, `read` and `snapshot` the folder. `diversity/`,
`proposition_metrics` and `graph_metrics` measure rows.
"""

from typing import TYPE_CHECKING

from synthkd.lazy_names import lazy_names

if TYPE_CHECKING:
    from synthkd.corpora.diversity import compare_corpora, corpus_diversity
    from synthkd.corpora.graph_metrics import (
        GraphScores,
        TripleScorer,
        match_triples,
        score_graphs,
        triple_scorer_named,
    )
    from synthkd.corpora.proposition_metrics import (
        EntailmentScorer,
        ExactScorer,
        OverlapScorer,
        PropositionScores,
        mean_scores,
        reference_based,
        reference_free,
        scorer_named,
    )
    from synthkd.corpora.read import Corpus, load_corpus
    from synthkd.corpora.schema import candidate_schema

#: Public name -> its module, which is imported when the name is first used.
_HOMES = {
    "Corpus": "read",
    "EntailmentScorer": "proposition_metrics",
    "ExactScorer": "proposition_metrics",
    "OverlapScorer": "proposition_metrics",
    "GraphScores": "graph_metrics",
    "PropositionScores": "proposition_metrics",
    "TripleScorer": "graph_metrics",
    "candidate_schema": "schema",
    "compare_corpora": "diversity",
    "corpus_diversity": "diversity",
    "load_corpus": "read",
    "match_triples": "graph_metrics",
    "mean_scores": "proposition_metrics",
    "reference_based": "proposition_metrics",
    "reference_free": "proposition_metrics",
    "score_graphs": "graph_metrics",
    "scorer_named": "proposition_metrics",
    "triple_scorer_named": "graph_metrics",
}

__all__ = [
    "Corpus",
    "EntailmentScorer",
    "ExactScorer",
    "GraphScores",
    "OverlapScorer",
    "PropositionScores",
    "TripleScorer",
    "candidate_schema",
    "compare_corpora",
    "corpus_diversity",
    "load_corpus",
    "match_triples",
    "mean_scores",
    "reference_based",
    "reference_free",
    "score_graphs",
    "scorer_named",
    "triple_scorer_named",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES, __all__)
