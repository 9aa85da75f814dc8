"""Diversity of the rows of a corpus after each stage, and what the critic costs of it.

`measures` has the metrics, `sketch` bounded samples of a stream, `stages` the stages of filtering,
`tables` the result as a table and a sentence.
"""

from synthkd.corpora.diversity.stages import (
    STAGES,
    compare_corpora,
    corpus_diversity,
    stage_diversity,
)
from synthkd.corpora.diversity.tables import cost_sentence, diversity_rows

__all__ = [
    "STAGES",
    "compare_corpora",
    "corpus_diversity",
    "cost_sentence",
    "diversity_rows",
    "stage_diversity",
]  # fmt: skip
