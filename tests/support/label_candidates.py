"""A pool of rows, a kind and typed keys for the tests of labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from support.files import write_csv
from synthkd.kinds.triple import TripleKind
from synthkd.labels.candidates import CandidatePool, read_candidates
from synthkd.labels.sampling_design import SamplingDesign
from synthkd.labels.session import KeySource, Session
from synthkd.labels.sheet import Sheet
from synthkd.labels.weights import next_design, round_name, write_weights

KIND = TripleKind()


def pool_rows(count: int = 60, **extra: Any) -> list[dict[str, Any]]:
    """Return rows with scores spread over [0, 1), in three relations."""
    scores = np.random.default_rng(0).random(count)
    relations = ("UsedFor", "AtLocation", "IsA")
    return [
        {
            "id": f"r{i}",
            "head": f"head{i}",
            "relation": relations[i % 3],
            "tail": f"tail{i}",
            "score": round(float(scores[i]), 4),
        }
        | extra
        for i in range(count)
    ]


def make_pool(folder: Path, rows: list[dict[str, Any]] | None = None) -> CandidatePool:
    return read_candidates(write_csv(folder / "rows.csv", rows or pool_rows()), KIND)


class Typed:
    """Keys typed beforehand; `w` is followed by a line that ends with a line feed."""

    def __init__(self, text: str) -> None:
        self.left = list(text)

    def key(self) -> str:
        return self.left.pop(0) if self.left else ""

    def line(self, ask: Callable[[], None] = lambda: None) -> str:
        ask()
        text = "".join(self.left)
        line, _, rest = text.partition("\n")
        self.left = list(rest)
        return line


def label(
    folder: Path, pool: CandidatePool, keys: str | KeySource, annotator: str = "ann", **options: Any
) -> tuple[Session, list[str]]:
    """Label a whole session into `labels.csv`, as the command line does; return what was shown."""
    shown: list[str] = []
    asked = {"strategy": "uncertain", "share": 1 / 3, "threshold": 0.7, "seed": 0}
    asked |= {key: options.pop(key) for key in list(options) if key in asked}
    with Sheet(folder / "labels.csv", pool.sheet_columns) as sheet:
        name = round_name(pool, *(asked[key] for key in ("strategy", "share", "threshold", "seed")))
        design = next_design(pool, sheet, name, **asked)
        session = Session(pool, KIND, design, sheet, name, annotator, shown.append, **options)
        session.run(Typed(keys) if isinstance(keys, str) else keys)
        if sheet.records:
            write_weights(sheet, pool, design, name)
    return session, shown


def design(
    count: int = 60, **options: Any
) -> tuple[SamplingDesign, list[str], np.ndarray[Any, Any]]:
    rows = pool_rows(count)
    ids = [row["id"] for row in rows]
    scores = np.array([row["score"] for row in rows])
    return SamplingDesign.of(ids, scores, **options), ids, scores
