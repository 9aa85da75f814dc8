"""Texts of a real model that were read by hand, and the real rows from which they were made."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.base import ROOT
from synthkd.corpora.schema import candidate_schema
from synthkd.kinds.base import SourceText
from synthkd.kinds.labelled_text.kind import LabelledTextKind

FOLDER = ROOT / "benchmarks" / "results" / "real_teacher"
Flags = np.ndarray[Any, np.dtype[np.bool_]]
#: Real rows of each class that the teacher was shown.
SHOTS = 5


@dataclass(frozen=True, eq=False)
class Sheet:
    """Texts of one data set.

    Attributes:
        kind: The kind, with the real rows that the teacher was shown.
        rows: The texts, as rows of the kind.
        usable: What the readers said.
        again: What they said when they read a part again: row and verdict.
        listed: True for texts of a continued list, False for those of the chat template.
        tuning: True for classes on which thresholds were chosen.
    """

    kind: LabelledTextKind
    rows: pa.RecordBatch
    usable: Flags
    again: list[tuple[int, bool]]
    listed: Flags
    tuning: Flags

    @property
    def labels(self) -> list[str]:
        return [str(label) for label in self.rows.column("label").to_pylist()]


def read_sheet(data: Path, name: str) -> Sheet:
    """Read the sheet of ``banking77`` or ``crossner``."""
    lines = (FOLDER / f"texts_{name}.jsonl").read_text("utf-8").splitlines()
    read = [json.loads(line) for line in lines]
    kind = LabelledTextKind()
    kind.real = real_rows(data, name)
    classes = sorted({row.label for row in kind.real})
    tuned = {*classes[::2]} if name == "banking77" else set()
    columns = ("text", "label", "raw", "finish_reason")
    rows = [{column: row[column] for column in columns} for row in read]
    return Sheet(
        kind,
        pa.RecordBatch.from_pylist(rows, schema=candidate_schema(kind)),
        np.array([row["usable"] for row in read]),
        [(place, row["again"]) for place, row in enumerate(read) if row["again"] is not None],
        np.array([row["prompt"] == "list" for row in read]),
        np.array([row["label"] in tuned for row in read]),
    )


def real_rows(data: Path, name: str) -> list[SourceText]:
    """Draw the rows that the teacher was shown, as they were drawn for it."""
    if name == "banking77":
        table = pq.read_table(data / "banking77" / "train.parquet", columns=["label", "text"])
        pairs = [(row["label"], " ".join(row["text"].split())) for row in table.to_pylist()]
    else:
        table = pq.read_table(data / "crossner" / "sentences.parquet")
        pairs = [
            (row["domain"], row["text"]) for row in table.to_pylist() if row["split"] == "train"
        ]
    texts: dict[str, list[str]] = {}
    for label, text in pairs:
        texts.setdefault(label, []).append(text)
    rng = random.Random(0)
    return [
        SourceText(text, label, name)
        for label in sorted(texts)
        for text in rng.sample(texts[label], SHOTS)
    ]
