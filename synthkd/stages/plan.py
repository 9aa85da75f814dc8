"""The plan of a run: components, inputs and requests, checked before anything is sent."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from synthkd.corpora.schema import candidate_schema, input_columns
from synthkd.errors import PromptError, RecipeError, nearest
from synthkd.filters.ballot import Ballot
from synthkd.kinds.base import Kind, Row
from synthkd.prompts import Prompt, lint
from synthkd.recipe import Recipe
from synthkd.stages.adaptive import check_adaptive
from synthkd.stages.components import Components, resolve_components
from synthkd.stages.input_requests import InputRequest, RequestBuilder
from synthkd.stages.inputs import InputCounts, InputReader
from synthkd.stages.target.order import SampleSelection, check_row_target

#: Inputs that are rendered before the first request is sent, so that a mistake in one costs
#: nothing.
RENDERED_AHEAD = 2048

#: Requests by number of the row and id of the input.
RenderedRequests = dict[tuple[int, str], InputRequest]


@dataclass(frozen=True)
class Preview:
    """The first requests, and warnings, before anything is sent.

    Attributes:
        rendered: Requests of the first inputs; `RunPlan.batches` takes them from here.
        inputs: Distinct inputs; None if not all were read.
        warnings: What should be known before anything is sent, a line for each.
    """

    rendered: RenderedRequests
    inputs: int | None
    warnings: list[str]


@dataclass(frozen=True, eq=False)
class RunPlan:
    """The parts, inputs and requests of a run, made by `plan_run`.

    Attributes:
        selection: The samples that a target has selected so far; None for all of the recipe's n.
    """

    components: Components
    inputs: InputReader
    requests: RequestBuilder
    selection: SampleSelection | None = None

    @property
    def recipe(self) -> Recipe:
        """The recipe that is run."""
        return self.components.recipe

    @property
    def kind(self) -> Kind:
        """The kind of the recipe."""
        return self.components.kind

    def restricted_to(self, input_ids: Collection[str]) -> RunPlan:
        """Return a plan for these inputs alone."""
        return replace(self, inputs=replace(self.inputs, only=frozenset(input_ids)))

    def selecting(self, selection: SampleSelection) -> RunPlan:
        """Return a plan for these samples alone."""
        return replace(self, selection=selection)

    def selection_message(self) -> dict[str, Any]:
        """Return the selection as a worker process reads it with `selected_by`."""
        return {"selection": self.selection and self.selection.as_dict()}

    def selected_by(self, message: Mapping[str, Any]) -> RunPlan:
        """Return a plan for the samples that a `selection_message` holds."""
        record = message.get("selection")
        return self if record is None else self.selecting(SampleSelection.of(record))

    def batches(
        self,
        counts: InputCounts | None = None,
        size: int = 1024,
        shard: tuple[int, int] = (0, 1),
        rendered: RenderedRequests | None = None,
    ) -> Iterator[list[InputRequest]]:
        """Yield the requests of distinct inputs, in the order of the file.

        Inputs of which no sample is selected are left out.

        Args:
            counts: Takes the numbers of inputs as they are read.
            size: Requests of a batch.
            shard: Number of a shard, and of how many; inputs fall to shards by the hash of their
                id.
            rendered: Requests that need not be rendered again; each is removed when it is yielded.
        """
        batch: list[InputRequest] = []
        for input_row in self.inputs.distinct(counts, shard):
            ready = rendered.pop(input_row[:2], None) if rendered else None
            samples = None if self.selection is None else self.selection.samples(*input_row[1:])
            if samples == 0:
                continue
            one = ready or self.requests.build(input_row)
            batch.append(one if samples is None else one.with_samples(samples))
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch

    def preview(self, most: int = RENDERED_AHEAD) -> Preview:
        """Render the first inputs; if inputs have ids of their own, compare all ids.

        Raises:
            UserError: An input that cannot be asked about.
        """
        rendered: RenderedRequests = {}
        without_examples: Counter[str] = Counter()
        counts = InputCounts()
        is_whole = True
        for input_row in self.inputs.distinct(counts):
            if len(rendered) < most:
                rendered[input_row[:2]] = self.requests.build(input_row)
                if (value := self.requests.missing_examples(input_row.row)) is not None:
                    without_examples[value] += 1
            elif self.recipe.inputs.id is None:
                is_whole = False
                break
        warnings = self.requests.warnings(without_examples)
        return Preview(rendered, counts.distinct if is_whole else None, warnings)


def plan_run(recipe: Recipe, identity: str | None = None) -> RunPlan:
    """Resolve a recipe, and check its first input and its template.

    Sends nothing and loads no model.

    Args:
        recipe: What is to be run.
        identity: The teacher's identity, if it is known already.

    Raises:
        UserError: A part of the recipe that cannot be used, or no input.
    """
    components = resolve_components(recipe)
    prompt = components.prompt
    inputs = InputReader(recipe, components.kind, prompt.used_variables if prompt else frozenset())
    row = inputs.first()
    if not recipe.follows_steps:
        if prompt is not None:
            context = components.kind.context(row, [], random.Random(0))  # noqa: S311
            check_template(prompt, context, row)
        _check_source(components, row)
        _check_input_columns(components, row)
    check_adaptive(components, row)
    check_row_target(components, row)
    return RunPlan(components, inputs, RequestBuilder(components, inputs.file, identity))


def _check_source(components: Components, row: Row) -> None:
    """Refuse votes by a source that neither an input nor a candidate names."""
    column = Ballot.of(components.recipe, components.kind).weight.source_column
    if column is None or column in row or column in candidate_schema(components.kind).names:
        return
    raise RecipeError(
        f"votes.by: no input has the column {column!r}{nearest(column, list(map(str, row)))}, which"
        " is to name the source of a row"
    )


def _check_input_columns(components: Components, row: Row) -> None:
    """Refuse columns of the corpus that no input has, or that rows have anyway."""
    own = set(candidate_schema(components.kind).names)
    for name in input_columns(components.kind, components.recipe.corpus):
        if name in own:
            raise RecipeError(
                f"corpus.input_columns: rows of every corpus have a column {name!r}; give that of"
                " the inputs another name by `inputs.rename`"
            )
        if name not in row:
            raise RecipeError(
                f"corpus.input_columns: no input has the column"
                f" {name!r}{nearest(name, list(map(str, row)))}"
            )


def check_template(prompt: Prompt, context: Collection[str], columns: Collection[str]) -> None:
    """Refuse a template with unknown variables, or few-shot rows by a column that no input has.

    Args:
        prompt: The template.
        context: Names that a template sees of an input.
        columns: Columns of the inputs.

    Raises:
        PromptError: What the inputs lack.
    """
    lint(prompt, list(context))
    by = prompt.by
    if by is not None and prompt.shots and prompt.examples and by not in columns:
        raise PromptError(
            f"few-shot examples are drawn by {by!r}, which no input"
            f" has{nearest(by, list(map(str, columns)))};"
            " set `prompt.examples.by` to a column of both"
        )
