"""A critic for what a student says.

The critic of a recipe has seen what its teacher says, good and bad, and prunes that. A student makes other mistakes: a tail
of another relation, or the same tail of every head, which no teacher said and no label speaks of; such a critic believes
most of them. The examiner is trained on the labelled rows that every trained critic keeps beside it, and on corrupted ones:
valid rows with the head, relation or tail of another. It sees text alone, no likelihoods, since a student's are not a teacher's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from synthkd.critics.base import Critic
from synthkd.critics.labels import verdict_column
from synthkd.critics.negatives import SLOTS, Known, corrupt
from synthkd.critics.train import TrainedCritic

#: Labelled rows of each verdict, at least.
LEAST = 50
#: Corrupted rows for each valid one.
EACH = 1


def examiner_of(trained: TrainedCritic, seed: int) -> Critic | None:
    """Train one from a critic's held-out rows; None where they are too few, or of other columns than head, relation and
    tail. The same rows and seed give the same examiner."""
    kind, held = trained.critic.kind, trained.held_out
    if tuple(kind.columns) != SLOTS:
        return None
    labels = np.asarray(held.column(verdict_column(kind)).to_pylist(), dtype=bool)
    if min(labels.sum(), (~labels).sum()) < LEAST:
        return None
    from synthkd.critics.linear import LinearCritic

    rows = [tuple(str(row[slot]) for slot in SLOTS) for row in held.select(SLOTS).to_pylist()]
    valid: Any = [row for row, good in zip(rows, labels.tolist(), strict=True) if good]
    known = set(rows)
    made = [
        row for row in dict.fromkeys(corrupt(valid, Known(valid), EACH, seed).triples) if row not in known
    ]
    table = pa.table(dict(zip(SLOTS, zip(*rows, *made, strict=True), strict=True)))
    verdicts = np.concatenate([labels, np.zeros(len(made), dtype=bool)])
    critic = LinearCritic(kind)
    critic.fit(table, verdicts, groups=table.column(kind.group_column).to_pylist())
    return critic
