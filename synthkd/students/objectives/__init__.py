"""Losses as pure functions of tensors: shapes, units and sources stand in each docstring.

| objective | needs of the teacher |
|---|---|
| `soft_cross_entropy` | probabilities of classes: votes, a judge, any model |
| `kl`, `reverse_kl`, `jensen_shannon`, `distillation`, `dist`, `sinkhorn` | logits of the same classes or tokens |
| `margin_mse`, `contrastively_weighted_kl` | a score for each text of a list |
| `dse`, `mixkd` | logits; MixKD's on embeddings that it is given |
| `qcrd` | texts alone: rationales that won and lost a vote |

Logits come from a local `transformers` checkpoint; servers give at most the log-probabilities of some tokens.
"""

from synthkd.students.objectives.divergences import (
    distillation,
    jensen_shannon,
    kl,
    reverse_kl,
    soft_cross_entropy,
)
from synthkd.students.objectives.mixing import Mixed, mix, mixkd
from synthkd.students.objectives.pairs import dse, pair_features
from synthkd.students.objectives.ranking import contrastively_weighted_kl, margin_mse
from synthkd.students.objectives.rationales import qcrd, token_cross_entropy
from synthkd.students.objectives.relations import dist, sinkhorn

__all__ = [
    "Mixed", "contrastively_weighted_kl", "dist", "distillation", "dse", "jensen_shannon", "kl", "margin_mse", "mix", "mixkd",
    "pair_features", "qcrd", "reverse_kl", "sinkhorn", "soft_cross_entropy", "token_cross_entropy",
]  # fmt: skip
