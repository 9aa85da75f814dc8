"""Speed of the linear critic on triples, beside scikit-learn's hashing and dot product.

The rows are CN-100K's training triples; the critic is trained on dev1. scikit-learn hashes the same
families of n-grams from the same texts (`HashingVectorizer`: words and pairs of words, characters 2
to 4) and multiplies by a vector of weights; its features are fewer, since it has no pairs across
the columns. One core, medians of five.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.base import Figures, Options
from synthkd.critics.labels import read_labels
from synthkd.critics.train import train_critic
from synthkd.kinds.triple import TripleKind


def figures(options: Options) -> Figures:
    """Measure triples a second of both, and their ratio."""
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    folder = options.data_folder / "conceptnet_cn100k"
    kind = TripleKind()
    critic = train_critic(kind, read_labels(folder / "dev1.parquet", kind, label="valid")).critic
    rows = pq.read_table(folder / "train.parquet", columns=list(kind.columns))
    rows = rows.slice(0, 10_000 if options.quick else 50_000).combine_chunks()
    ours = _rate(lambda: critic.score(rows), rows.num_rows)
    theirs = _rate(_sklearn(rows), rows.num_rows)
    return {
        "linear_triples_per_second": ours,
        "sklearn_hashing_triples_per_second": theirs,
        "linear_speed_ratio_sklearn": ours / theirs,
    }


def _sklearn(rows: pa.Table) -> Callable[[], Any]:
    from sklearn.feature_extraction.text import HashingVectorizer

    texts = [" ".join(row.values()) for row in rows.to_pylist()]
    size = 1 << 18
    vectorizers = [
        HashingVectorizer(n_features=size, ngram_range=(1, 2)),
        HashingVectorizer(n_features=size, analyzer="char", ngram_range=(2, 4)),
    ]
    weights = np.random.default_rng(0).normal(size=size)
    return lambda: [vectorizer.transform(texts) @ weights for vectorizer in vectorizers]


def _rate(work: Callable[[], Any], count: int) -> float:
    work()
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return count / statistics.median(seconds)
