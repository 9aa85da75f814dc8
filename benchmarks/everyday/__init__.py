"""The everyday world, with exact truth: precision and yield after each stage.

Triples reproduce the table of the symbolic distillation paper (West et al. 2022, arXiv 2110.07178):
the embedded teacher is sampled with the example recipe, and the same completions are filtered
without a critic and with the shipped critic at several target precisions. Precision is measured
against the table of facts, over every row of each corpus, and once more over the rows that are not
in the critic's label sheet. Rows are distinct triples that passed the rules; `samples` counts every
well-formed sample, repeats included.

Every kind: its example recipe is run, and the rows that are left after each stage are measured.
"""

from benchmarks.base import Benchmark

BENCHMARK = Benchmark(
    name="everyday",
    description=__doc__,
    parts={
        "triple": "benchmarks.everyday.kinds:figures",
        "comparative": "benchmarks.everyday.kinds:figures",
        "proposition": "benchmarks.everyday.kinds:figures",
        "rationale": "benchmarks.everyday.kinds:figures",
        "labelled_text": "benchmarks.everyday.kinds:figures",
    },
)
