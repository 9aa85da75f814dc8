"""Rows a second of one core, and what another checkout makes of the same journal."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from benchmarks.base import ROOT, Figures, Options
from benchmarks.filter.processes import Done, run_measured
from benchmarks.filter.throughput import fill

#: Rounds, in each of which every checkout filters all rows.
ROUNDS = 3


def figures(options: Options) -> Figures:
    """Filter in turn; medians of the processor time, which other work alters least."""
    rows = options.rows or (50_000 if options.quick else 2_000_000)
    trees = [ROOT, *([options.tree.resolve()] if options.tree else [])]
    results: dict[Path, list[Done]] = {tree: [] for tree in trees}
    with tempfile.TemporaryDirectory(prefix="synthkd-bench-") as temporary:
        recipe = fill((options.keep or Path(temporary)) / f"{rows}", rows).resolve()
        for _ in range(ROUNDS):
            for tree in trees:
                done = run_measured("benchmarks.filter.stage", str(recipe), "1", tree=tree)
                results[tree].append(done)
    cpu = [statistics.median(done.cpu for done in results[tree]) for tree in trees]
    here = results[ROOT][0]
    found: Figures = {
        "core_rows": rows,
        "filter_rows_per_second_core": rows / cpu[0],
        "core_microseconds_per_row": 1e6 * cpu[0] / rows,
        "core_megabytes": here.megabytes,
    }
    if options.tree:
        there = results[trees[1]][0]
        found |= {
            "core_microseconds_per_row_tree": 1e6 * cpu[1] / rows,
            "core_ratio_tree": cpu[1] / cpu[0],
            "core_same_files_as_tree": int(
                there.printed["hashes"] == here.printed["hashes"]
                and there.printed["counts"] == here.printed["counts"]
            ),
        }
    return found
