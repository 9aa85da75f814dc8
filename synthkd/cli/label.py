"""The verbs of `synthkd label`. Without a verb, a path begins a session: `synthkd label CORPUS`."""

from __future__ import annotations

import getpass
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from synthkd.cli.options import Formulas, key_values
from synthkd.reporting.safe_text import clean

if TYPE_CHECKING:
    from synthkd.kinds.base import Kind
    from synthkd.labels.candidates import CandidatePool
    from synthkd.labels.sampling_design import SamplingDesign
    from synthkd.labels.sheet import Sheet


class _PathFirst(TyperGroup):
    """Reads `label PATH …` as `label start PATH …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "--help"):
            args = ["start", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_PathFirst,
    help="Label rows in the terminal, or elsewhere; merge annotators. `synthkd label PATH` starts a"
    " session.",
    no_args_is_help=True,
)

Rows = Annotated[
    Path,
    typer.Argument(
        help="A corpus, a run's folder, or rows in Parquet, CSV or JSONL.", show_default=False
    ),
]
KindName = Annotated[
    str | None,
    typer.Option("--kind", help="The kind of knowledge. Default: what the rows say, or triple."),
]
Share = Annotated[
    float,
    typer.Option(
        help="Share of turns for rows drawn uniformly, which calibration needs.",
        show_default="a third",
    ),
]
Strategy = Annotated[
    str, typer.Option(help="How the others are chosen: uncertain, stratified or uniform.")
]
Which = Annotated[
    str,
    typer.Option("--rows", help="critic (rows that a critic decides), accepted, rejected or all."),
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        help="Rows that score above it come first. Default: the corpus's own; none: rows near 0.5.",
        show_default=False,
    ),
]
CriticFolder = Annotated[
    Path | None,
    typer.Option(
        "--critic",
        help="Score the rows anew with this critic; aim at its threshold for 0.9.",
        show_default=False,
    ),
]
CriticOptions = Annotated[
    list[str] | None,
    key_values("--critic-option", "For `--critic`, what its folder does not say: `teacher.base_url`"
        " and others of a judge, `journal`, `encoder`."),
]  # fmt: skip
Seed = Annotated[int, typer.Option(help="Seed of the draws.")]
Format = Annotated[str, typer.Option("--format", help="label-studio or argilla.")]
_SHARE = 1 / 3
#: For the threshold that a critic named by `--critic` gives, where none is named.
_PRECISION = 0.9


@app.command("start")
def label_start(
    rows: Rows,
    sheet: Annotated[
        Path | None,
        typer.Argument(
            help="The label sheet, a CSV file. Default: NAME-labels.csv here.", show_default=False
        ),
    ] = None,
    annotator: Annotated[
        str, typer.Option(help="Your name in the sheet. Default: the user's.")
    ] = "",
    count: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many verdicts.", show_default=False)
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Only rows that nobody labelled yet.")
    ] = False,
    share: Share = _SHARE,
    strategy: Strategy = "uncertain",
    threshold: ThresholdOption = None,
    critic: CriticFolder = None,
    critic_option: CriticOptions = None,
    which: Which = "critic",
    kind: KindName = None,
    seed: Seed = 0,
    formulas: Formulas = False,
) -> None:
    """Label rows, one key for each verdict.

    Ends with `q`; the same command goes on where it ended.

    Output: each row with its verdict, and a summary of the sheet at the end.
    """
    from synthkd.labels import session, terminal
    from synthkd.labels.sheet import Sheet
    from synthkd.labels.weights import write_weights

    _check_threshold(threshold)
    _check_share(share)
    made = _kind(rows, kind)
    pool = _pool(rows, made, which, critic, critic_option)
    sheet = sheet or Path(f"{rows.resolve().name.split('.')[0]}-labels.csv")
    with Sheet(sheet, pool.sheet_columns, formulas) as opened:
        name, design = _design(pool, opened, strategy, share, threshold, seed)
        labelling = session.Session(
            pool,
            made,
            design,
            opened,
            name,
            annotator or _user(),
            typer.echo,
            count,
            fresh,
            _prompts(rows),
        )
        typer.echo(f"{len(pool):,} rows to choose from; into {clean(sheet)}\n{session.HELP}")
        try:
            with terminal.TerminalKeys() as keys:
                labelling.run(keys)
        finally:
            if opened.records:
                passed = write_weights(opened, pool, design, name)
        if opened.records:
            typer.echo(session.sheet_summary(opened))
            if passed:
                what = (
                    "row was passed over; it comes"
                    if passed == 1
                    else "rows were passed over; they come"
                )
                typer.echo(f"{passed:,} {what} first next time")


@app.command("export")
def label_export(
    rows: Annotated[
        Path,
        typer.Argument(
            help="A corpus, a run or a file of rows to draw from; or a label sheet.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Argument(help="A JSON file.", show_default=False)],
    format_: Format = "label-studio",
    count: Annotated[int, typer.Option(min=1, help="Rows that are drawn.")] = 300,
    share: Share = _SHARE,
    strategy: Strategy = "uncertain",
    threshold: ThresholdOption = None,
    critic: CriticFolder = None,
    critic_option: CriticOptions = None,
    which: Which = "critic",
    kind: KindName = None,
    seed: Seed = 0,
) -> None:
    """Write rows for Label Studio or Argilla: a sample as a session draws it, or a sheet's rows.

    Output: one line with the number of rows, and the files.
    """
    from synthkd.labels.exchange import drawn_rows, format_named, sheet_rows
    from synthkd.labels.sampling_design import SamplingDesign
    from synthkd.labels.sheet import is_sheet, read_sheet
    from synthkd.labels.weights import round_name

    tool = format_named(format_)
    _check_threshold(threshold)
    _check_share(share)
    made = _kind(rows, kind)
    if is_sheet(rows):
        exported = sheet_rows(read_sheet(rows), made)
    else:
        pool = _pool(rows, made, which, critic, critic_option)
        limit = pool.threshold if threshold is None else threshold
        name = round_name(pool, strategy, share, limit, seed)
        design = SamplingDesign.of(
            pool.ids, pool.scores, strata=pool.strata, texts=pool.texts, threshold=limit,
            strategy=strategy,
            share=share, seed=seed, scale=pool.scale,
        )  # fmt: skip
        exported = drawn_rows(pool, made, design, name, count)
    files = tool.write(exported, out)
    typer.echo(f"{len(exported):,} rows written: {', '.join(map(str, files))}")


@app.command("import")
def label_import(
    answers: Annotated[
        Path, typer.Argument(help="What the tool exported, JSON.", show_default=False)
    ],
    tasks: Annotated[Path, typer.Argument(help="What `label export` wrote.", show_default=False)],
    sheet: Annotated[
        Path, typer.Argument(help="The label sheet that they go to.", show_default=False)
    ],
    format_: Format = "label-studio",
    formulas: Formulas = False,
) -> None:
    """Take in answers from Label Studio or Argilla, joined by id; what does not match is named.

    Output: one line with the verdicts that were taken in; those that were not on standard
    error.
    """
    from synthkd.errors import InputError
    from synthkd.labels.exchange import add_annotations, format_named, sheet_columns
    from synthkd.labels.sheet import Sheet

    tool = format_named(format_)
    exported = tool.read_rows(tasks)
    if not exported:
        raise InputError(f"{tasks}: no rows that `synthkd label export --format {format_}` wrote")
    annotations, problems = tool.read_annotations(answers)
    if not annotations:
        for problem in problems:
            typer.echo(f"not taken in: {clean(problem)}", err=True)
        raise InputError(f"{answers}: no answers in it; nothing was added to {sheet}")
    with Sheet(sheet, sheet_columns(exported), formulas) as opened:
        added, more = add_annotations(annotations, exported, opened)
    for problem in [*problems, *more]:
        typer.echo(f"not taken in: {clean(problem)}", err=True)
    verdicts = "verdict" if added == 1 else "verdicts"
    left = len(problems) + len(more)
    typer.echo(
        f"{sheet}: {added:,} {verdicts} added, {left:,} {'entry' if left == 1 else 'entries'} not"
        " taken in"
    )


@app.command("agreement")
def label_agreement(
    sheet: Annotated[Path, typer.Argument(help="A label sheet.", show_default=False)],
    merge: Annotated[
        str | None,
        typer.Option(
            help="majority or dawid-skene: count the merged verdicts.", show_default=False
        ),
    ] = None,
) -> None:
    """Show how far annotators agree, and what they come to when they are merged.

    Output: a table of the agreement of annotators, and of merged verdicts.
    """
    from collections import Counter

    from synthkd.labels.agreement import agreement_report
    from synthkd.labels.merge import merge_verdicts as merged
    from synthkd.labels.sheet import read_sheet, votes_by_row

    votes = votes_by_row(read_sheet(sheet))
    typer.echo(agreement_report(votes))
    if merge:
        counts = Counter(merged(votes, merge).values())
        typer.echo(
            f"by {merge}: "
            + ", ".join(f"{count:,} {clean(verdict)}" for verdict, count in sorted(counts.items()))
        )


def _kind(path: Path, name: str | None) -> Kind:
    from synthkd.labels.candidates import kind_name
    from synthkd.plugins import find

    made: Kind = find("kinds", name or kind_name(path) or "triple")()
    return made


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return os.environ.get("USER", "")


def _pool(
    path: Path, kind: Kind, which: str, critic: Path | None, critic_option: list[str] | None
) -> CandidatePool:
    from synthkd.labels.candidates import read_candidates

    pool = read_candidates(path, kind, which)
    if critic is not None:
        import pyarrow as pa

        from synthkd.cli.critic_arguments import load_options
        from synthkd.critics.calibration.results import Threshold
        from synthkd.critics.folder import load_critic

        trained = load_critic(critic, kind, load_options(critic_option))
        for row, score in zip(
            pool.rows, trained.score(pa.Table.from_pylist(pool.rows)), strict=True
        ):
            # A judge has no verdict on some rows: nothing speaks for them.
            row["score"] = 0.0 if score != score else float(score)
        # The corpus's threshold is one of other scores.
        result = trained.threshold(_PRECISION)
        pool = replace(pool, threshold=result.threshold if isinstance(result, Threshold) else None)
    return pool


def _design(
    pool: CandidatePool,
    sheet: Sheet,
    strategy: str,
    share: float,
    threshold: float | None,
    seed: int,
) -> tuple[str, SamplingDesign]:
    from synthkd.labels.weights import next_design, round_name

    threshold = pool.threshold if threshold is None else threshold
    name = round_name(pool, strategy, share, threshold, seed)
    design = next_design(
        pool, sheet, name, strategy=strategy, share=share, threshold=threshold, seed=seed
    )
    return name, design


def _check_threshold(threshold: float | None) -> None:
    from synthkd.errors import InputError

    if threshold is not None and not math.isfinite(threshold):
        raise InputError(f"--threshold is {threshold}; give a number, such as 0.7")


def _check_share(share: float) -> None:
    from synthkd.errors import InputError

    if not 0 <= share <= 1:
        raise InputError(f"--share is {share:g}; it must lie between 0 and 1")


def _prompts(path: Path) -> Any:
    from synthkd.labels.candidates import prompt_reader

    return prompt_reader(path)
