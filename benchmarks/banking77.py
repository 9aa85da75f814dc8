"""Rows of BANKING77: whole splits, and draws of a few rows of each class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq


@dataclass(frozen=True)
class Rows:
    """Texts and their labels."""

    texts: list[str]
    labels: list[str]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, places: list[int]) -> Rows:
        return Rows([self.texts[i] for i in places], [self.labels[i] for i in places])


def split(data: Path, name: str) -> Rows:
    """Read ``train`` or ``test``."""
    table = pq.read_table(data / "banking77" / f"{name}.parquet")
    return Rows(table.column("text").to_pylist(), table.column("label").to_pylist())


def draw(train: Rows, shots: int, seed: int) -> Rows:
    """Draw a number of rows of each class at random."""
    rng = np.random.default_rng(seed)
    labels = np.array(train.labels)
    chosen = [
        rng.choice(np.flatnonzero(labels == each), shots, replace=False)
        for each in np.unique(labels)
    ]
    return train.take(np.concatenate(chosen).tolist())


def some(rows: Rows, each: int) -> Rows:
    """Return the first rows of each class, for a small test split."""
    seen: dict[str, int] = {}
    places = []
    for place, label in enumerate(rows.labels):
        seen[label] = seen.get(label, 0) + 1
        if seen[label] <= each:
            places.append(place)
    return rows.take(places)
