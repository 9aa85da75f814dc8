"""The arms that are compared: a recipe for each way to choose what the teacher is asked for."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from benchmarks.encoders import default_encoder
from benchmarks.pgkd.cuts import Cut
from synthkd.recipe import Recipe

ROUNDS, ROWS = 10, 77
#: The prompt shows nothing about the student.
_BLIND = {"report": False, "mine": {"correct": 0, "incorrect": 0, "hard": 0, "shots": 0}}
_SEES = {"mine": {"folds": 5}}
_DRAWN, _TYPICAL, _NEAREST = {"choose": "drawn"}, {"choose": "typical"}, {"choose": "nearest"}
#: name -> (loop, pool)
ARMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "uniform": ({"allocate": "uniform", **_BLIND}, _DRAWN),
    "pgkd": ({"allocate": "own", **_SEES}, _TYPICAL),
    # Without one thing each.
    "pgkd, no hard negatives": ({"allocate": "own", "mine": {"folds": 5, "hard": 0}}, _TYPICAL),
    "pgkd, uniform allocation": ({"allocate": "uniform", **_SEES}, _TYPICAL),
    "pgkd, teacher allocates": ({"allocate": "teacher", **_SEES}, _TYPICAL),
    "pgkd, teacher allocates, no report": ({"allocate": "teacher", "report": False, **_SEES},
    _TYPICAL),
    # One thing alone.
    "own allocation alone": ({"allocate": "own", **_BLIND}, _DRAWN),
    "typical rows alone": ({"allocate": "uniform", **_BLIND}, _TYPICAL),
    "nearest to hard negatives": ({"allocate": "own", **_SEES}, _NEAREST),
}  # fmt: skip


def recipe(
    arm: str,
    place: Cut,
    seed: int,
    student: str,
    noise: float = 0.0,
    rule: bool = False,
    rounds: int = ROUNDS,
) -> Recipe:
    """Return the recipe of an arm on a cut.

    The student is `minilm` or `tfidf`; ``rule`` adds `label_noise`.
    """
    loop, pool = deepcopy(ARMS[arm])
    options: dict[str, Any] = (
        {"features": "embeddings", "encoder": default_encoder()} if student == "minilm" else {}
    )
    rows = {name: {"path": f"{name}.parquet"} for name in ("start", "validation", "test")}
    return Recipe.from_dict(
        {
            "name": "pgkd-bench",
            "seed": seed,
            "inputs": {"path": "start.parquet"},
            "kind": {
                "name": "labelled_text",
                "several": True,
                "options": {"taxonomy": list(place.classes)},
            },
            "prompt": {"template": "labelled_text/pool"},
            "teacher": {
                "backend": "pool",
                "path": "pool.parquet",
                "options": {**pool, "noise": noise, "seed": seed},
            },
            "rules": ["empty", "label_known", *(["label_noise"] if rule else [])],
            "student": {"name": "linear", "options": options, "path": "out/student"},
            "loop": {
                **rows,
                "rounds": rounds,
                "rows": ROWS,
                "patience": rounds,
                "texts": 100,
                **loop,
            },
            "corpus": {"path": "out/corpus"},
            "journal": "out/journal.sqlite",
            "work": "out/runs",
        },
        folder=place.folder,
    )
