"""The recipe of a round over labelled text: what its answers are compared with, and by which rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synthkd.loops.labelled.sets import LoopSplits
from synthkd.loops.rounds import recipe_path
from synthkd.loops.task import Row
from synthkd.recipe import Recipe, RulePart

#: Rows so far, in a round's folder: what its answers must not repeat.
HAD = "had.parquet"
#: Texts of validation and test rows, there too: what they must not copy.
HELD = "held.parquet"
#: Rules of a round where the recipe names none.
RULES = ("empty", "label_known", "near_duplicate", "label_noise")
#: Similarity from which a row counts as the same as an earlier one, where the recipe's rules do not look for copies.
_SAME = 0.99


def labelled_round_recipe(
    recipe: Recipe, folder: Path, rows: Sequence[Row], sets: LoopSplits, axes: Sequence[str]
) -> Recipe:
    """A round's recipe with validation and test rows as its evaluation set and all rows so far as its real ones; files of both
    are written into ``folder``. ``axes``: names of the kind's axes, whose values the inputs have."""
    assert recipe.loop is not None
    given = recipe.kind.options
    options = {**given, "axes": list(axes), "contrast": 0, "per_class": None, "zero_shot": True}
    if "taxonomy" not in given:
        options["taxonomy"] = list(sets.classes)
    held = _written(recipe, folder / HELD, [{"text": text} for text in sets.held.texts])
    options["evaluation"] = [*_listed(given.get("evaluation")), held]
    options["real"] = _written(recipe, folder / HAD, rows) if rows else None
    kind = recipe.kind.model_copy(update={"options": options})
    return recipe.with_parts(kind=kind, rules=_rules(recipe, recipe.loop.near))


def _written(recipe: Recipe, path: Path, rows: Sequence[Row]) -> str:
    """Write rows into a file; returns its path as the recipe has it."""
    columns = {name: [row[name] for row in rows] for name in ("text", "label") if name in rows[0]}
    pq.write_table(pa.table(columns), path, compression="zstd")
    return recipe_path(recipe, path)


def _rules(recipe: Recipe, near: float) -> list[RulePart]:
    """The recipe's, and always those that keep copies out."""
    chosen = list(recipe.rules) if recipe.rules is not None else [RulePart(name=name) for name in RULES]
    named = {rule.name for rule in chosen}
    if "contaminated" not in named:
        options: dict[str, Any] = {"threshold": near} if near < 1 else {"near": False}
        chosen.insert(0, RulePart(name="contaminated", options=options))
    if "near_duplicate" not in named:
        chosen.append(RulePart(name="near_duplicate", options={"threshold": _SAME}))
    return chosen


def _listed(given: Any) -> list[Any]:
    """One or several, as a list."""
    return given if isinstance(given, list) else [given] if given else []
