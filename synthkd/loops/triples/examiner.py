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

from synthkd.critics.base import Critic, Labels
from synthkd.critics.labels import verdict_column
from synthkd.critics.train import TrainedCritic
from synthkd.critics.triples.negatives import SLOTS, Known, corrupt

#: Labelled rows of each verdict, at least.
LEAST = 50
#: Corrupted rows for each valid one.
EACH = 1


def can_examine(trained: TrainedCritic) -> bool:
    """Whether a critic keeps enough labelled rows, of the columns head, relation and tail."""
    verdicts = _verdicts(trained)
    few = min(verdicts.sum(), (~verdicts).sum())
    return tuple(trained.critic.kind.columns) == SLOTS and int(few) >= LEAST


def _verdicts(trained: TrainedCritic) -> Labels:
    column = trained.held_out.column(verdict_column(trained.critic.kind))
    return np.asarray(column.to_pylist(), dtype=bool)


def examiner_of(trained: TrainedCritic, seed: int) -> Critic:
    """Train one from a critic's held-out rows. The same rows and seed give the same examiner."""
    kind, held, labels = trained.critic.kind, trained.held_out, _verdicts(trained)
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
