"""Votes over word problems of the everyday world, sampled from a checkpoint."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.base import Figures, Options
from benchmarks.text_table import table
from benchmarks.votes.accuracy import figure, scores
from benchmarks.votes.adaptive import curve
from benchmarks.votes.recorded import checks
from benchmarks.votes.rows import passed_only, read_everyday
from benchmarks.votes.tables import show_curve, with_interval


def figures(options: Options) -> Figures:
    """Measure votes and adaptive sampling, with and without chains that fail checks."""
    with TemporaryDirectory() as folder:
        questions = read_everyday(options.teacher, Path(folder), 40 if options.quick else 300)
    results: Figures = {"checks": checks(questions)}
    for name, chosen in (("all", questions), ("checked", passed_only(questions))):
        plain = scores(chosen)
        values = {
            "single_mean": figure(plain[:, 0]),
            "majority": figure(plain[:, 1]),
            "majority_minus_single": figure(plain[:, 1] - plain[:, 0]),
        }
        results[name] = {**values, "adaptive": curve(chosen)}
        print(f"\neveryday word problems, votes of {name}: {results['checks']}")
        print(
            table(
                [
                    ("figure", "value [95 %]"),
                    *((key, with_interval(value)) for key, value in values.items()),
                ]
            )
        )
        show_curve(f"everyday, {name}", results[name]["adaptive"])
    return {"everyday": results}
