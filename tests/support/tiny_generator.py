"""A generator student that trains in about a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from synthkd.kinds.base import Kind
from synthkd.kinds.triple import TripleKind
from synthkd.students.generators.student import GeneratorStudent
from synthkd.students.generators.untrained import new_checkpoint

KIND = TripleKind()
THINGS = ["cat", "dog", "hammer", "boat", "tree", "lamp"]
ROWS: list[dict[str, Any]] = [
    {"head": f"{one} {other}", "relation": relation, "tail": f"{word} {one}"}
    for one in THINGS
    for other in THINGS
    for relation, word in (("UsedFor", "using a"), ("AtLocation", "with a"))
]
TINY: dict[str, Any] = {"layers": 1, "width": 32, "heads": 2, "vocabulary": 330}
QUICK: dict[str, Any] = {"epochs": 12, "lr": 1e-2, "batch_size": 16, "device": "cpu"}


def tiny(rows: list[dict[str, Any]] = ROWS, kind: Kind = KIND, **options: Any) -> GeneratorStudent:
    student = GeneratorStudent(**{"base": TINY, **QUICK, **options})
    return student.fit_rows(rows, kind)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [f"{row['head']} {row['relation']} {row['tail']}" for row in ROWS]
    return new_checkpoint(tmp_path_factory.mktemp("base") / "tiny", texts, **TINY)
