"""A target of a recipe with steps: more inputs go through all steps until enough rows are accepted.

A round takes a larger sample of the inputs, by hash, so that it holds the inputs of the rounds
before it; what these asked for is in the journal.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthkd.corpora.schema import candidate_schema
from synthkd.errors import NoRowsError, RecipeError, nearest
from synthkd.kinds.event import EventKind
from synthkd.kinds.factory import kind_of_recipe
from synthkd.recipe import Recipe
from synthkd.rows import text_cell
from synthkd.stages.inputs import InputReader
from synthkd.stages.places import FILTERED_ROWS
from synthkd.stages.plan import RunPlan
from synthkd.stages.target.sizing import yield_interval
from synthkd.steps.columns import resolve_steps
from synthkd.steps.outputs import step_rows
from synthkd.steps.recipes import step_names, step_recipe
from synthkd.steps.run import OverLimitError
from synthkd.storage import TemporaryFolder

#: Inputs of the first round at most, and accepted rows of an input that it reckons with: with fewer
#: inputs than that would take, nothing can be learnt of the yield.
_FIRST, _ROWS_OF_INPUT = 20, 8
_MISSED = "not reached"


@dataclass(frozen=True)
class InputsRound:
    """One round: inputs of all rounds so far, and the accepted rows that came of them."""

    inputs: int
    accepted: int


@dataclass(frozen=True)
class InputsTarget:
    """The rounds of a target, and why they ended.

    Attributes:
        per: The column for each value of which rows are wanted; the rounds count its rarest.
    """

    rounds: tuple[InputsRound, ...]
    ended: str
    per: str | None = None

    def __str__(self) -> str:
        sizes = ", ".join(f"{one.inputs:,} inputs: {one.accepted:,}" for one in self.rounds)
        rarest = f" of the rarest {self.per}" if self.per else ""
        return f"{self.ended} ({sizes} accepted{rarest})"


class AskedCompletions:
    """The completions that all rounds ask for, of which there are so many at most.

    Completions that the journal had before count as well, so that a corpus does not depend on what
    the journal happens to have.

    Args:
        most: Completions at most; None for no limit.
    """

    def __init__(self, most: int | None) -> None:
        self.most = most
        self._samples: dict[str, int] = {}

    def admit(self, plan: RunPlan) -> bool:
        """Add what a step asks for, unless that would be too much."""
        if self.most is None or not plan.components.teacher.asks:
            return True
        wanted: dict[str, int] = {}
        room = self.most - sum(self._samples.values())
        for batch in plan.batches():
            for one in batch:
                key, samples = one.request.request_id, len(one.request.sample_indexes)
                room -= max(0, samples - max(self._samples.get(key, 0), wanted.get(key, 0)))
                wanted[key] = max(samples, wanted.get(key, 0))
            if room < 0:
                return False
        for key, samples in wanted.items():
            self._samples[key] = max(samples, self._samples.get(key, 0))
        return True

    def affordable(self, inputs: int) -> int:
        """Return the inputs that can be paid for, if all cost what the first ``inputs`` did."""
        asked = sum(self._samples.values())
        return sys.maxsize if self.most is None or not asked else inputs * self.most // asked


def run_for_target(
    recipe: Recipe, run_all: Callable[[Recipe, Callable[[RunPlan], bool]], dict[str, Any]]
) -> tuple[dict[str, Any], InputsTarget]:
    """Run all steps on growing samples of the inputs until the target is reached.

    Args:
        recipe: A recipe with steps and a target.
        run_all: Runs all steps of a recipe, each if the function admits its plan.

    Returns:
        The results of the last round, and the rounds.

    Raises:
        RecipeError: An option of the target that only a recipe without steps can keep, or
            `at_most.completions` that do not suffice for one accepted row.
        NoRowsError: A step has nothing to ask about after the last round.
    """
    rounds: list[InputsRound] = []
    results: dict[str, Any] = {}
    target = recipe.target
    assert target is not None
    _check(recipe)
    completions = AskedCompletions(target.at_most.completions)
    most = InputReader(recipe, EventKind()).count_raw()
    inputs = _first(recipe, most)
    while True:
        try:
            results = run_all(_limited(recipe, inputs), completions.admit)
            # What the last step left before is of another sample, or of another recipe.
            is_whole = len(results) == len(step_names(recipe))
            accepted = min(_accepted(recipe, target.per)) if is_whole else 0
        except NoRowsError:
            # A larger sample may have a row that every step accepts.
            if inputs == most or len(rounds) + 1 == target.at_most.rounds:
                raise
            accepted = 0
        except OverLimitError:
            if not results and inputs > 1 and not rounds:
                inputs //= 2
                continue
            if not results:
                raise RecipeError(
                    f"target.at_most.completions: {target.at_most.completions} do not suffice for"
                    " a row that goes through all steps"
                ) from None
            # The rows of the round before; the journal has its answers.
            results = run_all(_limited(recipe, rounds[-1].inputs), lambda _: True)
            return results, InputsTarget(
                tuple(rounds), f"{_MISSED}: at_most.completions", target.per
            )
        rounds.append(InputsRound(inputs, accepted))
        further = min(most, _further(inputs, accepted, target.accepted))
        further = min(further, completions.affordable(inputs))
        if accepted >= target.accepted:
            ended = "reached"
        elif results and (len(results) < len(step_names(recipe)) or _stopped(results)):
            ended = f"{_MISSED}: a cap was reached"
        elif inputs == most:
            ended = f"{_MISSED}: there are no more inputs"
        elif results and len(rounds) == target.at_most.rounds:
            ended = f"{_MISSED}: at_most.rounds"
        elif results and further <= inputs:
            ended = f"{_MISSED}: at_most.completions"
        else:
            inputs = max(inputs + 1, further)
            continue
        return results, InputsTarget(tuple(rounds), ended, target.per)


def _first(recipe: Recipe, most: int) -> int:
    """Return the inputs of the first round."""
    assert recipe.target is not None
    first = min(_FIRST, most, math.ceil(recipe.target.accepted / _ROWS_OF_INPUT))
    completions = recipe.target.at_most.completions
    if completions is None:
        return first
    samples = sum(step_recipe(recipe, name).teacher.sampling.n for name in step_names(recipe))
    return max(1, min(first, completions // samples))


def _limited(recipe: Recipe, inputs: int) -> Recipe:
    return recipe.with_parts(inputs=recipe.inputs.model_copy(update={"limit": inputs}), target=None)


def _check(recipe: Recipe) -> None:
    target = recipe.target
    assert target is not None
    for name in ("samples", "step", "overshoot"):
        if name in target.model_fields_set:
            raise RecipeError(
                f"target.{name}: a recipe with steps takes more inputs, not more samples; leave it"
                " out"
            )
    if target.per is None or target.per in _own_columns(recipe):
        return
    columns = resolve_steps(recipe).columns[step_names(recipe)[-1]]
    if columns is not None and target.per not in columns:
        raise RecipeError(
            f"target.per: rows of the last step have no column {target.per!r}"
            f"{nearest(target.per, sorted(columns))}"
        )


def _own_columns(recipe: Recipe) -> list[str]:
    """Return the columns of the kind of the last step, with those that filtered rows have."""
    return list(candidate_schema(kind_of_recipe(step_recipe(recipe, step_names(recipe)[-1]))).names)


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
    if per is not None and per not in _own_columns(recipe):
        # A column of the inputs: the rows as a further step would read them.
        with TemporaryFolder() as folder:
            for row in step_rows(recipe, step_names(recipe)[-1], "all", Path(folder)):
                value = text_cell(row.values.get(per), "target", per)
                counts[value] += row.numbers["rejected_by"] is None
        return list(counts.values()) or [0]
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
        yield pq.read_table(path, columns=["rejected_by", *([per] if per else [])])


def _stopped(results: dict[str, Any]) -> bool:
    return any(one.generated.stopped for one in results.values())
