#!/usr/bin/env python3
"""The everyday world, with exact truth: the table of the symbolic distillation paper, and every kind stage by stage.

    python -m benchmarks everyday [--quick] [--only KIND ...] [--json FILE]

Triples (West et al. 2022): samples the embedded teacher with the example recipe, then filters the same completions
without a critic and with the shipped critic at several asked precisions. Precision is measured against the table,
over every row of each corpus, and once more over the rows that were not in the critic's label sheet. Rows are
distinct triples that passed the rules; `samples` counts every well-formed sample, repeats included.

Every kind: runs its example recipe and measures the rows that are left after each stage. A recipe that is not
there, or does not run here, is a line that says why.
"""

from __future__ import annotations

import csv
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.base import options, table, write
from benchmarks.everyday.kinds import HEADER, RECIPES, after_each, judged
from everyday.truth import Truth
from synthkd import Recipe, run
from synthkd.errors import NotReachableError
from synthkd.kinds.triple import TripleKind

ROOT = Path(__file__).resolve().parents[2]
ASKED = (0.7, 0.8, 0.9, 0.95)
COLUMNS = ("corpus", "rows", "precision", "of valid", "valid, kept out of training", "precision off the label sheet")  # fmt: skip


def recipe(folder: Path, critic: str, quick: bool) -> Recipe:
    changes = [
        f"journal={folder}/journal.sqlite",
        f"work={folder}/run",
        f"corpus.path={folder}/corpus",
        critic,
    ]
    return Recipe.load(ROOT / "examples/everyday.yaml", changes + (["inputs.limit=100"] if quick else []))


def labelled() -> set[str]:
    """Ids of the rows that the shipped critic saw, in training or for its threshold."""
    kind = TripleKind()
    with (ROOT / "critics/everyday-labels.csv").open(encoding="utf-8") as file:
        return {kind.identity(row) for row in csv.DictReader(file)}


def triples(folder: Path, quick: bool) -> dict[str, Any]:
    """Print the table of triples; give its figures."""
    truth, known = Truth.load(), labelled()
    start = time.perf_counter()
    result = run(recipe(folder, "critic=null", quick))
    seconds = time.perf_counter() - start
    accepted = result.corpus.accepted.to_pylist()
    raw = truth.measure(accepted)
    repeats = [row for row in result.corpus.rejected.to_pylist() if row["rejected_by"] == "duplicate"]
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
    for asked in ASKED:
        name = f"{round(asked * 100)}"
        try:
            kept = run(
                recipe(folder, f"critic.precision={asked}", quick), quiet=True
            ).corpus.accepted.to_pylist()
        except NotReachableError as error:
            rows.append((f"asked {asked}", 0, str(error), "", "", ""))
            continue
        found = truth.measure(kept)
        fresh = truth.measure(row for row in kept if row["id"] not in known)
        share = found.valid / raw.valid
        rows.append((f"asked {asked}", found.rows, found.precision, share, found.unseen, fresh.precision))
        figures |= {
            f"precision_at_asked_{name}": found.precision,
            f"yield_of_valid_at_asked_{name}": share,
            f"rows_at_asked_{name}": found.rows,
            f"precision_off_sheet_at_asked_{name}": fresh.precision,
        }
    print(table(rows))
    print(f"{result.counts['completed']:,} samples, generated and filtered in {seconds:.0f} s\n")
    return figures


def every_kind(folder: Path, quick: bool, only: list[str]) -> dict[str, Any]:
    """Print the table of stages; give its figures."""
    lines: list[tuple[Any, ...]] = [HEADER]
    figures: dict[str, Any] = {}
    for kind in only:
        rows = judged(kind, folder, quick)
        if isinstance(rows, str):
            lines.append((kind, f"skipped: {rows}", "", "", "", ""))
            continue
        found, named = after_each(kind, rows)
        lines += found
        figures |= named
    print(table(lines))
    return figures


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--only", nargs="*", choices=list(RECIPES), default=list(RECIPES), metavar="KIND")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = triples(folder, args.quick) if "triple" in args.only else {}
        figures |= every_kind(folder, args.quick, args.only)
    write(figures, args.json)


if __name__ == "__main__":
    main()
