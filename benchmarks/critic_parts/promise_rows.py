"""Honest scores of the linear critic on the three sets of `promise`, as arrays: scores, labels, groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthkd.critics.crossfit import crossfit
from synthkd.critics.linear import LinearCritic
from synthkd.kinds.triple import TripleKind

Rows = tuple[Any, Any, list[str]]
_COLUMNS = ["head", "relation", "tail"]


class _Rationales(TripleKind):
    """Only the columns count for the linear critic."""

    name: ClassVar[str] = "promise-rationale"
    columns: ClassVar[tuple[str, ...]] = ("item", "answer", "explanation")
    group_column: ClassVar[str] = "item_id"


def cskb(data: Path, seed: int) -> Rows:
    """Five folds by head."""
    rows = pq.read_table(data / "cskb_population" / "dev.parquet")
    labels, groups = np.array(rows["valid"].to_pylist()), rows["head"].to_pylist()
    return (
        crossfit(lambda: LinearCritic(TripleKind()), rows.select(_COLUMNS), labels, groups, 5, seed),
        labels,
        groups,
    )


def conceptnet(data: Path, seed: int) -> Rows:
    """Trained on 20,000 train triples and as many with one slot from another triple; scored on dev1 and dev2.

    Not cross-fitted on dev1 and dev2: their negatives are their positives with one slot changed, so by heads an
    n-gram critic learns the labels the wrong way round (AUC 0.42).
    """
    folder, rng = data / "conceptnet_cn100k", np.random.default_rng(seed)
    known = pq.read_table(folder / "train.parquet").select(_COLUMNS)
    known = known.take(pa.array(rng.permutation(known.num_rows)[:20_000]))
    slots, drawn = rng.integers(3, size=known.num_rows), rng.permutation(known.num_rows)
    wrong = known
    for place, name in enumerate(_COLUMNS):
        taken = np.where(slots == place, drawn, np.arange(known.num_rows))
        wrong = wrong.set_column(place, name, known.column(name).take(pa.array(taken)))
    labels = np.arange(2 * known.num_rows) < known.num_rows
    critic = LinearCritic(TripleKind())
    critic.fit(pa.concat_tables([known, wrong]), labels)
    dev = pa.concat_tables([pq.read_table(folder / f"dev{part}.parquet") for part in (1, 2)])
    groups = dev["head"].to_pylist()
    return critic.score(dev.select(_COLUMNS)), np.array(dev["valid"].to_pylist()), groups


def explanations(data: Path, seed: int) -> Rows:
    """Three folds by item, both parts; the teacher's likelihood is one of the numbers."""
    found = []
    for part in ("csqa_train", "snli_train"):
        for row in pq.read_table(data / "gpt3_explanations" / f"{part}.parquet").to_pylist():
            item = row.get("question") or f"{row['premise']} {row['hypothesis']}"
            answer = row.get("gold_answer") or row["gold_label"]
            found.append((item, answer, row["explanation"], -row["nll"], row["accepted"], row["item_id"]))
    item, answer, text, logprob, labels, groups = (list(column) for column in zip(*found, strict=True))
    rows = pa.table(
        {"item": item, "answer": answer, "explanation": text, "logprob": logprob, "tokens": [1.0] * len(text)}
    )
    truth = np.array(labels)
    return crossfit(lambda: LinearCritic(_Rationales()), rows, truth, groups, 3, seed), truth, groups
