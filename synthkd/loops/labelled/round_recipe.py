"""The recipe of a round over labelled text: rows that answers must not copy, and rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synthkd.loops.labelled.splits import LoopSplits
from synthkd.loops.task import Row
from synthkd.recipe import Recipe, RulePart

#: File of the training rows so far, which answers must not repeat.
HAD = "had.parquet"
#: File of the validation and test texts, which answers must not copy.
HELD = "held.parquet"
#: Default rules.
RULES = ("empty", "unfinished", "label_known", "near_duplicate", "label_noise")
#: Similarity from which rows are equal, if the recipe's rules do not search near-duplicates.
_SAME = 0.99


def labelled_round_recipe(
    recipe: Recipe, folder: Path, rows: Sequence[Row], splits: LoopSplits, axes: Sequence[str]
) -> Recipe:
    """Return the recipe of a round: real rows so far, and evaluation rows that are forbidden.

    Args:
        recipe: The recipe of a round.
        folder: Folder of the round; files of both sets are written into it.
        rows: Training rows so far.
        splits: The rows of the loop.
        axes: Names of the kind's axes, whose values the inputs have.
    """
    assert recipe.loop is not None
    given = recipe.kind.options
    options = {**given, "axes": list(axes), "contrast": 0, "per_class": None, "zero_shot": True}
    if "taxonomy" not in given:
        options["taxonomy"] = list(splits.classes)
    evaluation = _write_rows(
        recipe, folder / HELD, [{"text": text} for text in splits.evaluation.texts]
    )
    options["evaluation"] = [*_as_list(given.get("evaluation")), evaluation]
    options["real"] = _write_rows(recipe, folder / HAD, rows) if rows else None
    kind = recipe.kind.model_copy(update={"options": options})
    return recipe.with_parts(kind=kind, rules=_rules(recipe, recipe.loop.near))


def _write_rows(recipe: Recipe, path: Path, rows: Sequence[Row]) -> str:
    """Write rows into a file. Returns its path relative to the recipe."""
    columns = {name: [row[name] for row in rows] for name in ("text", "label") if name in rows[0]}
    pq.write_table(pa.table(columns), path, compression="zstd")
    return recipe.path_text(path)


def _rules(recipe: Recipe, near: float) -> list[RulePart]:
    """Return the recipe's rules, and those that reject copies."""
    chosen = (
        list(recipe.rules) if recipe.rules is not None else [RulePart(name=name) for name in RULES]
    )
    named = {rule.name for rule in chosen}
    if "contaminated" not in named:
        options: dict[str, Any] = {"threshold": near} if near < 1 else {"near": False}
        chosen.insert(0, RulePart(name="contaminated", options=options))
    if "near_duplicate" not in named:
        chosen.append(RulePart(name="near_duplicate", options={"threshold": _SAME}))
    return chosen


def _as_list(given: Any) -> list[Any]:
    """Return one value or several as a list."""
    return given if isinstance(given, list) else [given] if given else []
