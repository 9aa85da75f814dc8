"""The verbs of `synthkd critic`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthkd.cli.options import Formulas, key_values
from synthkd.reporting.safe_text import clean

if TYPE_CHECKING:
    from synthkd.critics.evaluate import CriticEvaluation
    from synthkd.critics.labels import LabelSheet
    from synthkd.kinds.base import Kind

app = typer.Typer(
    help="Train, evaluate, compare and calibrate critics; score rows with one.",
    no_args_is_help=True,
)

KindName = Annotated[str, typer.Option(help="The kind of knowledge.")]
KindOfCritic = Annotated[
    str | None,
    typer.Option(
        "--kind", help="The kind of knowledge. Default: the critic's.", show_default=False
    ),
]
KindOptions = Annotated[
    list[str] | None,
    key_values("--kind-option", "`relations`, `several` or an option of the kind, as in a recipe's"
        " `kind`. Default: the critic's."),
]  # fmt: skip
Labels = Annotated[
    Path, typer.Argument(help="Label sheet: CSV, JSONL or Parquet.", show_default=False)
]
Folder = Annotated[Path, typer.Argument(help="Folder of a critic.", show_default=False)]
Column = Annotated[str, typer.Option(help="Column of the verdict.")]
TargetPrecision = Annotated[
    float, typer.Option(help="Target precision, above 0 and below 1, to show a threshold for.")
]
CriticOptions = Annotated[
    list[str] | None,
    key_values("--option", "What the critic's folder does not hold: `teacher.…`, `journal` and"
        " `limits.…` of a judge, `encoder`."),
]  # fmt: skip
BaseUrl = Annotated[
    str | None,
    typer.Option(
        help="Server of a judge's model. A critic's folder never names it.", show_default=False
    ),
]
KeyEnv = Annotated[
    str | None,
    typer.Option(
        "--api-key-env", help="Environment variable of the server's key.", show_default=False
    ),
]
JournalFile = Annotated[
    Path | None,
    typer.Option(
        "--journal",
        help="Where a judge's replies are kept. Default: judge.sqlite here.",
        show_default=False,
    ),
]
Encoder = Annotated[
    str | None,
    typer.Option(
        help="Folder or hub name of a frozen encoder that is not beside the critic.",
        show_default=False,
    ),
]
Group = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN|none",
        help="Column whose groups of rows stay on one side of the split and count as clustered;"
        " `none`: each row alone. Default: the kind's own, or the critic's.",
        show_default=False,
    ),
]
Merge = Annotated[
    str, typer.Option(help="How several annotators are merged: `majority` or `dawid-skene`.")
]


@app.command("train")
def critic_train(
    labels: Labels,
    out: Annotated[Path, typer.Argument(help="Folder of the critic.", show_default=False)],
    kind: KindName = "triple",
    kind_option: Annotated[
        list[str] | None,
        key_values(
            "--kind-option",
            "`relations`, `several` or an option of the kind, as in a recipe's `kind`.",
        ),
    ] = None,
    critic: Annotated[
        str, typer.Option(help="Which critic; `synthkd describe` lists them.")
    ] = "linear",
    option: Annotated[
        list[str] | None,
        key_values("--option", "An option of that critic."),
    ] = None,
    label: Column = "label",
    held_out: Annotated[
        float | None,
        typer.Option(help="Share of groups kept for the threshold.", show_default="0.3"),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Train on every row and hold none out: no precision is guaranteed before"
            " `calibrate`.",
        ),
    ] = False,
    precision: TargetPrecision = 0.9,
    merge: Merge = "majority",
    group: Group = None,
    seed: Annotated[int, typer.Option(help="Seed of the split.")] = 0,
) -> None:
    """Train a critic and show what it guarantees.

    Output: the AUC on held-out labels, and the threshold for the target precision.
    """
    from synthkd.critics.train import train_critic
    from synthkd.errors import InputError
    from synthkd.progress import Progress

    given = _options(kind_option or [], "--kind-option")
    made = _kind(kind, given)
    _check_share("--precision", precision)
    if everything and held_out is not None:
        raise InputError(
            f"--all holds no row out, --held-out {held_out:g} some; give one of the two"
        )
    held_out = 0.3 if held_out is None else held_out
    _check_share("--held-out", held_out)
    sheet = _sheet(labels, made, label, 0.0 if everything else held_out, merge, seed, group)
    with Progress(f"train {critic}", quiet=not sys.stderr.isatty()) as progress:
        trained = train_critic(made, sheet, critic, out, _options(option or []), given, progress)
    facts = trained.facts()
    if everything:
        typer.echo(
            f"{out}: trained on all {facts['training_rows']:,} labels; none is left to check a"
            " precision, so none is guaranteed. Label other rows for it: synthkd critic calibrate"
            f" {out} SHEET"
        )
        return
    typer.echo(f"{out}: AUC {facts['auc']:.3f} on {facts['held_out_rows']:,} held-out labels")
    typer.echo(clean(trained.threshold(precision, 0.95).sentence()))


@app.command("negatives")
def critic_negatives(
    positives: Annotated[
        Path, typer.Argument(help="True triples: CSV, JSONL or Parquet.", show_default=False)
    ],
    out: Annotated[Path, typer.Argument(help="The label sheet, a CSV file.", show_default=False)],
    each: Annotated[int, typer.Option(help="Negatives of each true triple.")] = 1,
    hard: Annotated[
        float, typer.Option(help="Share drawn from phrases near to the true one.")
    ] = 0.0,
    known: Annotated[
        Path | None,
        typer.Option(help="More true triples, which are no negatives either.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    formulas: Formulas = False,
) -> None:
    """Make a label sheet from true triples alone: a head, relation or tail of each is replaced.

    Output: one line with the sheet, its true triples and its negatives.
    """
    from synthkd.critics.triples.negatives import write_negatives

    counts = write_negatives(positives, out, each, hard, seed, known, formulas)
    typer.echo(f"{out}: {counts.true:,} true triples and {counts.made:,} made negatives")
    if counts.missing:
        typer.echo(
            f"{counts.missing:,} fewer: what was drawn was known to be true, or drawn already",
            err=True,
        )


@app.command("eval")
def critic_eval(
    critic: Folder,
    labels: Labels,
    kind: KindOfCritic = None,
    kind_option: KindOptions = None,
    label: Column = "label",
    merge: Merge = "majority",
    group: Group = None,
    option: CriticOptions = None,
    base_url: BaseUrl = None,
    api_key_env: KeyEnv = None,
    journal: JournalFile = None,
    encoder: Encoder = None,
) -> None:
    """Evaluate a critic on a label sheet.

    Rows of groups that the critic was trained on are left out.

    Output: a table of figures.
    """
    from synthkd.critics.evaluate import evaluate_critic
    from synthkd.critics.folder import load_critic

    made = _kind_of(critic, kind, kind_option)
    options = load_options(option, base_url, api_key_env, journal, encoder)
    found = evaluate_critic(
        load_critic(critic, made, options),
        _sheet(labels, made, label, 1.0, merge, 0, _group(critic, group)),
        critic.name,
    )
    _show([found])


@app.command("compare")
def critic_compare(
    labels: Labels,
    critics: Annotated[list[Path], typer.Argument(help="Folders of critics.", show_default=False)],
    kind: KindOfCritic = None,
    kind_option: KindOptions = None,
    label: Column = "label",
    merge: Merge = "majority",
    group: Group = None,
    option: CriticOptions = None,
    base_url: BaseUrl = None,
    api_key_env: KeyEnv = None,
    journal: JournalFile = None,
    encoder: Encoder = None,
) -> None:
    """Compare critics on the same rows: those of groups that none of them was trained on.

    Output: a table with a column for each critic.
    """
    from synthkd.critics.evaluate import compare_critics as compared
    from synthkd.critics.folder import load_critic

    made = _kind_of(critics[0], kind, kind_option)
    options = load_options(option, base_url, api_key_env, journal, encoder)
    loaded = {str(folder): load_critic(folder, made, _taken(folder, options)) for folder in critics}
    _show(compared(loaded, _sheet(labels, made, label, 1.0, merge, 0, group or _group(critics[0]))))


@app.command("calibrate")
def critic_calibrate(
    critic: Folder,
    labels: Labels,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the result. Default: the critic's own.", show_default=False),
    ] = None,
    kind: KindOfCritic = None,
    kind_option: KindOptions = None,
    label: Column = "label",
    precision: TargetPrecision = 0.9,
    merge: Merge = "majority",
    group: Group = None,
    option: CriticOptions = None,
    base_url: BaseUrl = None,
    api_key_env: KeyEnv = None,
    journal: JournalFile = None,
    encoder: Encoder = None,
) -> None:
    """Calibrate a critic on other labelled rows, without training.

    Rows of groups that it was trained on are left out.

    Output: one line on the calibration rows, and the threshold for the target precision.
    """
    from synthkd.critics.evaluate import recalibrate
    from synthkd.critics.folder import load_critic, save_critic

    made = _kind_of(critic, kind, kind_option)
    _check_share("--precision", precision)
    sheet = _sheet(labels, made, label, 1.0, merge, 0, _group(critic, group))
    options = load_options(option, base_url, api_key_env, journal, encoder)
    done = recalibrate(load_critic(critic, made, options), sheet)
    save_critic(done, out or critic)
    if left := sheet.rows.num_rows - done.held_out.num_rows:
        typer.echo(f"left out, of groups that the critic was trained on: {left:,} rows", err=True)
    typer.echo(
        f"{out or critic}: AUC {done.curve.auc:.3f} on {done.held_out.num_rows:,} calibration rows"
    )
    typer.echo(clean(done.threshold(precision, 0.95).sentence()))


@app.command("score")
def critic_score(
    critic: Folder,
    rows: Annotated[
        Path,
        typer.Argument(
            help="Rows with the kind's columns: CSV, JSONL, Parquet or a corpus.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Argument(help="A Parquet file: the rows and their `score`.", show_default=False)
    ],
    kind: KindOfCritic = None,
    kind_option: KindOptions = None,
    option: CriticOptions = None,
    base_url: BaseUrl = None,
    api_key_env: KeyEnv = None,
    journal: JournalFile = None,
    encoder: Encoder = None,
) -> None:
    """Give each row a probability of being valid.

    After an interruption, the same command goes on.

    Output: one line with the number of rows, and the file.
    """
    from synthkd.critics.score import count_unscored, score_file

    options = load_options(option, base_url, api_key_env, journal, encoder)
    count = score_file(critic, rows, out, _kind_of(critic, kind, kind_option), options=options)
    typer.echo(f"{count:,} rows scored into {out}")
    for why, count in count_unscored(out).items():
        typer.echo(
            f"without a score, {clean(why)}: {count:,} {'row' if count == 1 else 'rows'}", err=True
        )


def load_options(
    option: list[str] | None,
    base_url: str | None = None,
    api_key_env: str | None = None,
    journal: Path | None = None,
    encoder: str | None = None,
) -> dict[str, Any]:
    """Collect the options of a critic's `load`: server, journal, encoder."""
    options = _options(option or [])
    for name, value in (("base_url", base_url), ("api_key_env", api_key_env)):
        if value is not None:
            options.setdefault("teacher", {})[name] = value
    options |= {
        name: str(value)
        for name, value in (("journal", journal), ("encoder", encoder))
        if value is not None
    }
    return options


def _taken(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Select, of the options for several critics, those that this one takes."""
    from synthkd import plugins
    from synthkd.critics.folder import read_facts
    from synthkd.critics.options import OF_MEMBERS

    takes = plugins.find("critics", read_facts(folder).critic).load_options
    return {name: value for name, value in options.items() if name in takes or OF_MEMBERS in takes}


def _group(critic: Path, group: str | None = None) -> str | None:
    """Choose the group column: the given one, or the one that divided the critic's rows."""
    from synthkd.critics.folder import read_facts

    if group is None:
        own = read_facts(critic).read.get("group")
        group = own if isinstance(own, str) else None
    return group


def _kind(name: str, options: Mapping[str, Any]) -> Kind:
    """Make a kind from options of the command line.

    `relations` and `several` are keys of the recipe's `kind`, all others are options of the kind.
    """
    from synthkd import plugins
    from synthkd.errors import InputError, RecipeError, nearest
    from synthkd.kinds.factory import kind_of_part

    known = sorted({*plugins.find("kinds", name).Options.model_fields, "relations", "several"})
    for key in options:
        if key not in known:
            raise InputError(
                f"--kind-option: kind {name!r}: no option {key!r}{nearest(key, known)}"
            )
    own = {key: options[key] for key in ("relations", "several") if key in options}
    others = {key: value for key, value in options.items() if key not in own}
    try:
        return kind_of_part({"name": name, **own, "options": others}, Path())
    except RecipeError as error:
        raise InputError(f"--kind-option: {error}") from None


def _kind_of(critic: Path, name: str | None, options: list[str] | None) -> Kind:
    """Make the kind that a critic was trained for, unless the user names another."""
    from synthkd.critics.folder import read_facts

    given = _options(options or [], "--kind-option")
    if name is not None and not (critic / "facts.json").is_file():
        return _kind(name, given)
    facts = read_facts(critic)
    kept = facts.kind_options if name in (None, facts.kind) else {}
    return _kind(name or facts.kind, {**kept, **given})


def _sheet(
    path: Path,
    kind: Kind,
    label: str,
    held_out: float,
    merge: str = "majority",
    seed: int = 0,
    group: str | None = None,
) -> LabelSheet:
    """Read a label sheet and report the rows that were left out."""
    from synthkd.critics.labels import read_labels

    sheet = read_labels(
        path, kind, label=label, held_out=held_out, seed=seed, merge=merge, group=group
    )
    for conflict in sheet.conflicts:
        typer.echo(f"left out, labelled both ways: {clean(conflict)}", err=True)
    for leak in sheet.leaks:
        typer.echo(
            f"left out of training, near-duplicate of a held-out row: {clean(leak)}", err=True
        )
    for count, what in (
        (sheet.unsure, "left out, unsure or tied"),
        (sheet.unlabelled, "without a verdict yet"),
        (sheet.unweighed, "left out, of unknown weight in a group with held-out rows"),
        (sheet.repeated, "given more than once by one annotator, joined"),
    ):
        if count:
            typer.echo(f"{what}: {count:,} rows", err=True)
    if sheet.agreement is not None:
        typer.echo(
            f"{len(sheet.annotators)} annotators, Krippendorff's alpha {sheet.agreement:.3f}",
            err=True,
        )
    return sheet


def _check_share(name: str, value: float) -> None:
    from synthkd.errors import InputError

    if not 0 < value < 1:
        raise InputError(f"{name} is {value:g}; it must lie between 0 and 1")


def _options(changes: list[str], name: str = "--option") -> dict[str, Any]:
    from synthkd.errors import RecipeError
    from synthkd.recipe.explain import override

    options: dict[str, Any] = {}
    for change in changes:
        try:
            override(options, change)
        except RecipeError as error:
            # The recipe's own option of the program is another one.
            raise RecipeError(str(error).replace("--set", name, 1)) from None
    return options


def _show(found: list[CriticEvaluation]) -> None:
    """Print a table with a column for each critic and a line for each figure."""
    from synthkd.reporting.tables import text_table

    figures = [evaluation.figures() for evaluation in found]
    lines = [["", *(evaluation.name for evaluation in found)]]
    lines += [[name, *(_cell(each[name]) for each in figures)] for name in figures[0]]
    typer.echo(text_table(lines, left=len(found) + 1))


def _cell(value: Any) -> str:
    if value is None:
        return "cannot be reached"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
