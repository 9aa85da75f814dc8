"""Shares of near pairs that share a band, and of which not both rows stay."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.base import Figures, Options
from benchmarks.near_duplicates.job import THRESHOLD
from benchmarks.near_duplicates.speed import corpus, run
from synthkd.text.minhash import Bands
from synthkd.text.near_duplicates import RunIndex
from synthkd.text.normal_columns import normal_texts
from synthkd.text.normal_forms import normal_text, shingles
from synthkd.text.shingle_sets import Numbers, as_column

_SAMPLED, _NEAR_THRESHOLD = 3000, 0.02
_CACHED = "pairs-{}.npy"


def exact_pairs(path: Path) -> Numbers:
    """Return all near pairs of sampled rows with any row, from strings: two numbers, similarity.

    They are kept beside the file of texts, since they take a minute a million rows.
    """
    cached = path.with_name(_CACHED.format(path.stem))
    if cached.exists():
        found: Numbers = np.load(cached)
        return found
    texts = pq.read_table(path, columns=["text"]).column("text")
    count = min(_SAMPLED, len(texts))
    sample = sorted(random.Random(0).sample(range(len(texts)), count))
    index = RunIndex([shingles(normal_text(texts[i].as_py())) for i in sample], THRESHOLD)
    pairs = {}
    row = 0
    for chunk in texts.chunks:
        for text in chunk.to_pylist():
            for near in index.near(shingles(normal_text(text))):
                if (other := sample[near.number]) != row:
                    pairs[min(row, other), max(row, other)] = near.similarity
            row += 1
    found = np.array([(*pair, similarity) for pair, similarity in sorted(pairs.items())])
    np.save(cached, found)
    return found


def resolved(pairs: Numbers, dropped: Path) -> float:
    """Return the share of near pairs of which not both rows stay."""
    gone = np.load(dropped)
    return float((np.isin(pairs[:, 0], gone) | np.isin(pairs[:, 1], gone)).mean())


def figures(options: Options) -> Figures:
    """Measure recall on the pairs of sampled rows."""
    with corpus(options) as path, tempfile.TemporaryDirectory() as folder:
        pairs = exact_pairs(path)
        run(path, out=(dropped := Path(folder) / "dropped.npy"))
        texts = pq.read_table(path, columns=["text"]).column("text").combine_chunks()
        bands = Bands(THRESHOLD)
        one, other = (
            bands.of(normal_texts(as_column(texts.take(pairs[:, i].astype(int)).to_pylist())))
            for i in (0, 1)
        )
        meet = (one == other).any(axis=1)
        close = pairs[:, 2] < THRESHOLD + _NEAR_THRESHOLD
        return {
            "near_pairs": len(pairs),
            "pairs_at_threshold": int(close.sum()),
            "recall": float(meet.mean()),
            "recall_at_threshold": float(meet[close].mean()),
            "resolved": resolved(pairs, dropped),
        }
