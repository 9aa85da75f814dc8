"""Test queries in the training rows of BANKING77: equal ones and near-duplicates."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from statistics import mean
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.banking77 import split
from benchmarks.base import Figures, Options
from benchmarks.text_table import table
from synthkd.filters.labelled_text import Contaminated
from synthkd.kinds.labelled_text.kind import LabelledTextKind
from synthkd.text.minhash import Bands
from synthkd.text.near_search import drop_near_duplicates
from synthkd.text.normal_columns import normal_texts
from synthkd.text.normal_forms import normal_text
from synthkd.text.shingle_sets import as_column


def figures(options: Options) -> Figures:
    """Count test queries in train, and near-duplicates of test and train rows."""
    train, test = (split(options.data_folder, name) for name in ("train", "test"))
    kind = LabelledTextKind(evaluation=str(options.data_folder / "banking77" / "test.parquet"))
    begin = time.perf_counter()
    matches = Contaminated().find(train.texts, kind)
    seconds = time.perf_counter() - begin
    equal = {match[0] for match in matches if match and match[1] == 1}
    near = [(i, *match) for i, match in enumerate(matches) if match and match[1] < 1]
    in_both = {normal_text(text) for text in train.texts} & {
        normal_text(text) for text in test.texts
    }
    forms = {normal_text(kind.evaluation[number].text) for number in equal}
    bands, columns = Bands(0.8), normal_texts(as_column(train.texts))
    hashes = bands.of(columns)
    dropped = drop_near_duplicates(
        lambda b: hashes[:, b], np.arange(len(hashes)), 0,
        lambda rows: columns.take(pa.array(rows)), bands,
    )  # fmt: skip
    inside = list(
        zip(
            dropped.rows.tolist(), dropped.others.tolist(), dropped.similarities.tolist(),
            strict=True,
        )
    )  # fmt: skip
    if options.show:
        pairs = [
            (train.texts[i], kind.evaluation[j].text, similarity, train.labels[i] == test.labels[j])
            for i, j, similarity in near
        ]
        show("test", pairs, options.show)
        pairs = [
            (train.texts[i], train.texts[j], similarity, train.labels[i] == train.labels[j])
            for i, j, similarity in inside
            if similarity < 1
        ]
        show("train", pairs, options.show)
    results = {
        "test_queries_in_train": len(in_both),
        "found": len(forms & in_both),
        "near_test": len(near),
        "near_inside_train": len(inside),
        "rows_a_second": round(len(train) / seconds),
    }
    print(table([("contamination", "figure"), *results.items()]), "\n")
    return results


def show(title: str, pairs: Sequence[tuple[str, str, Any, bool]], count: int) -> None:
    """Print some near pairs, to be read."""
    print(
        f"\n{title}: {len(pairs)} near pairs, {mean(pair[3] for pair in pairs):.2f} with one label"
    )
    for one, other, similarity, same in random.Random(0).sample(pairs, min(count, len(pairs))):
        print(f"  {similarity:.2f} {'same' if same else 'OTHER'} | {one!r} | {other!r}")
