"""Real rows cut for a loop: start, validation rows, and the teacher's pool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthkd.keys import fraction
from synthkd.loops.labelled.contamination import EvaluationTexts

Lot = list[dict[str, str]]

#: Validation rows of each class, which a person would label besides the start.
VALIDATION = 5
#: Rows of each class that replace the test rows while something is chosen.
DEV = 20
#: Rows of a class at the start in the part `skewed`, and the share of classes with that number.
SKEWED = ([1, 2, 4, 8, 16], [0.3, 0.25, 0.2, 0.15, 0.1])
#: Rows of the pool in classes that are scarce.
SCARCE = 6
#: Test rows and most rows of each class in a set without a split of its own.
TEST, MOST = 30, 150


@dataclass(frozen=True)
class Cut:
    """Files of a cut, relative to its folder, and the classes."""

    folder: Path
    classes: tuple[str, ...]
    rows: dict[str, int]


def cut(
    data: Path,
    folder: Path,
    seed: int,
    shots: int,
    dev: bool = False,
    source: str = "banking77",
    scarce: bool = False,
    judged: int = VALIDATION,
) -> Cut:
    """Write start.parquet, validation.parquet, pool.parquet and test.parquet.

    Copies of validation and test rows are left out of the pool and the start, so that each round
    can get as many rows as it asks for.

    Args:
        data: folder of the real rows.
        folder: where the files go.
        seed: of the draw.
        shots: rows of each class at the start; 0 draws them as `SKEWED` says.
        dev: rows of train replace the test rows.
        source: one of `SOURCES`.
        scarce: every second class, at random, has at most `SCARCE` rows in the pool.
        judged: validation rows of each class.
    """
    train, test = SOURCES[source](data)
    classes = tuple(sorted({row["label"] for row in train}))
    rng = np.random.default_rng([77, seed])
    test = [] if dev else test
    validation, rest = [], []
    for label in classes:
        own = [
            train[i]
            for i in rng.permutation([i for i, row in enumerate(train) if row["label"] == label])
        ]
        held_out = min(DEV, len(own) // 4) if dev else 0
        test += own[:held_out]
        validation += own[held_out : held_out + judged]
        rest.append(own[held_out + judged :])
    results = EvaluationTexts([row["text"] for row in (*validation, *test)])
    start, pool = [], []
    for own in rest:
        many = shots or int(rng.choice(SKEWED[0], p=SKEWED[1]))
        clean = [row for row in own if results.find(row["text"]) is None]
        start += clean[:many]
        pool += clean[many:][: int(rng.choice([SCARCE, len(clean)])) if scarce else len(clean)]
    lots = {"start": start, "validation": validation, "pool": pool, "test": test}
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in lots.items():
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    return Cut(folder, classes, {name: len(rows) for name, rows in lots.items()})


def _banking(data: Path) -> tuple[Lot, Lot]:
    """Read intents of messages to a bank: 77 classes, with a test split of its own."""
    train, test = (
        pq.read_table(data / "banking77" / f"{name}.parquet") for name in ("train", "test")
    )
    return train.select(["text", "label"]).to_pylist(), test.select(["text", "label"]).to_pylist()


def _names(data: Path) -> tuple[Lot, Lot]:
    """Read names in sentences on AI, music and science (CrossNER), by type.

    The classes are of very unequal sizes.
    """
    rows = pq.read_table(data / "crossner" / "spans.parquet").select(["text", "label"]).to_pylist()
    return _parted(rows, 90)


def _pairs(data: Path) -> tuple[Lot, Lot]:
    """Read pairs of names, by the Wikidata relation between them (ParaRel).

    40 classes, some of them nearly the same.
    """
    columns = ["subject", "object", "relation_label"]
    rows = pq.read_table(data / "pararel" / "facts.parquet").select(columns).to_pylist()
    return _parted(
        [
            {"text": f"{row['subject']}, {row['object']}", "label": row["relation_label"]}
            for row in rows
        ],
        90,
    )


def _parted(rows: Lot, least: int) -> tuple[Lot, Lot]:
    """Divide rows into train and test, always in the same way.

    Each text is taken once. Classes with fewer than ``least`` texts are left out; of others at most
    `MOST` texts are taken, the first `TEST` for the test split.
    """
    first = {" ".join(row["text"].split()): row["label"] for row in reversed(rows)}
    by_class: dict[str, list[str]] = {}
    for text in sorted(first, key=fraction):
        by_class.setdefault(first[text], []).append(text)
    train, test = Lot(), Lot()
    for label in sorted(by_class):
        if len(own := by_class[label][:MOST]) >= least:
            test += [{"text": text, "label": label} for text in own[:TEST]]
            train += [{"text": text, "label": label} for text in own[TEST:]]
    return train, test


#: Reader of the train and test rows of each set.
SOURCES: dict[str, Callable[[Path], tuple[Lot, Lot]]] = {
    "banking77": _banking,
    "names": _names,
    "pairs": _pairs,
}
