"""`probe`, and the probe of a recipe with steps: a sample of its inputs run through all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synthkd import pipeline
from synthkd.commands.probe import (
    RESAMPLES,
    Interval,
    Probe,
    figures_of_requests,
    interval_of,
    probe_requests,
)
from synthkd.errors import InputError, NoRowsError, NothingBoughtError
from synthkd.journal import Journal
from synthkd.kinds.event import EventKind
from synthkd.recipe import Recipe, RuleChoice
from synthkd.reporting.safe_text import html_text
from synthkd.reporting.tables import text_table
from synthkd.rows import RowSource
from synthkd.stages.given import AnyRecipe, given_recipe, rows_written
from synthkd.stages.inputs import InputReader
from synthkd.stages.places import FILTERED_ROWS
from synthkd.stages.plan import plan_run
from synthkd.steps import step_names, step_recipe
from synthkd.steps.lineage import input_shares
from synthkd.storage import TemporaryFolder

if TYPE_CHECKING:
    from synthkd.critics.of_rows import Critic


def probe(
    recipe: AnyRecipe,
    requests: int = 20,
    seed: int = 0,
    *,
    inputs: RowSource | None = None,
    teacher: str | Mapping[str, Any] | None = None,
    rules: Sequence[RuleChoice] | None = None,
    critic: Critic | str | Path | Mapping[str, Any] | None = None,
    budget: float | None = None,
    limit: int | None = None,
    target: int | Mapping[str, Any] | None = None,
) -> Probe | StepsProbe | None:
    """Send a few real requests and project cost, time and accepted rows of the whole run.

    The answers stay in the journal and are not asked for again.

    Args:
        recipe: A recipe, its keys as a mapping, or the path of its file.
        requests: Requests that are sent; of a recipe with steps, inputs that run through them.
        seed: Seed of the intervals.
        inputs: Rows in place of the recipe's, as in `run`.
        teacher: Another model for the teacher, or keys of `teacher` that differ from the recipe's.
        rules: Rules in place of the recipe's, as in `run`.
        critic: A critic in place of the recipe's, as in `run`.
        budget: Dollars that the run may cost, over all its resumptions.
        limit: Inputs that are read: a sample by hash.
        target: Accepted rows that are wanted, as in `run`.

    Returns:
        The estimate with 95 % intervals; None if no request is open, or the probe would be all.

    Example:
        >>> import synthkd
        >>> estimate = synthkd.probe("recipe.yaml", requests=5, limit=50)
        >>> estimate.requests, estimate.sent
        (50, 5)
        >>> print(estimate)
        estimate for the whole run (95% intervals)
        ...
    """
    given = given_recipe(
        recipe,
        inputs=inputs,
        teacher=teacher,
        rules=rules,
        critic=critic,
        budget=budget,
        limit=limit,
        target=target,
    )
    if requests < 2:
        raise InputError(f"probe: {requests} requests give no interval; send 2 or more")
    with rows_written(given) as whole:
        if whole.steps is None:
            return probe_requests(whole, requests, seed)
        return probe_steps(whole, requests, seed)


@dataclass(frozen=True, repr=False)
class StepsProbe:
    """An estimate for all steps, from a sample of the recipe's inputs run through all of them.

    Attributes:
        inputs: The recipe's inputs.
        probed: Those of them that were run.
        steps: For each step, estimates of samples, tokens, dollars (None without prices) and
            accepted rows.
    """

    inputs: int
    probed: int
    steps: dict[str, dict[str, Interval | None]]

    def __repr__(self) -> str:
        return f"<StepsProbe: {self.probed:,} of {self.inputs:,} inputs, {', '.join(self.steps)}>"

    def _repr_html_(self) -> str:
        return f"<pre>{html_text(str(self))}</pre>"

    def __str__(self) -> str:
        lines: list[tuple[str, ...]] = [("step", "samples", "tokens", "cost", "accepted rows")]
        for name, figures in self.steps.items():
            cost = figures["cost"]
            lines.append(
                (
                    name,
                    *(_text(figures[key], "{:,.0f}") for key in ("samples", "tokens")),
                    "unknown" if cost is None else cost.text("${:,.4f}"),
                    _text(figures["accepted"], "{:,.0f}"),
                )
            )
        return (
            f"estimate for {self.inputs:,} inputs (95% intervals), from {self.probed:,} of them"
            f" through all steps\n{text_table(lines)}"
        )


def _text(figure: Interval | None, form: str) -> str:
    return "unknown" if figure is None else figure.text(form)


def probe_steps(recipe: Recipe, inputs: int, seed: int = 0) -> StepsProbe | None:
    """Run a sample of the inputs through all steps, and project the whole of each.

    The answers stay in the journal. A step that brings rows of many inputs together is projected
    as if each input gave its share.

    Args:
        recipe: A recipe with steps.
        inputs: Inputs of the sample.
        seed: Seed of the intervals.

    Returns:
        The estimate; None if the sample would be everything.

    Raises:
        NoRowsError: A step had nothing to ask about.
        NothingBoughtError: A limit of the recipe was reached before the last step.
    """
    whole = InputReader(recipe, EventKind()).count_raw()
    if whole <= inputs:
        return None
    with TemporaryFolder() as folder:
        sample = recipe.with_parts(
            inputs=recipe.inputs.model_copy(update={"limit": inputs}),
            work=f"{folder}/run",
            corpus=recipe.corpus.model_copy(update={"path": f"{folder}/corpus"}),
        )
        # The folders of the sample are gone when a message is read.
        try:
            left = pipeline.run(sample, quiet=True, measure=False).steps_left
        except NoRowsError as error:
            problem = str(error).partition(";")[0]
            raise NoRowsError(
                f"the probe of {inputs:,} inputs has no estimate: {problem}; probe more of them"
                " (the answers are kept)"
            ) from None
        if left:
            raise NothingBoughtError(
                f"{recipe.name}: a limit was reached before the step {left[0]!r}, so that nothing"
                " can be estimated; raise it, or probe fewer inputs (the answers are kept)"
            )
        shares = input_shares(sample)
        steps = {
            name: _step_projected(sample, name, shares[name], whole, inputs, seed)
            for name in step_names(sample)
        }
    return StepsProbe(whole, inputs, steps)


def _step_projected(
    recipe: Recipe,
    name: str,
    shares: Mapping[str, Mapping[str, float]],
    whole: int,
    probed: int,
    seed: int,
) -> dict[str, Interval | None]:
    """Project the figures of a step: each request's are divided among the inputs behind it."""
    own = step_recipe(recipe, name)
    plan = plan_run(own)
    totals: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    is_priced = True
    with Journal(own.journal_path, read_only=True) as journal:
        rows = figures_of_requests(plan, journal, own.work_dir / FILTERED_ROWS)
        ids = [one.input_id for batch in plan.batches() for one in batch]
    for input_id, row in zip(ids, rows, strict=True):
        is_priced = is_priced and (row["cost"] is not None or not row["written"])
        row["samples"] = plan.components.sampling.n
        row["tokens"] = row["read"] + row["written"]
        for root, share in shares[input_id].items():
            for key in ("samples", "tokens", "cost", "accepted"):
                totals[root][key] += share * (row[key] or 0)
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, probed, (RESAMPLES, probed))
    # Inputs of which no row came so far count with nothing.
    each = [*totals.values(), *({} for _ in range(probed - len(totals)))]

    def figure(key: str) -> Interval:
        return interval_of(np.array([one.get(key, 0.0) for one in each], float), draws, whole)

    figures: dict[str, Interval | None] = {
        key: figure(key) for key in ("samples", "tokens", "accepted")
    }
    return {**figures, "cost": figure("cost") if is_priced and figure("cost").middle else None}
