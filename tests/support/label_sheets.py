"""Small label sheets of triples, and the labels that are read from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.files import write_csv
from synthkd.critics.labels import read_labels
from synthkd.kinds.triple import TripleKind

KIND = TripleKind()


def rows(count: int = 200, **extra: Any) -> list[dict[str, Any]]:
    """Return one row a head, even rows accepted, with the columns of `synthkd label`."""
    return [
        {
            "id": f"r{i}",
            "head": f"head{i}",
            "relation": "UsedFor",
            "tail": f"tail{i}",
            "verdict": "accept" if i % 2 == 0 else "reject",
            "annotator": "ann",
            "chosen": "uniform" if i % 4 == 0 else "uncertain",
            "weight": 4.0 if i % 4 == 0 else 1.5,
        }
        | extra
        for i in range(count)
    ]


def read(folder: Path, found: list[dict[str, Any]], **options: Any) -> Any:
    return read_labels(write_csv(folder / "l.csv", found), KIND, **options)
