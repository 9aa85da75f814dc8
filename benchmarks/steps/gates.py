"""What an early gate saves: the example of two steps with and without its first votes."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.base import ROOT, Figures, Options
from benchmarks.text_table import table
from everyday.truth import Truth
from synthkd.pipeline import run
from synthkd.recipe import Recipe


def figures(options: Options) -> Figures:
    """Run `examples/places.yaml` twice; the truth is that of the everyday world."""
    limit = 200 if options.quick else None
    with TemporaryDirectory(prefix="synthkd-bench-") as name:
        gated = _run(Path(name), "gated", 3, limit)
        open_ = _run(Path(name), "open", 1, limit)
    rows: list[tuple[Any, ...]] = [
        ("first step", "completions", "of the second", "accepted", "precision")
    ]
    for words, one in (("3 of 10 votes", gated), ("no votes", open_)):
        rows.append(
            (
                words,
                f"{one['completions']:,}",
                f"{one['last']:,}",
                f"{one['accepted']:,}",
                f"{one['precision']:.3f}",
            )
        )
    print(table(rows))
    return {
        "gate_completions": gated["completions"],
        "gate_completions_without": open_["completions"],
        "gate_saved_share": round(1 - gated["completions"] / open_["completions"], 4),
        "gate_last_completions": gated["last"],
        "gate_last_completions_without": open_["last"],
        "gate_last_saved_share": round(1 - gated["last"] / open_["last"], 4),
        "gate_accepted": gated["accepted"],
        "gate_accepted_without": open_["accepted"],
        "gate_precision": round(gated["precision"], 4),
        "gate_precision_without": round(open_["precision"], 4),
    }


def _run(folder: Path, name: str, min_votes: int, limit: int | None) -> dict[str, Any]:
    changes = [
        f"steps.where.votes.min_votes={min_votes}",
        f"journal={folder / 'journal.sqlite'}",
        f"work={folder / name}",
        f"corpus.path={folder / f'{name}-corpus'}",
    ]
    changes += [] if limit is None else [f"inputs.limit={limit}"]
    result = run(Recipe.load(ROOT / "examples/places.yaml", changes), quiet=True, measure=False)
    truth, rows = Truth.load(), result.corpus.table(provenance=True).to_pylist()
    return {
        "completions": sum(one.counts["asked"] for one in result.steps.values()),
        "last": result.counts["asked"],
        "accepted": len(rows),
        "precision": float(np.mean([truth.valid(row) for row in rows])),
    }
