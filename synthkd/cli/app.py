"""The main verbs of `synthkd`, and the groups of all others."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthkd import __version__
from synthkd.cli import (
    batches,
    critic,
    distill,
    diversity,
    export,
    graphs,
    journal,
    label,
    pairs,
    push,
    segment,
    student,
)
from synthkd.cli.options import (
    Accepted,
    AsJson,
    Columns,
    Rejected,
    Where,
    emit,
    row_choice,
)
from synthkd.errors import InputError, RecipeError
from synthkd.reporting.safe_text import clean, clean_lines, json_text

if TYPE_CHECKING:
    from synthkd.cluster import RayEngine
    from synthkd.recipe import Recipe

app = typer.Typer(
    help="Symbolic knowledge distillation: a teacher overgenerates, rules and critics decide, a"
    " Parquet corpus remains.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

RecipePath = Annotated[Path, typer.Argument(help="The recipe, a YAML file.", show_default=False)]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a value of the recipe, such as teacher.sampling.n=5.",
        show_default=False,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        min=1, help="Read only this many input rows, a sample by hash.", show_default=False
    ),
]
Model = Annotated[
    str | None, typer.Option("--teacher", help="Another model for the teacher.", show_default=False)
]
Budget = Annotated[
    float | None,
    typer.Option(
        "--budget",
        min=0.0,
        help="Dollars that the run may cost, over all its resumptions.",
        show_default=False,
    ),
]
MaxTokens = Annotated[
    int | None,
    typer.Option(
        "--max-tokens",
        min=1,
        help="Tokens that may be read and written, over all resumptions.",
        show_default=False,
    ),
]
Grace = Annotated[
    float | None,
    typer.Option(
        "--grace",
        min=0.0,
        help="Seconds that requests in flight are waited for after Ctrl-C, SIGTERM or SIGHUP.",
        show_default="30",
    ),
]
Step = Annotated[
    str | None,
    typer.Option("--step", help="This step alone, of a recipe with steps.", show_default=False),
]
Workers = Annotated[int, typer.Option("--workers", min=1, help="Processes that do the work.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"synthkd {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and stop."
        ),
    ] = False,
) -> None:
    del version


@app.command("init")
def init_command(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.", show_default=False)],
    example: Annotated[
        str | None,
        typer.Option(
            "--example",
            help="everyday, critic, comparatives, messages, pgkd, pgkd-triples, places,"
            " propositions, rationales; or records, which needs a server.",
            show_default="everyday",
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            help="The example of a kind: triple, comparative, labelled_text, proposition,"
            " rationale or record; with --model event, fact or span too.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="A model of your own: a checkpoint folder, a GGUF file, a hub name, or the name of"
            " a served model. Base and small models get a list to continue, others an instruction.",
            show_default="the embedded teacher",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a folder with an example recipe that runs at once, on the embedded teacher.

    With --model, a recipe of the kind for that model.

    Output: the path of the recipe, and the command that runs it; with --json by name.
    """
    from synthkd.commands.init import write_starter
    from synthkd.recipe import Recipe

    recipe = write_starter(folder, example, kind, model)
    verb = "run" if Recipe.load(recipe).loop is None else "distill"
    next_ = f"synthkd {verb} {recipe}"
    emit({"recipe": str(recipe), "next": next_}, f"wrote {recipe}\nnext: {next_}", as_json)


@app.command("run")
def run_command(
    recipe: RecipePath,
    limit: Limit = None,
    teacher: Model = None,
    set_: Set = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Render everything, send nothing, show three prompts.")
    ] = False,
    probe: Annotated[
        int | None,
        typer.Option(
            "--probe",
            min=2,
            help="Send this many requests first, show an estimate for the whole run, and ask.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Go on after --probe without asking.")
    ] = False,
    budget: Budget = None,
    max_tokens: MaxTokens = None,
    grace: Grace = None,
    workers: Workers = 1,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            help="`ray`: generate and filter on the nodes of a Ray cluster that is there.",
            show_default="this machine",
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            help="Address of the cluster (host:port).",
            show_default="RAY_ADDRESS, or the cluster of this machine",
        ),
    ] = None,
    nodes: Annotated[
        int | None,
        typer.Option(
            "--nodes",
            min=1,
            help="Shards that generate at the same time; a run that was begun keeps its number.",
            show_default="one on each node",
        ),
    ] = None,
    shared: Annotated[
        str | None,
        typer.Option(
            "--shared",
            help="Folder that all nodes reach, for what is bought: a path, or an address such as"
            " s3://bucket/folder.",
            show_default="in the folder of the run",
        ),
    ] = None,
    step: Step = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Generate, filter and publish: the whole way from a recipe to a corpus.

    Output: a table of the run: samples, candidates by outcome, votes, critic, cost, corpus
    and journal; with --dry-run what would be sent; with --json the corpus, what was generated and
    all counts.
    """
    from synthkd import pipeline

    if as_json and (dry_run or probe):
        raise RecipeError("--json reports a run; leave --dry-run and --probe out")
    loaded = load_recipe(recipe, limit, teacher, set_, budget, max_tokens, grace)
    if dry_run:
        from synthkd.commands.dry_run import dry_run as dry
        from synthkd.commands.dry_run import dry_run_step, dry_run_steps

        if step is not None:
            typer.echo(str(dry_run_step(loaded, step)))
        else:
            typer.echo(str(dry(loaded) if loaded.steps is None else dry_run_steps(loaded)))
        return
    if probe and step is not None:
        raise RecipeError("--probe runs a sample through all steps; leave --step out")
    if probe and not _probed(loaded, probe, yes):
        return
    cluster = _engine(engine, address, nodes, shared, workers)
    done = pipeline.run(loaded, quiet, workers, step=step, engine=cluster)
    if as_json:
        report = {
            "corpus": str(done.recipe.corpus_path),
            "hash": done.manifest["corpus_hash"],
            "journal": str(done.recipe.journal_path),
            "generated": done.generated.as_dict(),
            "counts": done.counts,
        }
        typer.echo(json_text(report, indent=1))
    else:
        typer.echo(str(done))
    pipeline.check_guarantee(done.manifest.get("critic"), loaded.corpus_path)


def _engine(
    name: str | None, address: str | None, nodes: int | None, shared: str | None, workers: int
) -> RayEngine | None:
    """Return the cluster that the options name; None for this machine."""
    if name is None:
        for option, value in (("--address", address), ("--nodes", nodes), ("--shared", shared)):
            if value is not None:
                raise RecipeError(f"{option} is for a cluster: add --engine ray")
        return None
    if name != "ray":
        raise RecipeError(f"--engine {name}: unknown; `ray` is there, or leave it out")
    if workers > 1:
        raise RecipeError("--workers is for one machine; with --engine ray give --nodes")
    from synthkd.cluster import RayEngine

    return RayEngine(address, nodes, None if shared is None else _absolute(shared))


def _absolute(address: str) -> str:
    return address if "://" in address else str(Path(address).resolve())


def _probed(recipe: Recipe, requests: int, yes: bool) -> bool:
    """Probe a recipe and return True to go on; without a terminal only `--yes` goes on."""
    from synthkd.commands.probe_steps import probe

    estimate: object = probe(recipe, requests)
    if estimate is None and recipe.steps is None:
        typer.echo("nothing to probe: every request of this recipe has its answers in the journal")
        return True
    typer.echo(
        f"nothing was sent: a probe of {requests:,} inputs would be the whole run, as there are no"
        " more of them"
        if estimate is None
        else str(estimate)
    )
    if yes:
        return True
    if not sys.stdin.isatty():
        kept = "" if estimate is None else " after the probe, whose answers are kept"
        typer.echo(f"stopped{kept}; add --yes to go on")
        return False
    return typer.confirm("go on?")


@app.command("generate")
def generate_command(
    recipe: RecipePath,
    limit: Limit = None,
    teacher: Model = None,
    set_: Set = None,
    budget: Budget = None,
    max_tokens: MaxTokens = None,
    grace: Grace = None,
    workers: Workers = 1,
    step: Step = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Ask the teacher for what is not in the journal yet.

    Output: one line with samples in the journal before, completed and failed; with --json the
    counts, tokens and cost.
    """
    from synthkd import pipeline

    loaded = load_recipe(recipe, limit, teacher, set_, budget, max_tokens, grace)
    done = pipeline.generate(loaded, quiet, workers, step)
    if as_json:
        typer.echo(json_text(done.as_dict(), indent=1))
        return
    reasons = ", ".join(f"{clean(name)} {count:,}" for name, count in done.reasons.items())
    typer.echo(
        f"asked {done.asked:,}, in the journal before {done.cached:,},"
        f" completed {done.completed:,}, failed {done.failed:,}"
        + (f" ({reasons})" if reasons else "")
    )
    if done.stopped:
        typer.echo(clean(done.stopped))


@app.command("filter")
def filter_command(
    recipe: RecipePath,
    limit: Limit = None,
    teacher: Model = None,
    set_: Set = None,
    workers: Workers = 1,
    step: Step = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Parse what is in the journal and give every candidate an outcome. Sends nothing.

    Output: one line with candidates that were parsed, malformed, accepted, and rejected by
    each rule; with --json these counts.
    """
    from synthkd import pipeline

    counts = pipeline.filter(
        load_recipe(recipe, limit, teacher, set_), quiet, workers=workers, step=step
    )
    if as_json:
        typer.echo(json_text(counts, indent=1))
        return
    rejected = ", ".join(
        f"{clean(name)} {count:,}" for name, count in counts["rejected"].items() if count
    )
    repaired = f" repaired {counts['repaired']:,}," if counts["repaired"] else ""
    typer.echo(
        f"parsed {counts['candidates']:,}, malformed {counts['malformed']:,},{repaired}"
        f" accepted {counts['accepted']:,}, rejected: {rejected or 'none'}"
    )
    if counts["missing"]:
        typer.echo(
            f"not asked yet: {counts['missing']:,} samples; `synthkd generate` asks for them"
        )


@app.command("publish")
def publish_command(
    recipe: RecipePath,
    limit: Limit = None,
    teacher: Model = None,
    set_: Set = None,
    step: Step = None,
    as_json: AsJson = False,
) -> None:
    """Write the corpus from the filtered candidates. Sends nothing.

    Output: one line with the corpus, its accepted rows and its hash; with --json these and all
    counts.
    """
    from synthkd import pipeline
    from synthkd.steps import step_recipe

    loaded = load_recipe(recipe, limit, teacher, set_)
    manifest = pipeline.publish(loaded, step=step)
    path = loaded.corpus_path if step is None else step_recipe(loaded, step).corpus_path
    emit(
        {"corpus": str(path), "hash": manifest["corpus_hash"], "counts": manifest["counts"]},
        f"{path}: {manifest['counts']['accepted']:,} accepted rows, hash"
        f" {manifest['corpus_hash'][:12]}",
        as_json,
    )
    pipeline.check_guarantee(manifest.get("critic"), path)


@app.command("show")
def show_command(
    path: Annotated[
        Path,
        typer.Argument(
            help="A corpus, the folder of a run or a loop, or a recipe.", show_default=False
        ),
    ],
    candidate: Annotated[
        str | None,
        typer.Argument(
            help="The id of a candidate, or its beginning: shows its whole lineage.",
            show_default=False,
        ),
    ] = None,
    accepted: Accepted = False,
    rejected: Rejected = False,
    where: Where = None,
    columns: Columns = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Rows at most.", show_default="20")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a corpus, a run, or one candidate with its lineage: prompt, completion, outcome.

    With --accepted, --rejected, --where, --columns or --limit: rows of a corpus.

    Output: counts by outcome and the first rows; of a candidate its prompt, completion and
    outcome; with --json the chosen rows as `{"corpus": …, "rows": […]}`.
    """
    from synthkd.commands.show import rows_text, show_candidate, show_path

    if accepted or rejected or where or columns or limit or as_json:
        from synthkd.commands.export import chosen_rows, corpus_at

        if candidate is not None:
            raise InputError(
                "an ID shows one candidate; choose rows without it, or by --where \"id = '…'\""
            )
        corpus = corpus_at(path)
        choice = row_choice(accepted, rejected, where, columns, limit or 20)
        rows = chosen_rows(corpus, choice)
        emit({"corpus": str(corpus.path), "rows": rows}, rows_text(corpus, choice, rows), as_json)
        return
    typer.echo(show_path(path) if candidate is None else show_candidate(path, candidate))


@app.command("describe")
def describe_command(
    group: Annotated[
        str | None,
        typer.Argument(
            help="backends, kinds, rules, votes, critics, students, loop_tasks, templates,"
            " relations or recipe. Default: all."
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(
            help="One of them, with its options; or a path, such as ./rules.py:NoBrands."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Describe plug-ins, templates and relations.

    A single plug-in is described with its options: their types, defaults and meanings.

    Output: names with a line on each; with a name the options; with --json the same as JSON.
    """
    from synthkd.commands.describe import describe as description
    from synthkd.commands.describe import description_text

    members = description(group, name)
    if as_json or group == "recipe":
        typer.echo(json_text(members, indent=1))
    else:
        typer.echo(clean_lines(description_text(members, name)))


def load_recipe(
    path: Path,
    limit: int | None,
    teacher: str | None,
    changes: list[str] | None,
    budget: float | None = None,
    max_tokens: int | None = None,
    grace: float | None = None,
) -> Recipe:
    """Read a recipe with the command line's changes."""
    from synthkd.recipe import Recipe

    changes = list(changes or [])
    options = {
        "inputs.limit": limit, "teacher.model": teacher, "limits.dollars": budget,
        "limits.tokens": max_tokens,
        "limits.grace": grace,
    }  # fmt: skip
    changes += [f"{key}={json.dumps(value)}" for key, value in options.items() if value is not None]
    return Recipe.load(path, changes)


app.command("distill")(distill.distill_command)
app.command("export")(export.export_command)
app.command()(diversity.diversity)
app.command()(segment.segment)
app.command()(pairs.pairs)
app.command()(graphs.graphs)
app.command("push")(push.push_command)
app.add_typer(journal.app, name="journal")
app.add_typer(batches.app, name="batches")
app.add_typer(critic.app, name="critic")
app.add_typer(label.app, name="label")
app.add_typer(student.app, name="student")
