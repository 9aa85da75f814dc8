"""Cross-fitted scores, labels and groups of each set of `guarantee`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.critics import explanations as explanation_parts
from benchmarks.encoders import default_encoder
from synthkd.critics.cross_fitting import crossfit
from synthkd.critics.linear import LinearCritic
from synthkd.critics.text.critic import TextCritic
from synthkd.critics.text.siblings import with_siblings
from synthkd.critics.triples.critic import KnowledgeBaseCritic
from synthkd.kinds.relations import load_relations
from synthkd.kinds.triple import TripleKind

Rows = tuple[Any, Any, list[str]]
_COLUMNS = ["head", "relation", "tail"]


def cskb(data: Path, seed: int) -> Rows:
    """Score CSKB-Population: the linear critic in five folds by head."""
    rows = pq.read_table(data / "cskb_population" / "dev.parquet")
    labels, groups = np.array(rows["valid"].to_pylist()), rows["head"].to_pylist()
    return (
        crossfit(
            lambda: LinearCritic(TripleKind()), rows.select(_COLUMNS), labels, groups, 5, seed
        ),
        labels,
        groups,
    )


def conceptnet(data: Path, seed: int) -> Rows:
    """Score CN-100K: the knowledge-base critic with train as its reference.

    The scores of dev1 and dev2 are cross-fitted together.
    """
    sheet = pa.concat_tables(
        [pq.read_table(data / "conceptnet_cn100k" / f"dev{part}.parquet") for part in (1, 2)]
    ).combine_chunks()
    labels = np.array(sheet["valid"].to_pylist(), bool)
    critic = KnowledgeBaseCritic(
        TripleKind(load_relations("conceptnet")), embedder=default_encoder(), seed=seed
    )
    critic.reference = str(data / "conceptnet_cn100k" / "train.parquet")
    critic.fit(sheet.select(_COLUMNS), labels)
    assert critic.out_of_fold is not None
    return critic.out_of_fold, labels, sheet["head"].to_pylist()


def explanations(data: Path, seed: int, part: str) -> Rows:
    """Score GPT-3 explanations: the text critic with siblings in five folds by item."""
    rows = explanation_parts.read(data, part, quick=False)
    kind = explanation_parts.PARTS[part]
    labels, items = np.array(rows["accepted"].to_pylist(), bool), rows["item_id"].to_pylist()
    scores = crossfit(lambda: TextCritic(kind), with_siblings(rows, kind), labels, items, 5, seed)
    return scores, labels, items
