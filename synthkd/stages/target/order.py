"""The order in which a target asks for samples, and the samples that were selected so far.

The unit is a step of samples of one input. Within each value of ``target.per`` all inputs have
their first step before one has its second, in the order of a hash of their ids, so that a sorted
file does no harm:

    input c, step 1 │ input a, step 1 │ input b, step 1 │ input c, step 2 │ …

A selection is a number of units of each value, so it grows by its end alone, and the requests of a
plain run are the units up to ``sampling.n`` samples of every input.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from synthkd.errors import RecipeError, nearest
from synthkd.filters.stopping import lengths
from synthkd.keys import fraction
from synthkd.stages.inputs import Row

if TYPE_CHECKING:
    import numpy as np

    from synthkd.recipe import TargetPart
    from synthkd.stages.components import Components
    from synthkd.stages.inputs import InputReader

#: Samples of an input at most, as a multiple of `sampling.n`.
_BEYOND = 4
#: The one value of a target without `per`.
ALL = ""


def check_row_target(components: Components, row: Row) -> None:
    """Refuse a target that cannot be asked for.

    Args:
        components: The recipe's components.
        row: Its first input.

    Raises:
        RecipeError: A column that no input has, or numbers of samples that exclude each other.
    """
    part = components.recipe.target
    if part is None:
        return
    if part.per is not None and part.per not in row:
        raise RecipeError(
            f"target.per: no input has the column {part.per!r}{nearest(part.per, list(row))}; rows"
            " are asked for per value of a column of the inputs"
        )
    n = components.sampling.n
    if part.samples is not None and part.samples < n:
        raise RecipeError(
            f"target.samples: {part.samples} samples of an input are fewer than the {n} of a plain"
            " run (teacher.sampling.n); lower that"
        )
    if part.step is not None and part.step > n:
        raise RecipeError(
            f"target.step: {part.step} samples together are more than the {n} of a plain run"
            " (teacher.sampling.n)"
        )
    first = sample_lengths(part, components)[0]
    if part.at_most.completions is not None and part.at_most.completions < first:
        raise RecipeError(
            f"target.at_most.completions: {part.at_most.completions} do not suffice for the {first}"
            " samples of one input that are asked for together (target.step)"
        )
    votes = components.recipe.votes
    if votes is not None and votes.adaptive is not None:
        if part.step not in (None, n):
            raise RecipeError(
                "target.step: with votes.adaptive a question is asked as far as its vote needs;"
                " leave target.step out"
            )
        if part.samples not in (None, n):
            raise RecipeError(
                "target.samples: with votes.adaptive teacher.sampling.n is the most of a question;"
                " leave target.samples out"
            )


def sample_lengths(part: TargetPart, components: Components) -> tuple[int, ...]:
    """Return the number of samples of an input after each of its steps."""
    n, votes = components.sampling.n, components.recipe.votes
    step = part.step or (1 if votes is None else n)
    return tuple(lengths(step, step, n) + lengths(n, step, _most(part, components))[1:])


def _most(part: TargetPart, components: Components) -> int:
    """Return the number of samples that an input may have."""
    n, votes = components.sampling.n, components.recipe.votes
    is_settled = votes is not None and votes.adaptive is not None
    says_nothing_new = components.sampling.temperature == 0 or not components.teacher.draws_anew
    return part.samples or (n if is_settled or says_nothing_new else _BEYOND * n)


def value_of(row: Mapping[str, Any], per: str | None) -> str:
    """Return the value of ``target.per`` that an input or a candidate belongs to."""
    if per is None:
        return ALL
    value = row.get(per)
    return "" if value is None else str(value)


@dataclass(frozen=True)
class SampleSelection:
    """The samples that are asked for so far.

    Attributes:
        per: The column whose values are asked for apart.
        lengths: Samples of an input after each of its steps.
        cuts: For each value the steps that all of its inputs have, and the place in the order below
            which inputs have one more.
    """

    per: str | None
    lengths: tuple[int, ...]
    cuts: Mapping[str, tuple[int, float]]

    def samples(self, input_id: str, row: Row) -> int:
        """Return how many samples of an input are selected."""
        steps, below = self.cuts.get(value_of(row, self.per), (0, 0.0))
        steps += order_place(input_id) < below
        return self.lengths[steps - 1] if steps else 0

    def as_dict(self) -> dict[str, Any]:
        """Return the selection as JSON holds it."""
        return {"per": self.per, "lengths": self.lengths, "cuts": dict(self.cuts)}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> SampleSelection:
        """Read what `as_dict` gave."""
        cuts = {value: (int(cut[0]), float(cut[1])) for value, cut in record["cuts"].items()}
        return cls(record["per"], tuple(record["lengths"]), cuts)


def order_place(input_id: str) -> float:
    """Return the place of an input in the order of its value, in [0, 1)."""
    return fraction(f"target|{input_id}")


@dataclass(frozen=True, eq=False)
class UnitOrder:
    """The units of all inputs, by value of ``target.per``.

    Attributes:
        plain: Steps of an input in a plain run.
        places: For each value the places of its inputs in the order, ascending.
        values: The value of each input's id; empty unless asked for.
    """

    per: str | None
    lengths: tuple[int, ...]
    plain: int
    places: Mapping[str, np.ndarray[Any, np.dtype[np.float64]]]
    values: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, part: TargetPart, components: Components, inputs: InputReader, ids: bool = False
    ) -> UnitOrder:
        """Read the inputs and put their units in order; ``ids`` keeps the value of each id."""
        # Imported here: a run without a target does without.
        import numpy as np

        places: defaultdict[str, list[float]] = defaultdict(list)
        values: dict[str, str] = {}
        for one in inputs.distinct():
            value = value_of(one.row, part.per)
            places[value].append(order_place(one.input_id))
            if ids:
                values[one.input_id] = value
        steps = sample_lengths(part, components)
        return cls(
            part.per,
            steps,
            steps.index(components.sampling.n) + 1,
            {value: np.sort(np.array(places[value])) for value in sorted(places)},
            values,
        )

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The number of inputs of each value."""
        return {value: len(places) for value, places in self.places.items()}

    def units(self, value: str) -> int:
        """Return the number of all units of a value."""
        return self.sizes[value] * len(self.lengths)

    def samples(self, value: str, units: int) -> int:
        """Return the number of samples in the first units of a value."""
        steps, more = divmod(units, self.sizes[value])
        whole = self.lengths[steps - 1] if steps else 0
        return whole * self.sizes[value] + (more and more * (self.lengths[steps] - whole))

    def units_within(self, value: str, begin: int, samples: int) -> int:
        """Return how many units from ``begin`` on hold no more than so many samples."""
        low, high = begin, self.units(value)
        most = self.samples(value, begin) + samples
        while low < high:
            middle = (low + high + 1) // 2
            if self.samples(value, middle) <= most:
                low = middle
            else:
                high = middle - 1
        return low - begin

    def selection(self, units: Mapping[str, int]) -> SampleSelection:
        """Return the samples of the first units of each value."""
        cuts = {}
        for value, count in units.items():
            steps, more = divmod(count, self.sizes[value])
            cuts[value] = (steps, float(self.places[value][more]) if more else 0.0)
        return SampleSelection(self.per, self.lengths, cuts)
