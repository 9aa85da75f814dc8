"""Propositions on real rows: human corrections, and documents of every length.

Decompositions (FActScore: 183 biographies): what a model proposed for each sentence against what
people made of it, by RB with named scorers and by exact match, before and after each rule; how
often a proposition without its group goes to the right sentence. Documents (41 PEPs and a novel): a
recorded teacher that answers in every form, broken ones too; places map back, every sentence has an
outcome; time and memory. `embedded` has the embedded teacher answer, for as many documents as it
can in a few minutes.
"""

from benchmarks.base import Benchmark

BENCHMARK = Benchmark(
    name="propositions",
    description=__doc__,
    parts={
        **{
            part: f"benchmarks.propositions.biographies:{part}"
            for part in ("agreement", "rule_effects", "alignment", "planted")
        },
        **{
            part: f"benchmarks.propositions.documents:{part}"
            for part in ("segmented", "recorded", "embedded")
        },
    },
    named_only=("embedded",),
)
