"""Triples of the everyday world: precision and yield at several target precisions."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

from benchmarks.base import ROOT, Figures
from benchmarks.text_table import table
from everyday.truth import Truth
from synthkd import Recipe, run
from synthkd.errors import NotReachableError
from synthkd.kinds.triple import TripleKind

TARGETS = (0.7, 0.8, 0.9, 0.95)
COLUMNS = ("corpus", "rows", "precision", "of valid", "valid, kept out of"
    " training", "precision off the label sheet")  # fmt: skip


def recipe(folder: Path, critic: str, quick: bool) -> Recipe:
    changes = [
        f"journal={folder}/journal.sqlite",
        f"work={folder}/run",
        f"corpus.path={folder}/corpus",
        critic,
    ]
    return Recipe.load(
        ROOT / "examples/everyday.yaml", changes + (["inputs.limit=100"] if quick else [])
    )


def label_sheet_ids() -> set[str]:
    """Return ids of the rows that the shipped critic was trained or calibrated on."""
    kind = TripleKind()
    with (ROOT / "critics/everyday-labels.csv").open(encoding="utf-8") as file:
        return {kind.identity(row) for row in csv.DictReader(file)}


def triples(folder: Path, quick: bool) -> Figures:
    """Print the table of triples and return its figures."""
    truth, truth_and_ids = Truth.load(), label_sheet_ids()
    start = time.perf_counter()
    result = run(recipe(folder, "critic=null", quick))
    seconds = time.perf_counter() - start
    accepted = result.corpus.table(provenance=True).to_pylist()
    raw = truth.measure(accepted)
    repeats = [
        row for row in result.corpus.rejected.to_pylist() if row["rejected_by"] == "duplicate"
    ]
    samples = truth.measure([*accepted, *repeats])
    rows: list[tuple[Any, ...]] = [
        COLUMNS,
        ("samples", samples.rows, samples.precision, "", samples.unseen, ""),
        ("raw", raw.rows, raw.precision, 1.0, raw.unseen, ""),
    ]
    figures: dict[str, Any] = {
        "raw_rows": raw.rows, "raw_precision": raw.precision, "sample_precision": samples.precision,
        "seconds": seconds, "samples_per_second": result.counts["completed"] / seconds,
    }  # fmt: skip
    for target in TARGETS:
        name = f"{round(target * 100)}"
        try:
            kept = (
                run(recipe(folder, f"critic.precision={target}", quick), quiet=True)
                .corpus.table(provenance=True)
                .to_pylist()
            )
        except NotReachableError as error:
            rows.append((f"target {target}", 0, str(error), "", "", ""))
            continue
        results = truth.measure(kept)
        fresh = truth.measure(row for row in kept if row["id"] not in truth_and_ids)
        share = results.valid / raw.valid
        rows.append(
            (
                f"target {target}",
                results.rows,
                results.precision,
                share,
                results.unseen,
                fresh.precision,
            )
        )
        figures |= {
            f"precision_at_asked_{name}": results.precision,
            f"yield_of_valid_at_asked_{name}": share,
            f"rows_at_asked_{name}": results.rows,
            f"precision_off_sheet_at_asked_{name}": fresh.precision,
        }
    print(table(rows))
    print(f"{result.counts['completed']:,} samples, generated and filtered in {seconds:.0f} s\n")
    return figures
