"""The verbs of `synthkd critic`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthkd.cli.critic_arguments import (
    BaseUrl,
    Column,
    CriticOptions,
    Encoder,
    Folder,
    Group,
    JournalFile,
    KeyEnv,
    KindName,
    KindOfCritic,
    KindOptions,
    Labels,
    Merge,
    TargetPrecision,
    group_column,
    kind_from_options,
    kind_of_critic,
    load_options,
    options_taken,
    read_label_sheet,
)
from synthkd.cli.options import AsJson, Formulas, check_share, key_values, read_options
from synthkd.reporting.safe_text import clean, json_text

if TYPE_CHECKING:
    from synthkd.critics.evaluate import CriticEvaluation

app = typer.Typer(
    help="Train, evaluate, compare and calibrate critics; score rows with one.",
    no_args_is_help=True,
)


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
        str,
        typer.Option(
            help="Which critic; `synthkd describe critics` lists them. Also a path:"
            " ./mine.py:MyCritic."
        ),
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
    max_rows: Annotated[
        int,
        typer.Option(
            min=100,
            help="Distinct rows at most; of a larger sheet, a seeded sample of groups by their"
            " hash. Memory grows with this number, not with the sheet.",
        ),
    ] = 200_000,
) -> None:
    """Train a critic and show what it guarantees.

    Output: the AUC on held-out labels, and the threshold for the target precision.
    """
    from synthkd import plugins
    from synthkd.critics.train import train_critic
    from synthkd.errors import InputError
    from synthkd.progress import Progress

    critic = plugins.own_name("critics", critic, Path.cwd())
    given = read_options(kind_option or [], "--kind-option")
    made = kind_from_options(kind, given)
    check_share("--precision", precision)
    if everything and held_out is not None:
        raise InputError(
            f"--all holds no row out, --held-out {held_out:g} some; give one of the two"
        )
    held_out = 0.3 if held_out is None else held_out
    check_share("--held-out", held_out)
    sheet = read_label_sheet(
        labels, made, label, 0.0 if everything else held_out, merge, seed, group, max_rows
    )
    with Progress(f"train {critic}", quiet=not sys.stderr.isatty()) as progress:
        trained = train_critic(
            made, sheet, critic, out, read_options(option or []), given, progress
        )
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
    facts: Annotated[
        bool,
        typer.Option(
            "--facts",
            help="Rows of the kind `fact`, with their source: ends come from the same document and"
            " from others.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    formulas: Formulas = False,
) -> None:
    """Make a label sheet from true triples alone: a head, relation or tail of each is replaced.

    Output: one line with the sheet, its true triples and its negatives.
    """
    from synthkd.critics.graphs.negatives import GraphSheetCounts, write_graph_negatives
    from synthkd.critics.triples.negatives import SheetCounts, write_negatives
    from synthkd.errors import InputError

    counts: GraphSheetCounts | SheetCounts
    if facts:
        if hard or known is not None:
            raise InputError("--facts draws from documents; leave --hard and --known out")
        counts = write_graph_negatives(positives, out, each, seed, formulas)
    else:
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
    as_json: AsJson = False,
) -> None:
    """Evaluate a critic on a label sheet.

    Rows of groups that the critic was trained on are left out.

    Output: a table of figures; with --json the figures by critic.
    """
    from synthkd.critics.evaluate import evaluate_critic
    from synthkd.critics.folder import load_critic

    made = kind_of_critic(critic, kind, kind_option)
    options = load_options(option, base_url, api_key_env, journal, encoder)
    evaluation = evaluate_critic(
        load_critic(critic, made, options),
        read_label_sheet(labels, made, label, 1.0, merge, 0, group_column(critic, group)),
        critic.name,
    )
    _show([evaluation], as_json)


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
    as_json: AsJson = False,
) -> None:
    """Compare critics on the same rows: those of groups that none of them was trained on.

    Output: a table with a column for each critic; with --json the figures by critic.
    """
    from synthkd.critics.evaluate import compare_critics as compared
    from synthkd.critics.folder import load_critic

    made = kind_of_critic(critics[0], kind, kind_option)
    options = load_options(option, base_url, api_key_env, journal, encoder)
    loaded = {
        str(folder): load_critic(folder, made, options_taken(folder, options)) for folder in critics
    }
    _show(
        compared(
            loaded,
            read_label_sheet(labels, made, label, 1.0, merge, 0, group or group_column(critics[0])),
        ),
        as_json,
    )


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

    made = kind_of_critic(critic, kind, kind_option)
    check_share("--precision", precision)
    sheet = read_label_sheet(labels, made, label, 1.0, merge, 0, group_column(critic, group))
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
    count = score_file(
        critic, rows, out, kind_of_critic(critic, kind, kind_option), options=options
    )
    typer.echo(f"{count:,} rows scored into {out}")
    for why, count in count_unscored(out).items():
        typer.echo(
            f"without a score, {clean(why)}: {count:,} {'row' if count == 1 else 'rows'}", err=True
        )


def _show(evaluations: list[CriticEvaluation], as_json: bool) -> None:
    """Print a table with a column for each critic and a line for each figure."""
    from synthkd.reporting.tables import text_table

    if as_json:
        typer.echo(json_text({one.name: one.figures() for one in evaluations}, indent=1))
        return
    figures = [evaluation.figures() for evaluation in evaluations]
    lines = [["", *(evaluation.name for evaluation in evaluations)]]
    lines += [[name, *(_cell(each[name]) for each in figures)] for name in figures[0]]
    typer.echo(text_table(lines, left=len(evaluations) + 1))


def _cell(value: Any) -> str:
    if value is None:
        return "cannot be reached"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
