"""A dry run: render everything, send nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd.commands.reach import Reach, reach_of
from synthkd.errors import InputError, NoRowsError
from synthkd.journal import Journal
from synthkd.prices import max_dollars
from synthkd.recipe import InputsPart, PricePart, Recipe, RuleChoice
from synthkd.recipe.steps import INPUTS
from synthkd.reporting.safe_text import clean, clean_lines, html_text
from synthkd.rows import RowSource
from synthkd.stages.adaptive import adaptive_sampling
from synthkd.stages.given import AnyRecipe, given_recipe, rows_written
from synthkd.stages.inputs import InputCounts
from synthkd.stages.plan import plan_run
from synthkd.stages.target.rounds import TargetRounds
from synthkd.stages.target.run import target_rounds
from synthkd.steps import step_names, step_recipe
from synthkd.steps.columns import resolve_steps
from synthkd.steps.inputs import write_step_inputs
from synthkd.steps.recipes import step_sources
from synthkd.storage import TemporaryFolder

if TYPE_CHECKING:
    from synthkd.critics.of_rows import Critic

#: Characters of a token, about: only for the estimate below.
_CHARACTERS = 3.6


@dataclass(frozen=True, repr=False)
class DryRun:
    """Prompts and estimates of a run that sends nothing.

    Attributes:
        prompts: Some whole prompts.
        tokens: Tokens that would be read, estimated.
        written: Tokens that would be written at most.
        cost: Dollars for both; None without prices.
    """

    inputs: int
    repeated: int
    requests: int
    samples: int
    cached: int
    tokens: int
    written: int
    cost: float | None
    prompts: list[str]
    warnings: list[str]
    #: What the recipe would use beyond its folder.
    reach: Reach = field(default_factory=Reach)
    #: Whether questions may be decided before all of that was asked for.
    in_rounds: bool = False
    #: What a target would ask for; empty without one.
    target: str = ""

    def __str__(self) -> str:
        return f"{self.reach}\n{self.text}\n{_NOTHING_SENT}"

    def __repr__(self) -> str:
        return (
            f"<DryRun: {self.inputs:,} inputs, {self.samples - self.cached:,} samples to ask for,"
            f" about {self.tokens:,} prompt tokens>"
        )

    def _repr_html_(self) -> str:
        return f"<pre>{html_text(str(self))}</pre>"

    @property
    def text(self) -> str:
        """The prompts and the estimates."""
        shown = "\n".join(
            f"--- prompt {i} ---\n{_shown(text)}" for i, text in enumerate(self.prompts, 1)
        )
        cost = "" if self.cost is None else f", ${self.cost:,.4f} if all of them are"
        return "\n".join(
            [
                f"{shown}\n---",
                f"{self.inputs:,} inputs ({self.repeated:,} repeated rows), {self.samples:,}"
                f" samples wanted, {self.cached:,} in the journal",
                f"{'at most ' * self.in_rounds}{self.samples - self.cached:,} samples would be"
                f" asked for in {self.requests:,} requests: about {self.tokens:,} prompt tokens (at"
                f" {_CHARACTERS} characters each), at most {self.written:,} to be written{cost}",
                *([self.target] if self.target else []),
                *map(clean, self.warnings),
            ]
        )


_NOTHING_SENT = "nothing was sent; `--probe 20` asks a few and gives an interval for the whole"


@dataclass(frozen=True, repr=False)
class StepsDryRun:
    """Prompts and estimates of each step whose inputs are known.

    Attributes:
        steps: The dry run of each step by name; None if the rows that it reads are not there yet.
        reach: What the recipe would use beyond its folder.
        empty: For each step of which no row is left, why.
    """

    steps: dict[str, DryRun | None]
    reach: Reach
    empty: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [
            f"step {name}\n{self._unknown(name) if one is None else one.text}"
            for name, one in self.steps.items()
        ]
        return "\n".join([str(self.reach), *parts, _NOTHING_SENT])

    def __repr__(self) -> str:
        return f"<StepsDryRun: {', '.join(self.steps)}>"

    def _repr_html_(self) -> str:
        return f"<pre>{html_text(str(self))}</pre>"

    def _unknown(self, name: str) -> str:
        return clean(self.empty.get(name, "its rows come of earlier steps"))


def dry_run_steps(recipe: Recipe, shown: int = 1) -> StepsDryRun:
    """Render the prompts of each step whose inputs are known, and count what would be sent."""
    resolve_steps(recipe)
    steps: dict[str, DryRun | None] = {}
    empty: dict[str, str] = {}
    for name in step_names(recipe):
        try:
            steps[name] = _dry_run_of(recipe, name, shown)
        except NoRowsError as error:
            steps[name], empty[name] = None, str(error)
    return StepsDryRun(steps, reach_of(recipe), empty)


def dry_run_step(recipe: Recipe, name: str) -> DryRun:
    """Render the prompts of one step, and count what would be sent.

    Raises:
        RecipeError: The recipe has no such step.
        InputError: The rows of the step are not known.
    """
    resolve_steps(recipe)
    step = _dry_run_of(recipe, name)
    if step is None:
        raise InputError(
            f"step {name!r}: its rows come of earlier steps, which have not been run; run the"
            " recipe without --step"
        )
    return step


def _dry_run_of(recipe: Recipe, name: str, shown: int = 3) -> DryRun | None:
    """Return the dry run of a step; None if its rows are not there yet.

    Raises:
        NoRowsError: The step leaves none of the recipe's own rows.
    """
    own = step_recipe(recipe, name)
    if own.inputs == recipe.inputs:
        return _dry_run(own, shown)
    if step_sources(recipe, name) == [INPUTS]:
        # Rows of the recipe's own inputs can be made at once, whatever an earlier run left.
        with TemporaryFolder() as folder:
            apart = recipe.with_parts(work=folder)
            write_step_inputs(apart, name)
            return _dry_run(own.with_parts(inputs=step_recipe(apart, name).inputs), shown)
    return _dry_run(own, shown) if own.resolve(str(own.inputs.path)).is_file() else None


def _shown(prompt: str) -> str:
    """Indent the lines of a prompt, so that no line can pass for a line of the report."""
    return "  " + clean_lines(prompt, "  ")


def dry_run(
    recipe: AnyRecipe,
    shown: int = 3,
    *,
    inputs: RowSource | None = None,
    teacher: str | Mapping[str, Any] | None = None,
    rules: Sequence[RuleChoice] | None = None,
    critic: Critic | str | Path | Mapping[str, Any] | None = None,
    limit: int | None = None,
    target: int | Mapping[str, Any] | None = None,
) -> DryRun | StepsDryRun:
    """Render every prompt of a recipe and count what would be sent; sends and writes nothing.

    Args:
        recipe: A recipe, its keys as a mapping, or the path of its file.
        shown: Prompts that are shown whole; one of each step, if the recipe has steps.
        inputs: Rows in place of the recipe's, as in `run`.
        teacher: Another model for the teacher, or keys of `teacher` that differ from the recipe's.
        rules: Rules in place of the recipe's, as in `run`.
        critic: A critic in place of the recipe's, as in `run`.
        limit: Inputs that are read: a sample by hash.
        target: Accepted rows that are wanted, as in `run`.

    Raises:
        UserError: The recipe, a template or a row is wrong.

    Example:
        >>> import synthkd
        >>> plan = synthkd.dry_run("recipe.yaml", limit=20)
        >>> plan.inputs, plan.samples
        (20, 200)
        >>> print(plan.prompts[0])
        What ...
    """
    given = given_recipe(
        recipe,
        inputs=inputs,
        teacher=teacher,
        rules=rules,
        critic=critic,
        limit=limit,
        target=target,
    )
    with rows_written(given, keep=False) as whole:
        if whole.steps is not None:
            return dry_run_steps(whole, min(shown, 1))
        found = _dry_run(whole, shown)
        if given.given_rows is None:
            return found
        # The file of given rows is gone by now, and none of the user's.
        own = given.with_parts(inputs=InputsPart(path=None, count=1))
        return replace(found, reach=reach_of(own))


def _dry_run(recipe: Recipe, shown: int = 3) -> DryRun:
    """Render every prompt of a recipe without steps, or of one step, whose rows are in a file."""
    plan = plan_run(recipe)
    rounds = None if recipe.target is None else target_rounds(plan)
    selection = None
    if rounds is not None:
        # A dry run leaves no file.
        rounds.keeps = False
        selection = rounds.begin()
    counts = InputCounts()
    without_examples: Counter[str] = Counter()
    prompts: list[str] = []
    requests = samples = cached = characters = written = 0
    journal = Journal(recipe.journal_path, read_only=True) if recipe.journal_path.exists() else None
    try:
        adaptive = adaptive_sampling(plan.requests, journal) if journal else None
        for whole in plan.batches(counts):
            batch = adaptive.at_most(whole) if adaptive else whole
            ids = [one.request.request_id for one in batch]
            indexes = journal.cached_indexes(ids) if journal else {}
            for one, name in zip(batch, ids, strict=True):
                if (value := plan.requests.missing_examples(one.row)) is not None:
                    without_examples[value] += 1
                if selection is not None:
                    one = one.with_samples(selection.samples(one.input_id, one.row))
                wanted = len(one.request.sample_indexes)
                here = len(indexes.get(name, set()).intersection(one.request.sample_indexes))
                samples += wanted
                cached += here
                if here < wanted:
                    requests += 1
                    characters += len(one.request.prompt)
                    written += (wanted - here) * one.request.sampling.max_tokens
                if len(prompts) < shown:
                    prompts.append(one.request.prompt)
    finally:
        if journal:
            journal.close()
    tokens = round(characters / _CHARACTERS)
    price = plan.components.teacher.price
    # A model on this machine costs nothing, and a price of zero says nothing.
    cost = None if price is None or price == PricePart() else max_dollars(price, tokens, written)
    return DryRun(
        counts.distinct,
        counts.repeated,
        requests,
        samples,
        cached,
        tokens,
        written,
        cost,
        prompts,
        plan.requests.warnings(without_examples),
        reach_of(recipe),
        recipe.votes is not None and recipe.votes.adaptive is not None,
        "" if rounds is None else _target(rounds),
    )


def _target(rounds: TargetRounds) -> str:
    """Describe how many completions a target would ask for."""
    part, values = rounds.part, len(rounds.order.sizes)
    per = "" if part.per is None else f" per {part.per} ({values:,} values)"
    expected, done = rounds.expected_samples(), len(rounds.rounds)
    if expected is None:
        says = (
            f"{rounds.pending:,} completions in the first round; how many are needed depends on the"
            " yield, which --probe measures"
        )
    else:
        says = f"about {min(expected, rounds.most):,} completions by the {done:,} rounds so far"
    return clean(f"target: {part.accepted:,} accepted rows{per}: {says}; at most {rounds.most:,}")
