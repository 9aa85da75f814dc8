"""Corpora: accepted and rejected candidates in Parquet, with a manifest and a dataset card.

from synthkd.corpora import load_corpus

corpus = load_corpus("corpora/tools")
corpus.accepted.to_pandas()

`schema` has the columns; `write`, `card`, `read` and `snapshot` the folder. `diversity/` and
`proposition_metrics` measure rows.
"""

from typing import TYPE_CHECKING

from synthkd.lazy_names import lazy_names

if TYPE_CHECKING:
    from synthkd.corpora.diversity import compare_corpora, corpus_diversity
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
    "PropositionScores": "proposition_metrics",
    "candidate_schema": "schema",
    "compare_corpora": "diversity",
    "corpus_diversity": "diversity",
    "load_corpus": "read",
    "mean_scores": "proposition_metrics",
    "reference_based": "proposition_metrics",
    "reference_free": "proposition_metrics",
    "scorer_named": "proposition_metrics",
}

__all__ = [
    "Corpus",
    "EntailmentScorer",
    "ExactScorer",
    "OverlapScorer",
    "PropositionScores",
    "candidate_schema",
    "compare_corpora",
    "corpus_diversity",
    "load_corpus",
    "mean_scores",
    "reference_based",
    "reference_free",
    "scorer_named",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES, __all__)
