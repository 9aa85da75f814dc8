"""Profile of the processor time of a row, by py-spy (`pip install py-spy`).

`--tree DIR` profiles another
checkout over the same journal too, so that a change can be compared with what was before.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.base import ROOT, Figures, Options
from benchmarks.filter.processes import run_measured
from benchmarks.filter.throughput import fill
from benchmarks.sampling import sample_parts, shares

#: Parts of a row's time, and what their frames have.
PARTS = (
    ("imports", ("<frozen importlib",)),
    ("journal", ("synthkd/journal/",)),
    ("inputs", ("synthkd/stages/input", "synthkd/stages/plan", "synthkd/rows/", "synthkd/requests",
                "synthkd/prompts/", "synthkd/recipe/")),
    ("rules", ("synthkd/stages/apply_rules", "apply_rules (synthkd/", "synthkd/filters/r",
               "synthkd/filters/base")),
    ("votes_duplicates", ("synthkd/filters/", "synthkd/stages/outcomes")),
    ("partitions", ("synthkd/stages/partitions",)),
    ("parse", ("synthkd/kinds/", "synthkd/stages/parse")),
    ("write", ("finish (synthkd/stages/filter_steps",)),
)  # fmt: skip


def figures(options: Options) -> Figures:
    """Sample one run of each checkout; microseconds of processor time a row, by part."""
    rows = options.rows or (20_000 if options.quick else 500_000)
    with tempfile.TemporaryDirectory(prefix="synthkd-bench-") as temporary:
        recipe = fill((options.keep or Path(temporary)) / f"{rows}", rows).resolve()
        found = _profile(recipe, rows, ROOT, "profile_us")
        if options.tree:
            found |= _profile(recipe, rows, options.tree.resolve(), "profile_us_tree")
    return found


def _profile(recipe: Path, rows: int, tree: Path, name: str) -> Figures:
    module = "benchmarks.filter.stage"
    per_row = 1e6 * run_measured(module, str(recipe), "1", tree=tree).cpu / rows
    counts = sample_parts([sys.executable, "-m", module, str(recipe), "1"], tree, PARTS)
    return shares(counts, PARTS, per_row, name)
