"""How different the rows of a corpus are from each other, after each stage, and what the critic cost of it."""

from synthkd.corpora.diversity.stages import STAGES, compared_corpora, corpus_diversity, judged_diversity
from synthkd.corpora.diversity.tables import cost_sentence, diversity_rows, plain_table

__all__ = [
    "STAGES", "compared_corpora", "corpus_diversity", "cost_sentence", "diversity_rows", "judged_diversity", "plain_table",
]  # fmt: skip
