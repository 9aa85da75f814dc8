"""A target of a recipe with steps: more inputs go through all steps until enough rows are accepted.

A round takes a larger sample of the inputs, by hash, so that it holds the inputs of the rounds
before it; what these asked for is in the journal.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthkd.errors import RecipeError
from synthkd.kinds.event import EventKind
from synthkd.recipe import Recipe
from synthkd.stages.inputs import InputReader
from synthkd.stages.places import FILTERED_ROWS
from synthkd.stages.target.sizing import yield_interval
from synthkd.steps.recipes import step_names, step_recipe

#: Inputs of the first round.
_FIRST = 20


@dataclass(frozen=True)
class InputsRound:
    """One round: inputs of all rounds so far, and the accepted rows that came of them."""

    inputs: int
    accepted: int


@dataclass(frozen=True)
class InputsTarget:
    """The rounds of a target, and why they ended."""

    rounds: tuple[InputsRound, ...]
    ended: str

    def __str__(self) -> str:
        sizes = ", ".join(f"{one.inputs:,} inputs: {one.accepted:,}" for one in self.rounds)
        return f"{self.ended} ({sizes} accepted)"


def run_for_target(
    recipe: Recipe, run_all: Callable[[Recipe], dict[str, Any]]
) -> tuple[dict[str, Any], InputsTarget]:
    """Run all steps on growing samples of the inputs until the target is reached.

    Args:
        recipe: A recipe with steps and a target.
        run_all: Runs all steps of a recipe.

    Returns:
        The results of the last round, and the rounds.

    Raises:
        RecipeError: An option of the target that only a recipe without steps can keep.
    """
    rounds: list[InputsRound] = []
    target = recipe.target
    assert target is not None
    _check(recipe)
    most = InputReader(recipe, EventKind()).count_raw()
    inputs = min(_FIRST, most)
    while True:
        results = run_all(
            recipe.with_parts(
                inputs=recipe.inputs.model_copy(update={"limit": inputs}), target=None
            )
        )
        accepted = _accepted(recipe, target.per)
        rounds.append(InputsRound(inputs, min(accepted)))
        if min(accepted) >= target.accepted:
            ended = "reached"
        elif len(results) < len(step_names(recipe)) or _stopped(results):
            ended = "not reached: a cap was reached"
        elif inputs == most:
            ended = "not reached: there are no more inputs"
        else:
            inputs = min(most, _further(inputs, min(accepted), target.accepted))
            continue
        return results, InputsTarget(tuple(rounds), ended)


def _check(recipe: Recipe) -> None:
    target = recipe.target
    assert target is not None
    for name in ("samples", "step", "at_most", "overshoot"):
        if name in target.model_fields_set:
            raise RecipeError(
                f"target.{name}: a recipe with steps takes more inputs, not more samples; leave it"
                " out, and set `limits` for a cap"
            )


def _further(inputs: int, accepted: int, wanted: int) -> int:
    """Return the inputs of the next round: what the yield's upper bound needs, one more at least.

    The upper bound asks for too few rather than too many. Rounds at most double the inputs, since
    rows repeat one another more and more.
    """
    high = yield_interval(min(accepted, inputs), inputs)[1] * max(1.0, accepted / inputs)
    needed = math.ceil((wanted - accepted) / max(high, 1e-9))
    return inputs + max(1, min(needed, inputs))


def _accepted(recipe: Recipe, per: str | None) -> list[int]:
    """Count the accepted rows of the last step: in all, or of each value of a column."""
    counts: Counter[Any] = Counter()
    for table in _filtered(recipe, per):
        kept = table.filter(pc.is_null(table["rejected_by"]))
        if per is None:
            counts[None] += kept.num_rows
        else:
            counts.update(dict.fromkeys(table[per].drop_null().to_pylist(), 0))
            counts.update(kept[per].to_pylist())
    return list(counts.values()) or [0]


def _filtered(recipe: Recipe, per: str | None) -> Iterator[Any]:
    own = step_recipe(recipe, step_names(recipe)[-1])
    for path in sorted((own.work_dir / FILTERED_ROWS).glob("part-*.parquet")):
        if per is not None and per not in pq.read_schema(path).names:
            raise RecipeError(f"target.per: rows of the last step have no column {per!r}")
        yield pq.read_table(path, columns=["rejected_by", *([per] if per else [])])


def _stopped(results: dict[str, Any]) -> bool:
    return any(one.generated.stopped for one in results.values())
