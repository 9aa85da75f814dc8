"""Precision of each kind's example recipe after each stage, by exact truth."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.base import ROOT, Figures, Options
from benchmarks.everyday.triples import triples
from benchmarks.text_table import table
from everyday.truth import truth_of
from synthkd import Recipe, run
from synthkd.errors import SynthKDError

#: The example recipe of each kind.
RECIPES = {
    "triple": "everyday", "comparative": "comparatives", "proposition": "propositions",
    "rationale": "rationales",
    "labelled_text": "messages",
}  # fmt: skip
#: Inputs of `--quick`: some hundred samples of each kind.
_QUICK = {"triple": 20, "comparative": 12, "proposition": 8, "rationale": 15, "labelled_text": 3}
#: Stages in the order in which a row passes them; rows are rejected by a rule unless `_STAGE_OF`
#: says otherwise.
STAGES = ("samples", "rules", "votes", "duplicates", "critic", "order")
_STAGE_OF = {"votes": "votes", "duplicate": "duplicates", "critic": "critic", "order": "order"}
HEADER = ("kind", "stage", "rows", "precision", "of what is true", "malformed")


def figures(options: Options) -> Figures:
    """Measure the chosen kinds; for triples also each target precision."""
    lines: list[tuple[Any, ...]] = [HEADER]
    results: Figures = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "triple" in options.only:
            results |= triples(folder, options.quick)
        for kind in options.only:
            rows = filtered_rows(kind, folder, options.quick)
            if isinstance(rows, str):
                lines.append((kind, f"skipped: {rows}", "", "", "", ""))
                continue
            stages, by_name = after_each(kind, rows)
            lines += stages
            results |= by_name
    print(table(lines))
    return results


def filtered_rows(kind: str, folder: Path, quick: bool) -> list[Mapping[str, Any]] | str:
    """Run a kind's example recipe; its well-formed rows, accepted or not.

    A recipe that cannot run gives the reason instead.
    """
    path = ROOT / f"examples/{RECIPES[kind]}.yaml"
    if not path.is_file():
        return f"no examples/{path.name}"
    changes = [
        f"journal={folder}/journal.sqlite", f"work={folder}/{kind}-run",
        f"corpus.path={folder}/{kind}-corpus",
        *([f"inputs.limit={_QUICK[kind]}"] if quick else []),
    ]  # fmt: skip
    try:
        corpus = run(Recipe.load(path, changes), quiet=True).corpus
    except SynthKDError as error:
        return str(error)
    return [*corpus.table(provenance=True).to_pylist(), *corpus.rejected.to_pylist()]


def after_each(
    kind: str, rows: list[Mapping[str, Any]]
) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
    """Return a line for each stage of the recipe, and the figures by name.

    Precision is over rows, repeats included. The next column is the share of the distinct true
    things that the teacher wrote which are still there.
    """
    valid = truth_of(kind)
    malformed = sum(row["rejected_by"] == "malformed" for row in rows)
    answers = [
        (_place(row), valid(row), row["id"]) for row in rows if row["rejected_by"] != "malformed"
    ]
    true = len({name for _, right, name in answers if right})
    lines: list[tuple[Any, ...]] = []
    figures: dict[str, Any] = {f"{kind}_malformed": malformed}
    for number, stage in enumerate(STAGES):
        if number and not any(place == number for place, _, _ in answers):
            continue
        left = [(right, name) for place, right, name in answers if place > number]
        precision = sum(right for right, _ in left) / len(left) if left else 0.0
        share = len({name for right, name in left if right}) / true if true else 0.0
        lines.append((kind, stage, len(left), precision, share, malformed if not number else ""))
        figures |= {
            f"{kind}_{stage}_rows": len(left),
            f"{kind}_{stage}_precision": precision,
            f"{kind}_{stage}_of_true": share,
        }
    return lines, figures


def _place(row: Mapping[str, Any]) -> int:
    """Number of the stage that rejected a row; beyond the last one if none did."""
    who = row["rejected_by"]
    return STAGES.index(_STAGE_OF.get(who, "rules")) if who else len(STAGES)
