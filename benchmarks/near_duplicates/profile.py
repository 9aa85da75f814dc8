"""Processor time of each step of a row, on one thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.base import Figures, Options
from benchmarks.near_duplicates.job import THRESHOLD
from benchmarks.near_duplicates.speed import corpus
from synthkd.text.minhash import Bands
from synthkd.text.normal_columns import normal_texts
from synthkd.text.normal_forms import normal_text, shingles
from synthkd.text.shingle_sets import ShingleSets, shingle_hashes

T = TypeVar("T")
_ROWS, _PART = 40_000, 4096


def figures(options: Options) -> Figures:
    """Time the steps on the first rows of the corpus, the best of three each."""
    with corpus(options) as path:
        texts = pq.read_table(path, columns=["text"]).column("text").slice(0, _ROWS)
    column = texts.combine_chunks()
    strings, bands, found = column.to_pylist(), Bands(THRESHOLD), dict[str, float]()

    def timed(name: str, step: Callable[[], T], count: int = len(column)) -> T:
        best = float("inf")
        for _ in range(3):
            begin = time.thread_time()
            result = step()
            best = min(best, time.thread_time() - begin)
        found[f"microseconds_{name}"] = 1e6 * best / count
        return result

    parts = range(0, len(column), _PART)
    forms = timed("normal_form", lambda: [normal_texts(column.slice(i, _PART)) for i in parts])
    timed("shingle_hashes", lambda: [shingle_hashes(form, bands.size) for form in forms])
    timed("signature_and_bands", lambda: [bands.of(form) for form in forms])
    found["microseconds_signature_and_bands"] -= found["microseconds_shingle_hashes"]
    sets = timed("set", lambda: ShingleSets.joined([ShingleSets.of(f, bands.size) for f in forms]))
    one = np.arange(len(sets))
    timed("comparison", lambda: sets.similarities(one, np.roll(one, 1)))
    plain = timed("normal_form_alone", lambda: [normal_text(text) for text in strings])
    timed("set_alone", lambda: [shingles(form) for form in plain])
    assert pa.concat_arrays(forms).to_pylist() == plain
    return dict(found)
