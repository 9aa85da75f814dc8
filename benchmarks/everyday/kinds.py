"""Precision of one recipe's rows after each stage, by the everyday world's exact truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from everyday.truth import truth_of
from synthkd import Recipe, run
from synthkd.errors import SynthKDError

ROOT = Path(__file__).resolve().parents[2]
#: kind -> its example recipe.
RECIPES = {
    "triple": "everyday", "comparative": "comparatives", "proposition": "propositions", "rationale": "rationales",
    "labelled_text": "messages",
}  # fmt: skip
#: Inputs of `--quick`: some hundred samples of each kind.
_QUICK = {"triple": 20, "comparative": 12, "proposition": 8, "rationale": 15, "labelled_text": 3}
#: Stages in the order in which a row passes them; what rejects a row and is not named here is a rule.
STAGES = ("samples", "rules", "votes", "duplicates", "critic", "order")
_STAGE_OF = {"votes": "votes", "duplicate": "duplicates", "critic": "critic", "order": "order"}
HEADER = ("kind", "stage", "rows", "precision", "of what is true", "malformed")


def judged(kind: str, folder: Path, quick: bool) -> list[Mapping[str, Any]] | str:
    """Every well-formed row of a kind's example recipe, accepted or not; or why there are none."""
    path = ROOT / f"examples/{RECIPES[kind]}.yaml"
    if not path.is_file():
        return f"no examples/{path.name}"
    changes = [
        f"journal={folder}/journal.sqlite", f"work={folder}/{kind}-run", f"corpus.path={folder}/{kind}-corpus",
        *([f"inputs.limit={_QUICK[kind]}"] if quick else []),
    ]  # fmt: skip
    try:
        corpus = run(Recipe.load(path, changes), quiet=True).corpus
    except SynthKDError as error:
        return str(error)
    return [*corpus.accepted.to_pylist(), *corpus.rejected.to_pylist()]


def after_each(kind: str, rows: list[Mapping[str, Any]]) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
    """A line for each stage that the recipe has, and the figures by name.

    Precision is over rows, repeats included; the next column is the share of the distinct true things that the
    teacher said at all which are still there.
    """
    valid = truth_of(kind)
    malformed = sum(row["rejected_by"] == "malformed" for row in rows)
    said = [(_place(row), valid(row), row["id"]) for row in rows if row["rejected_by"] != "malformed"]
    true = len({name for _, right, name in said if right})
    lines: list[tuple[Any, ...]] = []
    figures: dict[str, Any] = {f"{kind}_malformed": malformed}
    for number, stage in enumerate(STAGES):
        if number and not any(place == number for place, _, _ in said):
            continue
        left = [(right, name) for place, right, name in said if place > number]
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
    """Number of the stage that rejected a row; beyond the last where none did."""
    who = row["rejected_by"]
    return STAGES.index(_STAGE_OF.get(who, "rules")) if who else len(STAGES)
