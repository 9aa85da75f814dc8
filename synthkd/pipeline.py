"""The pipeline: inputs, prompts, teacher, journal, parse, rules, votes, critic, corpus.

`run` does all of it; `generate`, `filter` and `publish` are its stages. A stage reads what the
stage before it wrote, so each can be run again, and only `generate` calls the teacher.

The functions import what only the later stages need: pyarrow and numpy take as long to load as
`generate` takes for some hundred rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd import plugins
from synthkd.errors import InputError, NothingBoughtError, RecipeError, StorageError, WithdrawnError
from synthkd.journal import Journal
from synthkd.progress import Progress
from synthkd.recipe import Recipe, RuleChoice
from synthkd.recipe.recipe import GIVEN_INPUTS
from synthkd.rows import RowSource
from synthkd.stages.generate import GenerateReport, generate_completions
from synthkd.stages.generate_processes import generate_in_processes
from synthkd.stages.given import AnyRecipe, given_recipe, rows_written
from synthkd.stages.lock import run_lock
from synthkd.stages.places import CLUSTER, FILTERED_ROWS, REPORT, ReportShape, check_places
from synthkd.stages.places import GENERATED as GENERATED
from synthkd.stages.plan import RunPlan, plan_run
from synthkd.stages.run_report import report_html, report_rows, report_text, step_line
from synthkd.storage import is_address, read_json, write_json

if TYPE_CHECKING:
    from synthkd.cluster import RayEngine
    from synthkd.corpora.read import Corpus
    from synthkd.critics.of_rows import Critic
    from synthkd.stages.critic import Decision
    from synthkd.stages.target.run import TargetRun
    from synthkd.steps.run import StepSummary
    from synthkd.steps.target import InputsTarget


@dataclass(frozen=True)
class RunResult:
    """The result of a run.

    Attributes:
        recipe: The recipe that was run.
        generated: What was asked for and bought.
        counts: Samples and candidates by their outcome.
        manifest: The manifest of the corpus.
        steps: The result of each step by name, if the recipe has steps; this one is the last.
        steps_left: Steps that were not run, since a cap ended the one before.
        target: The rounds of a target, if the recipe has steps and one.

    Example:
        >>> import synthkd
        >>> result = synthkd.run("recipe.yaml", limit=20, quiet=True)
        >>> result
        <RunResult everyday: 60 accepted of 199>
        >>> result.counts["accepted"] + sum(result.counts["rejected"].values())
        199
        >>> result.corpus.path.name
        'everyday'
    """

    recipe: Recipe
    generated: GenerateReport
    counts: dict[str, Any]
    manifest: dict[str, Any]
    steps: Mapping[str, RunResult] = field(default_factory=dict)
    steps_left: tuple[str, ...] = ()
    target: InputsTarget | None = None

    @property
    def corpus(self) -> Corpus:
        """The corpus that was written."""
        from synthkd.corpora.read import Corpus

        corpus = Corpus(self.recipe.corpus_path, self._load_critic)
        _ = corpus.manifest
        return corpus

    def _load_critic(self) -> Critic:
        """Load the critic that decided the rows; one that was trained in the run from its folder.

        The corpus of this run alone knows it: a published corpus names no place of a machine.
        """
        from synthkd.critics.folder import load_critic
        from synthkd.critics.of_rows import Critic
        from synthkd.kinds.factory import kind_of_recipe
        from synthkd.stages.critic_options import critic_folder, critic_options

        recipe, part = self.recipe, self.recipe.critic
        assert part is not None
        if part.path is None:
            return Critic(load_critic(recipe.work_dir / "critic", kind_of_recipe(recipe)))
        options = critic_options(recipe)
        folder = critic_folder(recipe)
        return Critic(load_critic(folder, kind_of_recipe(recipe), options, recipe.folder))

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The lines of the final table: what, and how many."""
        rows = report_rows(self.recipe, self.generated, self.counts, self.manifest)
        if not self.steps:
            return rows
        return [
            *(
                (f"step {name}", step_line(one.generated, one.counts))
                for name, one in self.steps.items()
            ),
            *([("target", str(self.target))] if self.target else []),
            *((f"step {name}", "not run: a cap was reached") for name in self.steps_left),
            *((f"  {name}", figure) for name, figure in rows),
        ]

    def __str__(self) -> str:
        return report_text(self.rows)

    def __repr__(self) -> str:
        return (
            f"<RunResult {self.recipe.name}: {self.counts['accepted']:,} accepted of"
            f" {self.counts['candidates']:,}>"
        )

    def _repr_html_(self) -> str:
        from synthkd.corpora.write import PICTURE

        picture = self.recipe.corpus_path / PICTURE
        drawn = picture.read_text("utf-8") if self.steps and picture.is_file() else ""
        return report_html(self.recipe.name, self.rows) + drawn


def run(
    recipe: AnyRecipe,
    quiet: bool = False,
    workers: int = 1,
    measure: bool = True,
    rules: Sequence[RuleChoice] | None = None,
    step: str | None = None,
    engine: RayEngine | None = None,
    *,
    inputs: RowSource | None = None,
    teacher: str | Mapping[str, Any] | None = None,
    critic: Critic | str | Path | Mapping[str, Any] | None = None,
    precision: float | None = None,
    budget: float | None = None,
    limit: int | None = None,
    target: int | Mapping[str, Any] | None = None,
) -> RunResult:
    """Generate, filter and publish; of a recipe with steps, each of them in turn.

    A second run of the same recipe sends nothing and writes the same corpus.

    Args:
        recipe: A recipe, its keys as a mapping, or the path of its file.
        quiet: Show no progress.
        workers: Processes that generate and filter.
        measure: Put the diversity into the manifest; `Corpus.diversity` counts it when it is
            missing.
        rules: Rules in place of the recipe's: names, mappings as in YAML, rule classes or
            functions.
        step: Run this step alone, on what the earlier ones left.
        engine: A cluster that generates and filters in place of this machine.
        inputs: Rows in place of the recipe's: a path, a DataFrame, a table, a data set, a list of
            dicts or another iterable of them.
        teacher: Another model for the teacher, or keys of `teacher` that differ from the recipe's.
        critic: A critic in place of the recipe's: one in memory, its folder, or the keys of
            `critic` in a recipe.
        precision: Target precision of the critic.
        budget: Dollars that the run may cost, over all its resumptions.
        limit: Inputs that are read: a sample by hash, part of every larger one.
        target: Accepted rows that are wanted, or the keys of `target` in a recipe.

    Raises:
        UserError: The recipe, the rows, a rule or the critic is wrong; nothing was sent.
        TeacherError: The teacher cannot be reached, or refuses all requests.
        NotReachableError: The critic cannot keep the target precision; nothing is published.
        Interrupted: Ctrl-C; all paid completions are in the journal, and the same call goes on.

    Example:
        >>> import synthkd
        >>> def no_animals(row):
        ...     return "an animal" if row["relation"] == "IsA" else None
        >>> result = synthkd.run(
        ...     "recipe.yaml",
        ...     inputs=[{"head": "knife", "relation": "IsA"}, {"head": "cup", "relation": "HasA"}],
        ...     rules=["empty", no_animals],
        ...     quiet=True,
        ... )
        >>> result.counts["asked"], result.counts["rejected"]["no_animals"]
        (20, 10)
        >>> print(result)
        asked ...
    """
    given = given_recipe(
        recipe,
        inputs=inputs,
        teacher=teacher,
        rules=rules,
        critic=critic,
        precision=precision,
        budget=budget,
        limit=limit,
        target=target,
    )
    with rows_written(given) as whole:
        return _run(whole, quiet, workers, measure, step, engine)


def _run(
    recipe: Recipe,
    quiet: bool,
    workers: int,
    measure: bool,
    step: str | None,
    engine: RayEngine | None,
) -> RunResult:
    """Run a recipe whose rows are in a file."""
    recipe = _load_recipe(recipe, None, workers if engine is None else 2)
    if engine is not None:
        from synthkd.cluster.supported import check_supported

        check_supported(recipe)
    if recipe.steps is None:
        if step is not None:
            raise RecipeError(f"recipe {recipe.name!r} has no steps, so no step {step!r}")
        return _run_one(recipe, quiet, workers, measure, engine=engine)
    from synthkd.steps.run import run_steps
    from synthkd.steps.target import run_for_target

    def run_one(one: Recipe, decision: Decision, summary: StepSummary | None) -> RunResult:
        return _run_one(one, quiet, workers, measure, decision, summary, engine)

    def run_all(
        whole: Recipe, admit: Callable[[RunPlan], bool] | None = None
    ) -> dict[str, RunResult]:
        results: dict[str, RunResult] = run_steps(whole, run_one, step, admit)
        return results

    target = None
    if recipe.target is not None and step is None:
        results, target = run_for_target(recipe, run_all)
    else:
        results = run_all(recipe)
    left = tuple(name for name in recipe.steps if name not in results) if step is None else ()
    last: RunResult = list(results.values())[-1]
    return replace(last, steps=results, steps_left=left, target=target)


def _run_one(
    recipe: Recipe,
    quiet: bool,
    workers: int,
    measure: bool,
    decision: Decision | None = None,
    summary: StepSummary | None = None,
    engine: RayEngine | None = None,
) -> RunResult:
    """Run a recipe without steps, or one step."""
    from synthkd.stages.critic import decide
    from synthkd.stages.filtered_run import add_to_report

    check_places(recipe)
    plan = plan_run(recipe)
    # A broken critic, or one that cannot reach the target precision, is refused before anything is
    # bought.
    decision = decision or decide(plan.components)
    decision.refuse()
    if engine is not None:
        from synthkd.cluster.run import generate_and_filter

        generated = generate_and_filter(engine, plan, decision, quiet, measure)
        return _published(plan, generated, summary)
    generated = _generate(plan, quiet, workers, decision)
    if generated.stopped and not (generated.cached or generated.completed):
        raise NothingBoughtError(f"{recipe.name}: nothing was bought: {generated.stopped}")
    if recipe.target is None:
        _filter(recipe, quiet, plan, decision, workers, measure)
    elif measure:
        # The last round was filtered before it was known to be the last.
        add_to_report(plan, measure)
    return _published(plan, generated, summary)


def _published(plan: RunPlan, generated: GenerateReport, summary: StepSummary | None) -> RunResult:
    """Publish a run that is filtered, and return its result."""
    recipe = plan.recipe
    manifest = publish(recipe, plan, summary=summary)
    return RunResult(recipe, generated, read_json(recipe.work_dir / REPORT)["counts"], manifest)


def generate(
    recipe: AnyRecipe,
    quiet: bool = False,
    workers: int = 1,
    step: str | None = None,
    *,
    inputs: RowSource | None = None,
    teacher: str | Mapping[str, Any] | None = None,
    budget: float | None = None,
    limit: int | None = None,
) -> GenerateReport:
    """Ask the teacher for the samples that are not in the journal.

    With a target the rows are filtered after each round.

    Args:
        recipe: A recipe, its keys as a mapping, or the path of its file.
        quiet: Show no progress.
        workers: Number of processes.
        step: The step that is asked for, of a recipe with steps.
        inputs: Rows in place of the recipe's, as in `run`.
        teacher: Another model for the teacher, or keys of `teacher` that differ from the recipe's.
        budget: Dollars that the run may cost, over all its resumptions.
        limit: Inputs that are read: a sample by hash.

    Example:
        >>> import synthkd
        >>> report = synthkd.generate("recipe.yaml", quiet=True, limit=5)
        >>> report.asked, report.completed
        (50, 50)
        >>> synthkd.generate("recipe.yaml", quiet=True, limit=5).completed
        0
    """
    given = given_recipe(recipe, inputs=inputs, teacher=teacher, budget=budget, limit=limit)
    with rows_written(given) as whole:
        one = _one_step(_load_recipe(whole, None, workers), step, is_first=True)
        check_places(one)
        return _generate(plan_run(one), quiet, workers)


def filter(
    recipe: AnyRecipe,
    quiet: bool = False,
    plan: RunPlan | None = None,
    decision: Decision | None = None,
    workers: int = 1,
    measure: bool = True,
    step: str | None = None,
    *,
    inputs: RowSource | None = None,
    rules: Sequence[RuleChoice] | None = None,
    critic: Critic | str | Path | Mapping[str, Any] | None = None,
    precision: float | None = None,
    limit: int | None = None,
) -> dict[str, Any]:
    """Parse the completions in the journal and give every candidate an outcome; sends nothing.

    `publish` writes what it leaves as a corpus.

    Args:
        recipe: A recipe, its keys as a mapping, or the path of its file.
        quiet: Show no progress.
        plan: The recipe's plan, if it is made already.
        decision: The recipe's critic with its threshold, if they are known already.
        workers: Number of processes.
        measure: Count the diversity of the rows that each stage leaves.
        step: The step that is filtered, of a recipe with steps.
        inputs: Rows in place of the recipe's, as in `run`.
        rules: Rules in place of the recipe's, as in `run`.
        critic: A critic in place of the recipe's, as in `run`.
        precision: Target precision of the critic.
        limit: Inputs that are read: a sample by hash.

    Returns:
        Samples and candidates by their outcome.

    Raises:
        InputError: There is no journal, or no completion of this recipe in it.
        NotReachableError: The critic cannot reach the target precision.

    Example:
        >>> import synthkd
        >>> report = synthkd.generate("recipe.yaml", quiet=True, limit=20)
        >>> synthkd.filter("recipe.yaml", quiet=True, limit=20)["accepted"]
        60
        >>> synthkd.filter("recipe.yaml", quiet=True, limit=20, precision=0.95)["accepted"]
        39
    """
    given = given_recipe(
        recipe, inputs=inputs, rules=rules, critic=critic, precision=precision, limit=limit
    )
    with rows_written(given) as whole:
        one = _one_step(_load_recipe(whole, None, workers), step)
        return _filter(one, quiet, plan, decision, workers, measure)


def _filter(
    recipe: Recipe,
    quiet: bool,
    plan: RunPlan | None,
    decision: Decision | None,
    workers: int,
    measure: bool,
) -> dict[str, Any]:
    """Filter a recipe without steps, or one step, whose rows are in a file."""
    from synthkd.stages.critic import decide
    from synthkd.stages.filtered_run import add_to_report, filter_run

    plan = plan or plan_run(recipe)
    _take_over(recipe, quiet)
    # Before a critic is trained.
    if not os.path.lexists(recipe.journal_path):
        raise InputError(f"{recipe.journal_path}: no journal here; `synthkd generate` makes one")
    decision = decision or decide(plan.components)
    with Progress("filter", quiet) as progress:
        if recipe.target is None:
            report = filter_run(plan, decision, progress, workers)
            if measure:
                report = add_to_report(plan, measure)
        else:
            from synthkd.stages.target.run import TargetRun

            target = TargetRun(plan, decision, progress, workers, asks=False)
            target.replay()
            report = target.finish(measure)
    decision.refuse()
    counts: dict[str, Any] = report["counts"]
    return counts


def publish(
    recipe: AnyRecipe,
    plan: RunPlan | None = None,
    step: str | None = None,
    summary: StepSummary | None = None,
) -> dict[str, Any]:
    """Write the corpus from the filtered candidates, and return its manifest.

    Args:
        recipe: A recipe, or the path of one.
        plan: The recipe's plan, if it is made already.
        step: The step that is published, of a recipe with steps.
        summary: The steps before this one, for the last of them.

    Raises:
        StorageError: Nothing was filtered yet, or by another recipe.
        NotReachableError: The critic could not reach the target precision.

    Example:
        >>> import synthkd
        >>> recipe = synthkd.Recipe.load("recipe.yaml", ["inputs.limit=20"])
        >>> report = synthkd.generate(recipe, quiet=True)
        >>> counts = synthkd.filter(recipe, quiet=True)
        >>> synthkd.publish(recipe)["counts"]["accepted"]
        60
    """
    from synthkd.corpora.schema import candidate_schema
    from synthkd.corpora.write import write_corpus
    from synthkd.stages.critic import decide
    from synthkd.stages.manifest import make_manifest

    whole = _with_written_rows(Recipe.of(recipe))
    recipe = _one_step(whole, step)
    if whole.steps is not None and step == list(whole.steps)[-1]:
        from synthkd.steps.run import summary_of

        summary = summary_of(whole)
    plan = plan or plan_run(recipe)
    folder = recipe.work_dir / FILTERED_ROWS
    if not (recipe.work_dir / REPORT).exists() or not folder.is_dir():
        raise StorageError(
            f"{recipe.work_dir}: nothing was filtered yet; run `synthkd filter` first"
        )
    report = read_json(recipe.work_dir / REPORT, ReportShape)
    if report["recipe_hash"] != recipe.fingerprint():
        raise StorageError(
            f"{recipe.work_dir}: was filtered by another recipe; run `synthkd filter` again"
        )
    critic = report["critic"]
    if critic and not critic["reachable"] and not critic.get("publish_anyway"):
        decide(plan.components).refuse()
    manifest = make_manifest(
        recipe,
        plan.kind,
        plan.components.prompt,
        plan.requests.identity,
        report["inputs"],
        critic,
        report["counts"],
        report["diversity"],
        report.get("target"),
        None if summary is None else summary.steps,
    )
    manifest = write_corpus(
        recipe.corpus_path,
        folder,
        candidate_schema(plan.kind, recipe.corpus),
        manifest,
        recipe.corpus.rows_per_file,
        None if summary is None else summary.write,
        plan.kind.normalize if recipe.corpus.normal_forms else None,
    )
    if is_address(recipe.corpus.path):
        from synthkd.corpora.addresses import store_corpus

        store_corpus(recipe.corpus_path, recipe.corpus.path)
    return manifest


def _with_written_rows(recipe: Recipe) -> Recipe:
    """Return the recipe that reads the file that `rows_written` made of its rows."""
    if recipe.given_rows is None:
        return recipe
    return recipe.with_inputs(recipe.path_text(recipe.work_dir / GIVEN_INPUTS))


def check_guarantee(critic: dict[str, Any] | None, place: Path) -> None:
    """Raise `WithdrawnError` if a manifest's record of the critic withdraws the guarantee."""
    if critic and critic.get("guarantee") == "withdrawn" and not critic.get("publish_anyway"):
        raise WithdrawnError(f"{place}: {critic['shift']['sentence']}")


def _load_recipe(
    recipe: AnyRecipe, rules: Sequence[RuleChoice] | None = None, workers: int = 1
) -> Recipe:
    recipe = Recipe.of(recipe)
    recipe = recipe if rules is None else recipe.with_rules(rules)
    if workers > 1:
        _check_found_by_workers(recipe, workers)
    return recipe


def _one_step(recipe: Recipe, step: str | None, is_first: bool = False) -> Recipe:
    """Return the recipe of a step; a recipe without steps as it is.

    Args:
        recipe: The whole recipe.
        step: The step.
        is_first: Make the step's inputs of the rows of earlier steps.

    Raises:
        RecipeError: The recipe has steps and none is named, or the other way round.
    """
    if recipe.steps is None:
        if step is not None:
            raise RecipeError(f"recipe {recipe.name!r} has no steps, so no step {step!r}")
        return recipe
    if step is None:
        names = ", ".join(recipe.steps)
        raise RecipeError(
            f"recipe {recipe.name!r} has the steps {names}: name one with --step, or run them all"
            " with `synthkd run`"
        )
    from synthkd.steps.inputs import write_step_inputs
    from synthkd.steps.recipes import step_recipe

    own = step_recipe(recipe, step)
    if is_first:
        write_step_inputs(recipe, step)
    elif own.inputs != recipe.inputs and not own.resolve(str(own.inputs.path)).is_file():
        raise StorageError(
            f"step {step!r} has not been generated; run the recipe without --step, or `synthkd"
            " generate` first"
        )
    return own


def _check_found_by_workers(recipe: Recipe, workers: int) -> None:
    """Refuse plug-ins of the filter that worker processes could not find."""
    named = [("kinds", recipe.kind.name)]
    named += [("rules", rule.name) for rule in recipe.rules or ()]
    if recipe.votes is not None:
        named.append(("votes", recipe.votes.by))
    for group, name in named:
        if plugins.lives_here(group, name):
            word = plugins.GROUPS[group].word
            raise RecipeError(
                f"{word} {name!r} is known in this process alone, and {workers} workers are"
                f" asked for: put the {word} into a module and name it by path (`module:name`), or"
                " take one worker"
            )


def _generate(
    plan: RunPlan, quiet: bool, workers: int = 1, decision: Decision | None = None
) -> GenerateReport:
    recipe = plan.recipe
    _take_over(recipe, quiet)
    with (
        run_lock(recipe.work_dir) as lock,
        Journal(recipe.journal_path) as journal,
        Progress("generate", quiet) as progress,
    ):
        preview = plan.preview()
        for line in preview.warnings:
            progress.say(line)
        target = _target_run(plan, journal, decision, progress, workers)
        if target is not None:
            plan = target.begin()
            progress.expect(target.rounds.pending)
        elif not quiet and (recipe.votes is None or recipe.votes.adaptive is None):
            # Adaptive rounds ask for fewer samples than all.
            inputs = plan.inputs.count() if preview.inputs is None else preview.inputs
            progress.expect(inputs * plan.components.sampling.n)
        with journal.claim(recipe.name, progress.say) as claim:
            if workers > 1:
                locks = (lock, claim.descriptor)
                generated = _generate_in_processes(plan, journal, target, workers, progress, locks)
            else:
                generated = generate_completions(
                    plan,
                    journal,
                    progress,
                    rendered=preview.rendered,
                    next_round=None if target is None else target.next_round,
                )
        if target is not None:
            target.finish(measure=False)
    write_json(recipe.work_dir / GENERATED, generated.as_dict())
    return generated


def _take_over(recipe: Recipe, quiet: bool) -> None:
    """Import what a cluster has bought for this run, so that it is not bought again."""
    if (recipe.work_dir / CLUSTER).is_file():
        from synthkd.cluster.takeover import take_over

        with Progress("import", quiet) as progress:
            take_over(recipe, progress.say)


def _target_run(
    plan: RunPlan, journal: Journal, decision: Decision | None, progress: Progress, workers: int
) -> TargetRun | None:
    """Return the rounds of a recipe with a target; a critic that cannot decide is refused."""
    if plan.recipe.target is None:
        return None
    from synthkd.stages.critic import decide
    from synthkd.stages.target.run import TargetRun

    if decision is None:
        decision = decide(plan.components)
        decision.refuse()
    return TargetRun(plan, decision, progress, workers, journal)


def _generate_in_processes(
    plan: RunPlan,
    journal: Journal,
    target: TargetRun | None,
    workers: int,
    progress: Progress,
    locks: Sequence[int],
) -> GenerateReport:
    """Generate in several processes; with a target in rounds, each with processes of its own."""
    generated = generate_in_processes(workers, plan, journal, progress, locks)
    while target is not None and (selection := target.next_round(generated.stopped)) is not None:
        plan = plan.selecting(selection)
        generated.add_round(
            generate_in_processes(workers, plan, journal, progress, locks, further=True)
        )
    return generated
