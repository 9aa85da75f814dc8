"""Profile of the processor time of a row, by py-spy (`pip install py-spy`).

A sample counts for the innermost frame that belongs to a part. `--tree DIR` profiles another
checkout over the same journal too, so that a change can be compared with what was before.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.base import ROOT, Figures, Options
from benchmarks.filter.processes import run_measured
from benchmarks.filter.throughput import fill

#: Parts of a row's time, and what their frames have; the first part that fits counts.
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
    sampler = shutil.which("py-spy")
    if sampler is None:
        raise SystemExit("filter --only profile needs py-spy: pip install py-spy")
    module = "benchmarks.filter.stage"
    per_row = 1e6 * run_measured(module, str(recipe), "1", tree=tree).cpu / rows
    with tempfile.NamedTemporaryFile() as samples:
        subprocess.run(
            [sampler, "record", "-r", "200", "-f", "raw", "-o", samples.name, "--",
             sys.executable, "-m", module, str(recipe), "1"],
            cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)}, check=True, capture_output=True,
        )  # fmt: skip
        counts = count_parts(Path(samples.name).read_text("utf-8"))
    total = counts.total()
    shares = {part: per_row * counts[part] / total for part in [*dict(PARTS), "other"]}
    return {name: per_row, **{f"{name}_{part}": value for part, value in shares.items()}}


def count_parts(text: str) -> Counter[str]:
    """Count py-spy's raw samples (frames by ``;``, then a number) by part."""
    counts: Counter[str] = Counter()
    for line in text.splitlines():
        stack, _, number = line.rpartition(" ")
        counts[_part(stack.split(";"))] += int(number)
    return counts


def _part(frames: list[str]) -> str:
    for frame in reversed(frames):
        for part, marks in PARTS:
            if any(mark in frame for mark in marks):
                return part
    return "other"
