"""The columns of the rows of each step, as far as they are known before anything is asked.

They follow from the first rows of the recipe's inputs, the operations and the kinds, so that a
wrong name in the last step is told before the first is paid for.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from synthkd.errors import InputError, RecipeError, UserError, nearest
from synthkd.kinds.base import Kind
from synthkd.kinds.event import EventKind
from synthkd.recipe import Recipe
from synthkd.recipe.steps import INPUTS, OperationPart
from synthkd.stages.components import Components, resolve_components
from synthkd.stages.inputs import InputReader
from synthkd.stages.plan import check_template
from synthkd.steps.outputs import NUMBERS
from synthkd.steps.recipes import step_inputs, step_names, step_recipe

#: Rows of the recipe's inputs whose columns are looked at.
_FIRST_ROWS = 1_000
#: Columns by name; None if they are not known, so that nothing is refused.
Columns = frozenset[str] | None


@dataclass(frozen=True)
class ResolvedSteps:
    """Facts about all steps that are known before anything is asked.

    Attributes:
        components: The components of each step.
        columns: The columns of the rows of each step, and under `inputs` those of the recipe's.
    """

    components: dict[str, Components]
    columns: dict[str, Columns]


def resolve_steps(recipe: Recipe) -> ResolvedSteps:
    """Resolve all steps, and check the columns and templates of each.

    Raises:
        UserError: A step that names a column, or whose template a variable, that its rows do not
            have, or that cannot be resolved; with the step and the operation.
    """
    rows: dict[str, Columns] = {INPUTS: _input_columns(recipe)}
    resolved: dict[str, Components] = {}
    for name in step_names(recipe):
        given = _given(recipe, name, rows)
        with step_errors(name):
            components = resolved[name] = resolve_components(step_recipe(recipe, name))
            _check_step(components, given)
            rows[name] = _rows_of(components.kind, given)
    return ResolvedSteps(resolved, rows)


def _given(recipe: Recipe, name: str, rows: dict[str, Columns]) -> Columns:
    """Return the columns of a step's inputs, after its operations."""
    part = step_inputs(recipe, name)
    if part is None:
        return rows[INPUTS]
    given = _shared([rows[source] for source in part.source])
    numbers = frozenset() if part.source == [INPUTS] else frozenset(NUMBERS)
    for number, operation in enumerate(part.apply):
        place = f"steps.{name}.inputs.apply.{number}.{operation.name}"
        given = _after(operation, given, numbers, rows, place)
        numbers = frozenset() if operation.group is not None else numbers
    return given


@contextmanager
def step_errors(name: str) -> Iterator[None]:
    """Name the step in the message of a user's mistake."""
    try:
        yield
    except UserError as error:
        text = str(error)
        if not text.startswith(f"steps.{name}"):
            error.args = (f"steps.{name}: {text}", *error.args[1:])
        raise


def _input_columns(recipe: Recipe) -> Columns:
    rows = islice(InputReader(recipe, EventKind()).limited(), _FIRST_ROWS)
    return frozenset().union(*(map(str, row) for _, row in rows))


def _shared(columns: Iterable[Columns]) -> Columns:
    """Return the columns that rows of all sources have."""
    known = [one for one in columns if one is not None]
    return frozenset.intersection(*known) if known else None


def _rows_of(kind: Kind, given: Columns) -> Columns:
    """Return the columns of a step's rows: those of its inputs, and over these its content."""
    if given is None or type(kind).expand is not Kind.expand:
        return None
    return given | {*kind.columns, *kind.details}


def _after(
    operation: OperationPart,
    given: Columns,
    numbers: frozenset[str],
    rows: dict[str, Columns],
    place: str,
) -> Columns:
    """Return the columns after an operation.

    Raises:
        RecipeError: A column that the operation names is missing.
    """
    if given is None:
        return None
    if operation.where is not None:
        _need(operation.where, given | numbers, place)
        return given
    if (join := operation.join) is not None:
        other = rows[join.step]
        _need(join.by, given | numbers, place)
        if other is not None:
            _need([*join.by, *(join.columns or [])], other, f"{place}: step {join.step!r}")
        if join.rows is not None:
            return given | {join.rows}
        if join.columns is not None:
            return given | {*join.columns}
        return None if other is None else given | other
    if (group := operation.group) is not None:
        _need([*group.by, *group.lists, *group.texts], given | numbers, place)
        return given | {*group.lists, *group.texts, *([group.rows] if group.rows else [])}
    if (cut := operation.cut) is not None:
        _need([cut.column], given | numbers, place)
        return given | {cut.part, *([cut.previous] if cut.previous else [])}
    if operation.distinct is not None:
        _need(operation.distinct, given | numbers, place)
        return given
    if (names := operation.rename) is not None:
        _need(names, given | numbers, place)
        return frozenset(names.get(name, name) for name in given)
    kept = operation.keep or []
    _need(kept, given | numbers, place)
    return frozenset(kept)


def _need(names: Iterable[str], known: frozenset[str], place: str) -> None:
    for name in names:
        if name not in known:
            raise RecipeError(f"{place}: no column {name!r}{nearest(name, sorted(known))}")


def _check_step(components: Components, given: Columns) -> None:
    """Refuse inputs that lack a column of the kind, and templates with unknown variables."""
    kind, prompt = components.kind, components.prompt
    if given is None:
        return
    for name in kind.input_columns:
        if name not in given:
            raise InputError(
                f"no column {name!r} in its rows, which the kind {kind.name!r}"
                f" needs{nearest(name, sorted(given))}; `apply` may rename one"
            )
    if prompt is None or type(kind).expand is not Kind.expand:
        return
    try:
        context = kind.context(dict.fromkeys(given, "word"), [], random.Random(0))  # noqa: S311
    except Exception:  # noqa: BLE001 (of a made-up row; the rows of a run are checked again)
        return
    check_template(prompt, context, given)
